"""Files that dead processes left are deleted; what a live one works on, or can resume, is kept."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import pytest
from conftest import MakeCache, MakeRepo

from image_gen_demo.hub import DemoHub

OTHER = "b" * 64


@pytest.fixture
def blobs(hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache) -> Path:
    """The blobs of a model that the next `ensure` has to fetch."""
    make_repo()
    place = make_cache().settings.hub_cache / "models--test--model" / "blobs"
    place.mkdir(parents=True)
    return place


def leave(path: Path, hours: float) -> Path:
    path.write_bytes(b"x" * 5000)
    then = time.time() - hours * 3600
    os.utime(path, (then, then))
    return path


def test_old_partial_downloads_are_deleted(make_cache: MakeCache, blobs: Path) -> None:
    names = (f"{OTHER}.incomplete", f"{OTHER}.ranges.incomplete", f"{OTHER}.0123abcd.incomplete")
    left = [leave(blobs / name, 2) for name in names]
    make_cache().ensure("test/model")
    assert [path.name for path in left if path.exists()] == []


def test_recent_and_unknown_partial_downloads_are_kept(make_cache: MakeCache, blobs: Path) -> None:
    kept = [leave(blobs / f"{OTHER}.0123abcd.incomplete", 0.5), leave(blobs / "notes.incomplete", 50)]
    make_cache().ensure("test/model")
    assert all(path.exists() for path in kept)


def test_partial_downloads_locked_by_another_tool_are_kept(make_cache: MakeCache, blobs: Path) -> None:
    held = leave(blobs / f"{OTHER}.0123abcd.incomplete", 2)
    lock = make_cache().settings.hub_cache / ".locks" / "models--test--model" / f"{OTHER}.lock"
    lock.parent.mkdir(parents=True)
    with lock.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        make_cache().ensure("test/model")
        assert held.exists()
    (blobs.parent / "refs" / "main").unlink()
    for path in blobs.parent.rglob("*.safetensors"):
        path.resolve().unlink()
    make_cache().ensure("test/model")
    assert not held.exists()
