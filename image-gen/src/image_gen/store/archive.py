"""The shape of a backup: a tar as the guide's own command makes it, with paths below `data/huggingface`."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

TOP = PurePosixPath("data/huggingface")
_WANTED = (
    re.compile(r"hub/models--[^/]+/blobs/[0-9a-f]{40}(?:[0-9a-f]{24})?"),
    re.compile(r"hub/models--[^/]+/refs/.+"),
    re.compile(r"hub/models--[^/]+/snapshots/[0-9a-f]{40}/.+"),
    re.compile(r"hub/blobs/[0-9a-f]{2}/[0-9a-f]+"),
    re.compile(r"image-gen/manifests/[^/]+\.json"),
)


def inside(name: str) -> PurePosixPath | None:
    """A member's path below `huggingface/`, or None when it lies elsewhere. Takes `/data/…` and `./data/…` too."""
    path = PurePosixPath(name.lstrip("/"))
    return path.relative_to(TOP) if path.is_relative_to(TOP) else None


def is_wanted(path: PurePosixPath) -> bool:
    """Whether a path is part of a model: not a token, a lock, a half-fetched file or another tool's cache."""
    return any(pattern.fullmatch(path.as_posix()) for pattern in _WANTED)
