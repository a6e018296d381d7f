"""Files that appear complete or not at all, also after a power cut."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from image_gen.model_cache.core.layout import RepoLayout


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path that replaces `path` at the end, in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    yield fresh
    fresh.replace(path)
    sync_directory(path.parent)


def write_atomic(path: Path, text: str) -> None:
    """Writes a small text file."""
    with replacing(path) as fresh, fresh.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def commit_blob(partial: Path, blob: Path) -> None:
    """Moves a complete partial file, already synced, to its name."""
    partial.replace(blob)
    sync_directory(blob.parent)


def link_snapshot(layout: RepoLayout, revision: str, paths: Iterable[str], blob_name: str) -> None:
    """Creates the snapshot's relative links to a blob, replacing whatever is there."""
    for path in paths:
        link = layout.snapshot(revision) / path
        with replacing(link) as fresh:
            fresh.symlink_to(os.path.relpath(layout.blobs / blob_name, link.parent))


def write_ref(layout: RepoLayout, name: str, commit: str) -> None:
    """Records the commit of a branch or tag."""
    ref = layout.ref(name)
    if not ref.is_file() or ref.read_text(encoding="ascii") != commit:
        write_atomic(ref, commit)


def sync_directory(directory: Path) -> None:
    """Makes a rename survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
