"""Files that appear complete or not at all, also after a power cut."""

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from image_gen.model_cache.core.layout import RepoLayout
from image_gen.model_cache.core.manifest import is_commit

# What file systems answer that have no symbolic links: CIFS, exFAT, FAT, some network file systems.
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EACCES}
_NO_SYNC = {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF, errno.EISDIR, errno.EACCES, errno.EPERM}


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
        sync_file(stream.fileno())


def sync_file(descriptor: int) -> None:
    """Makes a file's content survive a power cut, where the file system can do that."""
    try:
        os.fdatasync(descriptor) if hasattr(os, "fdatasync") else os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def commit_blob(partial: Path, blob: Path) -> None:
    """Moves a complete partial file, already synced, to its name."""
    partial.replace(blob)
    sync_directory(blob.parent)


def link_snapshot(layout: RepoLayout, revision: str, paths: Iterable[str], blob_name: str) -> None:
    """Creates the snapshot's relative links to a blob, replacing whatever is there. On a file system without links, the
    blob itself becomes the first of the files, and a copy every other one: as the hub's client does there.
    """
    blob, content = layout.blobs / blob_name, layout.blobs / blob_name
    for path in paths:
        link = layout.snapshot(revision) / path
        with replacing(link) as fresh:
            try:
                fresh.symlink_to(os.path.relpath(blob, link.parent))
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                if content == blob and blob.exists():
                    blob.replace(fresh)
                else:
                    shutil.copyfile(content, fresh)
                content = link


def read_ref(layout: RepoLayout, name: str) -> str | None:
    """The commit of a branch or tag when it was cached; None too for a file that a power cut has emptied."""
    try:
        commit = layout.ref(name).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    return commit if is_commit(commit) else None


def write_ref(layout: RepoLayout, name: str, commit: str) -> None:
    """Records the commit of a branch or tag."""
    if read_ref(layout, name) != commit:
        write_atomic(layout.ref(name), commit)


def sync_directory(directory: Path) -> None:
    """Makes a rename survive a power cut."""
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        # CIFS and many file systems in user space can't do that for a directory.
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(descriptor)
