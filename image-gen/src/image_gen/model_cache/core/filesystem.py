"""The cache's file system: free space, and the meaning of its errors."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from image_gen import errors
from image_gen.model_cache.core.report import Report

# On others the C library would write into every block instead.
_SETS_ASIDE = {"btrfs", "ext4", "f2fs", "overlay", "tmpfs", "xfs"}


@dataclass(frozen=True)
class Mount(Report):
    """The file system that holds a path; `is_mount` is False when that is the root file system itself. `files_free` is
    how many more files it can hold; None where there is no such limit, as on btrfs.
    """

    path: Path
    is_mount: bool
    filesystem: str
    bytes_total: int
    bytes_free: int
    files_free: int | None = field(default=None, metadata={"json": False})


def mount_of(path: Path) -> Mount:
    """The mount of a path, which need not exist yet."""
    here = existing_parent(path).resolve()
    room = os.statvfs(here)
    top, filesystem = _mount_point(here)
    return Mount(
        path=top,
        is_mount=top != Path(top.anchor),
        filesystem=filesystem,
        bytes_total=room.f_blocks * room.f_frsize,
        bytes_free=room.f_bavail * room.f_frsize,
        files_free=room.f_favail if room.f_files else None,
    )


def existing_parent(path: Path) -> Path:
    """The path itself, or the nearest directory above it that exists."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def status_of(path: Path) -> os.stat_result | None:
    """None for a file that is not there, or can't be reached."""
    try:
        return path.stat()
    except OSError:
        return None


def allocate(descriptor: int, size: int, path: Path) -> None:
    """Gives an open file its size, and reserves the space where the file system can do that at once."""
    before = os.fstat(descriptor).st_size
    if mount_of(path).filesystem not in _SETS_ASIDE:
        os.ftruncate(descriptor, size)
        return
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError:
        os.ftruncate(descriptor, before)
        raise


def require_room(path: Path, needed: int, what: str, files: int = 0) -> None:
    """Raises DISK_FULL when `needed` bytes, or so many `files`, don't fit on the file system of `path`."""
    mount = mount_of(path)
    if needed > mount.bytes_free:
        raise disk_full(path, what, needed)
    if mount.files_free is not None and files > mount.files_free:
        raise _out_of_inodes(mount, what, files)


def disk_full(path: Path, what: str, needed: int | None = None) -> errors.ImageGenError:
    """The error for a full disk, with the numbers that are known."""
    mount = mount_of(path)
    if needed is None and mount.files_free == 0:
        return _out_of_inodes(mount, what, None)
    need = f"needs {format_bytes(needed)} more" if needed is not None else "needs more room"
    return errors.DiskFullError(
        f"Not enough room: {what} {need}, {format_bytes(mount.bytes_free)} of {format_bytes(mount.bytes_total)} "
        f"are free on {mount.path} ({mount.filesystem}). Enlarge the volume, or free some: `image-gen status` shows "
        "the cached models, `image-gen clear --model ID` removes one, `docker system df -v` shows what else there is."
    )


def _out_of_inodes(mount: Mount, what: str, needed: int | None) -> errors.ImageGenError:
    need = f"makes up to {needed} files" if needed is not None else "makes one more file"
    return errors.DiskFullError(
        f"Not enough inodes: {what} {need}, {mount.files_free} can be made on {mount.path} "
        f"({mount.filesystem}), though {format_bytes(mount.bytes_free)} are free. Remove small files from it (`df -i` "
        "counts them), or use a volume that was made with more inodes."
    )


@contextmanager
def translate_os_errors(place: Path, what: str) -> Iterator[None]:
    """Translates OSError below `place` into errors that say how to fix them."""
    try:
        yield
    except BrokenPipeError:
        # The reader of the output is gone; that is no error of the disk.
        raise
    except OSError as error:
        raise to_cache_error(error, place, what) from error


def to_cache_error(error: OSError, place: Path, what: str) -> errors.ImageGenError:
    """The error for an OSError in the cache at `place`."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return disk_full(place, what)
    if error.errno == errno.EROFS:
        if mount_of(place).is_mount:
            problem, fix = "is mounted read-only", "mount it writable (leave out `:ro`)"
        else:
            problem, fix = "is in the container's own, read-only file system", "mount a volume at /data"
        return errors.CacheReadOnlyError(f"{place} {problem}, and {what} has to write there. Fix: {fix}.")
    if error.errno in {errno.EACCES, errno.EPERM}:
        owner = f"{os.geteuid()}:{os.getegid()}"
        make = "" if place.exists() else f"mkdir -p {place} && "
        return errors.CacheNotWritableError(
            f"{error.filename or place} is not open to user {owner}. Fix, as root: {make}chown -R {owner} {place}"
        )
    if error.errno in {errno.ENOENT, errno.ESTALE, errno.ENOTDIR}:
        return errors.CacheChangedError(
            f"{error.filename or place} was deleted during {what}; was the cache cleared? Fix: start again."
        )
    return errors.CacheError(
        f"{error.filename or place}: {error.strerror or error}. Check the disk behind {mount_of(place).path}.",
        retryable=error.errno == errno.EIO,
    )


def format_bytes(count: float) -> str:
    """Decimal units and three significant figures: 6.94 GB, 525 kB."""
    for size, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= 0.9995 * size:
            return f"{float(f'{count / size:.3g}'):g} {unit}"
    return f"{count:.0f} B"


def _mount_point(here: Path) -> tuple[Path, str]:
    """The nearest mount point above a path and the type of its file system, from the kernel."""
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return next(path for path in (here, *here.parents) if path.is_mount()), "unknown"
    best, filesystem = Path(here.anchor), "unknown"
    for line in lines:
        fields = line.split()
        # Spaces in names are written as octal escapes.
        where = Path(fields[4].encode("ascii", "backslashreplace").decode("unicode_escape"))
        if here.is_relative_to(where) and where.is_relative_to(best):
            best, filesystem = where, fields[fields.index("-") + 1]
    return best, filesystem
