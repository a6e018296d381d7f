"""Puts proven contents into the hub's cache layout, each step whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from image_gen.model_cache.core.filesystem import translate_os_errors
from image_gen.model_cache.core.layout import RepoLayout


def commit_blob(partial: Path, blob: Path) -> None:
    """Moves a complete partial file, already on the disk, to its name."""
    partial.replace(blob)
    sync_directory(blob.parent)


def link_snapshot(layout: RepoLayout, revision: str, paths: Iterable[str], blob_name: str) -> None:
    """Makes the snapshot's relative links to a blob, replacing whatever is there."""
    for path in paths:
        link = layout.snapshot(revision) / path
        link.parent.mkdir(parents=True, exist_ok=True)
        target = os.path.relpath(layout.blobs / blob_name, link.parent)
        fresh = link.with_name(f".{link.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(target)
        fresh.replace(link)
        sync_directory(link.parent)


def write_ref(layout: RepoLayout, name: str, commit: str) -> None:
    """Remembers what a branch or tag means."""
    ref = layout.ref(name)
    if ref.is_file() and ref.read_text(encoding="ascii") == commit:
        return
    ref.parent.mkdir(parents=True, exist_ok=True)
    fresh = ref.with_name(f".{ref.name}.{os.getpid()}")
    fresh.write_text(commit, encoding="ascii")
    fresh.replace(ref)


def write_atomic(path: Path, text: str) -> None:
    """A small file of text that appears whole or not at all, and says what to do where it can't be written."""
    with translate_os_errors(path.absolute().parent, f"writing {path.name}"):
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(path)


def sync_directory(directory: Path) -> None:
    """Makes a rename survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
