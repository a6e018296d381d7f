"""Removes what dead processes left half done in a model's cache. What a live one works on is never touched."""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Collection
from pathlib import Path

from image_gen.store.layout import RepoLayout

# A process of another host may use the same volume without its locks being seen here.
_AGE_SECONDS = 3600.0
# Ours: the content's name alone, or with its journal; the hub's own tools': with eight digits of the process's choice.
_LEFTOVER = re.compile(r"(?P<key>[0-9a-f]{40}|[0-9a-f]{64})(?:\.(?:ranges|[0-9a-f]{8}))?\.incomplete(?:\.new)?")


def sweep(layout: RepoLayout, wanted: Collection[str]) -> int:
    """Removes leftovers of contents that are not `wanted`, and the hub's own, which nothing can go on with. Returns the
    bytes that became free. The caller holds the model's lock, so that no other process of ours is at work.
    """
    freed = 0
    for path in list(layout.blobs.glob("*.incomplete*")):
        found = _LEFTOVER.fullmatch(path.name)
        ours = found and found["key"] in wanted and path.name.count(".") == 1 + (".ranges." in path.name)
        if not found or ours or _is_young(path) or _is_locked(layout.locks / f"{found['key']}.lock"):
            continue
        try:
            freed += path.stat().st_blocks * 512
            path.unlink()
        except FileNotFoundError:
            continue
    return freed


def _is_young(path: Path) -> bool:
    try:
        # A clock that was set back makes files of the future; they may well be new.
        return time.time() - path.stat().st_mtime < _AGE_SECONDS
    except FileNotFoundError:
        return True


def _is_locked(lock: Path) -> bool:
    """Whether a process holds the lock under which the hub's own tools fetch a content."""
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
