"""Files that appear complete or not at all, and that outlast a power cut."""

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from image_gen import reader
from image_gen.errors import CacheBusyError
from image_gen.model_cache.core.file_lock import file_lock
from image_gen.model_cache.core.layout import RepoLayout, temporary
from image_gen.model_cache.core.manifest import is_commit
from image_gen.model_cache.core.untrusted_files import read_regular

# What file systems answer that have no symbolic links: CIFS, exFAT, FAT, some network file systems.
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EACCES}
_NO_SYNC = {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF, errno.EISDIR, errno.EACCES, errno.EPERM}
_SYNC_CONTENT: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path that replaces `path` at the end, in one step. `sync_names` makes the replacement last."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = temporary(path)
    fresh.unlink(missing_ok=True)
    try:
        yield fresh
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


@contextmanager
def complete_file(path: Path) -> Iterator[BinaryIO]:
    """A large file to write, which gets its name once it is complete and synced. One process at a time writes it, and
    what a killed one left is overwritten.
    """
    partial = partial_of(path)
    with file_lock(partial, lambda: raise_busy(path)), partial.open("wb") as stream:
        try:
            yield stream
            stream.flush()
            sync_file(stream.fileno())
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


def partial_of(path: Path) -> Path:
    """What a killed process leaves of a large file."""
    return path.with_name(f"{path.name}.partial")


def move(path: Path, place: Path) -> None:
    """Moves a file or a link. To another file system it is copied, and gets its name there once it is synced."""
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.replace(place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with replacing(place) as fresh:
            shutil.copyfile(path, fresh, follow_symlinks=False)
            if not fresh.is_symlink():
                sync(fresh)
        path.unlink()


def raise_busy(path: Path) -> None:
    """For a file or directory that another process is writing."""
    raise CacheBusyError(f"Another process is writing {reader.place(path)}. Fix: wait until it has ended.")


def write_atomic(path: Path, text: str) -> None:
    """Writes a small text file, to last."""
    with replacing(path) as fresh:
        fresh.write_text(text, encoding="utf-8")
        sync(fresh)
    sync_names([path])


def link_snapshot(layout: RepoLayout, revision: str, paths: Iterable[str], blob_name: str) -> None:
    """Creates the snapshot's relative links to a blob, replacing whatever is there. On a file system without links, the
    blob itself becomes the first of the files, and a copy every other one: as the hub's client does there.
    """
    blob, content = layout.blobs / blob_name, layout.blobs / blob_name
    for path in paths:
        link = layout.snapshot(revision) / path
        with replacing(link) as fresh:
            try:
                # From one real place to the other: a directory of the cache may be a link to another disk.
                fresh.symlink_to(os.path.relpath(blob.parent.resolve() / blob.name, link.parent.resolve()))
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                if content == blob and blob.exists():
                    blob.replace(fresh)
                else:
                    shutil.copyfile(content, fresh)
                    sync(fresh)
                content = link


def read_ref(layout: RepoLayout, name: str) -> str | None:
    """The commit of a branch or tag when it was cached; None too for a file that a power cut has emptied."""
    try:
        commit = read_regular(layout.ref(name)).decode("ascii").strip()
    except ValueError:
        return None
    except OSError as error:
        # It may be good.
        if error.errno in {errno.EACCES, errno.EIO}:
            raise
        return None
    return commit if is_commit(commit) else None


def commit_of(layout: RepoLayout, revision: str) -> str | None:
    """The commit that a revision means: a commit is one by itself."""
    return revision if is_commit(revision) else read_ref(layout, revision)


def write_ref(layout: RepoLayout, name: str, commit: str, *, move: bool = True) -> None:
    """Records the commit of a branch or tag; without `move` only where none that leads to a snapshot is recorded."""
    known = read_ref(layout, name)
    if known != commit and (move or known is None or not layout.snapshot(known).is_dir()):
        write_atomic(layout.ref(name), commit)


def sync_file(descriptor: int, how: Callable[[int], None] = _SYNC_CONTENT) -> None:
    """Makes an open file's content survive a power cut, where the file system can do that."""
    try:
        how(descriptor)
    except OSError as error:
        # CIFS and many file systems in user space can't do that for a directory.
        if error.errno not in _NO_SYNC:
            raise


def sync(path: Path) -> None:
    """The same for a closed file, or for the names in a directory: of those, ext4's fdatasync writes none."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
        return
    try:
        sync_file(descriptor, os.fsync)
    finally:
        os.close(descriptor)


def sync_names(paths: Iterable[Path]) -> None:
    """Makes the names of files and links survive: every directory above them on their file system, each once. That of
    the whole file system would wait for what other programs write.
    """
    above: set[Path] = set()
    for parent in {path.parent.resolve() for path in paths}:
        if device := parent.exists() and parent.stat().st_dev:
            above.update(each for each in (parent, *parent.parents) if each.stat().st_dev == device)
    for directory in sorted(above, reverse=True):
        sync(directory)
