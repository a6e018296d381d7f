"""The format of a backup: a tar archive like that of the guide's own command, with paths below `data/huggingface`.

It ends with an index: every file with its sha256, and the manifests of its models. A comment at its beginning says so.
Archives of plain tar have neither, and those of earlier versions no comment.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from image_gen.errors import CorruptBackupError, ImageGenError
from image_gen.model_cache.core.layout import BACKUP_INDEX
from image_gen.model_cache.core.manifest import Manifest, parse_manifest
from image_gen.model_cache.core.untrusted_files import parse_json

TOP = PurePosixPath("data/huggingface")
# The comment of the archive as a whole, which every tar program passes over.
INDEX_FOLLOWS = f"{TOP / BACKUP_INDEX} is the last file of this backup"
_SCHEMA = 1
_WANTED = (
    re.compile(r"hub/models--[^/]+/blobs/[0-9a-f]{40}(?:[0-9a-f]{24})?"),
    re.compile(r"hub/models--[^/]+/refs/.+", re.DOTALL),
    re.compile(r"hub/models--[^/]+/snapshots/[0-9a-f]{40}/.+", re.DOTALL),
    re.compile(r"hub/models--[^/]+/trees/[0-9a-f]{40}\.json"),
    re.compile(r"hub/blobs/[0-9a-f]{2}/[0-9a-f]+"),
    re.compile(r"image-gen/manifests/[^/]+\.json"),
)


def inside(name: str) -> PurePosixPath | None:
    """A member's path below `huggingface/`, or None when it is elsewhere. Accepts `/data/…` and `./data/…` too."""
    path = PurePosixPath(name.lstrip("/"))
    return path.relative_to(TOP) if path.is_relative_to(TOP) else None


def is_wanted(path: PurePosixPath) -> bool:
    """Whether a path is part of a model: not a token, a lock, a half-fetched file or another tool's cache."""
    return any(pattern.fullmatch(path.as_posix()) for pattern in _WANTED)


@dataclass(frozen=True)
class BackupIndex:
    """What must be in a backup: sha256 by path for files, targets for links, and the models' manifests."""

    files: Mapping[str, str]
    links: Mapping[str, str]
    manifests: Sequence[Manifest]

    def to_json(self) -> str:
        document = {
            "schema": _SCHEMA,
            "files": dict(self.files),
            "links": dict(self.links),
            "manifests": [json.loads(manifest.to_json()) for manifest in self.manifests],
        }
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def parse(cls, text: bytes) -> "BackupIndex":
        """Raises CORRUPT_BACKUP for anything but a listing."""
        try:
            document: Any = parse_json(text)
            fine = document["schema"] == _SCHEMA and all(
                isinstance(document[name], dict) and all(isinstance(value, str) for value in document[name].values())
                for name in ("files", "links")
            )
            if not fine:
                raise TypeError
            manifests = [parse_manifest(json.dumps(each), str(BACKUP_INDEX)) for each in document["manifests"]]
        except (ValueError, KeyError, TypeError, ImageGenError) as error:
            raise CorruptBackupError("The backup's own listing can't be understood; the cache is as it was.") from error
        return cls(document["files"], document["links"], manifests)
