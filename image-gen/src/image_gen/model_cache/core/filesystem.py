"""The cache's file system: free space, and the meaning of its errors."""

import errno
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from image_gen import errors, reader
from image_gen.model_cache.core.report import Report
from image_gen.mounts import is_reachable, mount_point

# On others the C library would write into every block instead.
_SETS_ASIDE = {"btrfs", "ext4", "f2fs", "overlay", "tmpfs", "xfs"}
_CANNOT_SET_ASIDE = {errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ENODEV, errno.EPERM, errno.EBADF}
# What a network file system says when its server is gone, or has lost a file.
_SERVER_GONE = {errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ENOTCONN, errno.EREMOTEIO}
# There is nothing at a path.
ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
_NO_DIRECTORY = (
    " is no directory: a file, or a link that leads nowhere, is in its place. Fix: mount the disk that it leads to, or "
    "remove what is there."
)
_TOO_MANY = ": too many files are open. Fix: raise the limit (ulimit -n)."
_KNOWN = {
    errno.EEXIST: _NO_DIRECTORY,
    errno.ELOOP: _NO_DIRECTORY,
    errno.ENOTDIR: _NO_DIRECTORY,
    errno.EISDIR: " is a directory, where a file should be. Fix: remove it.",
    errno.EFBIG: ": the file system takes no file of that size (FAT takes 4 GiB). Fix: use a volume with another one.",
    errno.ENAMETOOLONG: ": the file system takes no such long name. Fix: use a volume with another one.",
    errno.EMFILE: _TOO_MANY,
    errno.ENFILE: _TOO_MANY,
}
# Errors of connections. A disk has none of them; that they are OSErrors too must not make them one of the disk.
_NETWORK = (ssl.SSLError, socket.gaierror, socket.herror, ConnectionError)


@dataclass(frozen=True)
class Mount(Report):
    """The file system that holds a path; `is_mount` is False when that is the root file system itself. `files_free` is
    how many more files it can hold; None where there is no such limit, as on btrfs. Where nothing is known of its
    room, as on some network file systems, `bytes_total` is 0.
    """

    path: Path
    is_mount: bool
    filesystem: str
    bytes_total: int
    bytes_free: int
    files_free: int | None = field(default=None, metadata={"json": False})

    @property
    def is_known(self) -> bool:
        """Whether the file system says how large it is."""
        return self.bytes_total > 0


def mount_of(path: Path) -> Mount:
    """The mount of a path, which need not exist yet."""
    here = existing_parent(path).resolve()
    found = mount_point(here)
    top = found.path if found else next(each for each in (here, *here.parents) if each.is_mount())
    try:
        room = os.statvfs(here)
    except OSError as error:
        if error.errno not in {errno.ENOSYS, errno.EOPNOTSUPP}:
            raise
        total, free, files = 0, 0, None
    else:
        total, free = room.f_blocks * room.f_frsize, room.f_bavail * room.f_frsize
        files = room.f_favail if room.f_files else None
    kind = found.filesystem if found else "unknown"
    return Mount(top, top != Path(top.anchor), kind, bytes_total=total, bytes_free=free, files_free=files)


def existing_parent(path: Path) -> Path:
    """The path itself, or the nearest directory above it that exists."""
    while not is_reachable(path) and path != path.parent:
        path = path.parent
    return path


def status_of(path: Path) -> os.stat_result | None:
    """None for a file that is not there, or can't be reached."""
    try:
        return path.stat()
    except OSError:
        return None


def status_if_there(path: Path, *, follow: bool = True) -> os.stat_result | None:
    """None where there is nothing. Raises the error of a place that can't be read."""
    try:
        return path.stat(follow_symlinks=follow)
    except OSError as error:
        if error.errno in ABSENT:
            return None
        raise


def allocate(descriptor: int, size: int, path: Path) -> None:
    """Gives an open file its size, and reserves the space where the file system can do that at once."""
    before = os.fstat(descriptor).st_size
    if mount_of(path).filesystem not in _SETS_ASIDE:
        os.ftruncate(descriptor, size)
        return
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        os.ftruncate(descriptor, before)
        if error.errno not in _CANNOT_SET_ASIDE:
            raise
        os.ftruncate(descriptor, size)


def require_room(path: Path, needed: int, what: str, files: int = 0) -> None:
    """Raises DISK_FULL when `needed` bytes, or so many `files`, don't fit on the file system of `path`."""
    mount = mount_of(path)
    if mount.is_known and needed > mount.bytes_free:
        raise disk_full(path, what, needed)
    if mount.files_free is not None and files > mount.files_free:
        raise _out_of_inodes(mount, what, files)


def disk_full(path: Path, what: str, needed: int | None = None) -> errors.ImageGenError:
    """The error for a full disk, with the numbers that are known."""
    mount = mount_of(path)
    if needed is None and mount.files_free == 0:
        return _out_of_inodes(mount, what, None)
    need = f"needs {format_bytes(needed)} more" if needed is not None else "needs more room"
    # After a failure, what is free was taken back a moment ago.
    free = f"{format_bytes(mount.bytes_free)} of " if needed is not None else "all but little of "
    room = f"{free}{format_bytes(mount.bytes_total)} {'are free' if needed is not None else 'was in use'}"
    least = f"{needed}" if needed is not None else "20GB"
    others = "; `docker system df -v` shows what else there is" if reader.has_mounts() else ""
    return errors.DiskFullError(
        f"Not enough room: {what} {need}, {room if mount.is_known else 'none is left'} on {reader.place(mount.path)} "
        f"({mount.filesystem}). Fix: enlarge it or make room there; if the models are on it, "
        f"`{reader.cache_command(f'gc --keep-free {least}')}` deletes those that are not used{others}."
    )


def _out_of_inodes(mount: Mount, what: str, needed: int | None) -> errors.ImageGenError:
    need = f"makes up to {needed} files" if needed is not None else "makes one more file"
    return errors.DiskFullError(
        f"Not enough inodes: {what} {need}, {mount.files_free} can be made on {reader.place(mount.path)} "
        f"({mount.filesystem}), though {format_bytes(mount.bytes_free)} are free. Fix: remove small files from it "
        "(`df -i` counts them), or use a volume that was made with more inodes."
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
    except UnicodeError as error:
        raise errors.CacheError(
            f"{reader.place(place)} holds a name or a text that is not UTF-8, found during {what}: {error}. Fix: "
            f"`find {reader.place(place)} | LC_ALL=C grep '[^ -~]'` lists such names; rename or remove them."
        ) from error


def to_cache_error(error: OSError, place: Path, what: str) -> errors.ImageGenError:
    """The error for an OSError in the cache at `place`."""
    if isinstance(error, _NETWORK) or (isinstance(error, TimeoutError) and not error.filename):
        return errors.HubUnreachableError(f"The network failed during {what}: {error}. Fix: check the connection.")
    # The text of a link comes first, which is no path of this directory.
    names = [Path(os.fsdecode(each)) for each in (error.filename, error.filename2) if isinstance(each, str | bytes)]
    named = next((each for each in names if each.is_absolute()), names[0].absolute() if names else place)
    if not _is_below(named, place):
        if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.EISDIR}:
            # Somebody else's file: that of a setting, or of a library. It says nothing of the cache.
            return errors.CacheError(
                f"{reader.place(named)} can't be used during {what}: {error.strerror}. Fix: check that file's setting."
            )
        place = named.parent
    if error.errno == errno.ENOENT:
        return errors.CacheChangedError(
            f"{reader.place(named)} was deleted during {what}; was the cache cleared? Fix: start again."
        )
    return _not_permitted(error, named, place, what) or _of_disk(error, named, place, what)


def _not_permitted(error: OSError, named: Path, place: Path, what: str) -> errors.ImageGenError | None:
    """What a user or a mount may not do."""
    owner = f"{os.geteuid()}:{os.getegid()}"
    if error.errno == errno.EPERM and (error.filename2 is not None or _owner(named) == os.geteuid()):
        # The owner of a file, or a link to one: another owner would not help.
        return errors.CacheNotWritableError(
            f"The file system of {reader.place(named)} refuses {what} to user {owner}, whoever owns the file: it "
            "has no such links, fs.protected_hardlinks forbids them, or the file is immutable (`lsattr`). Fix: use a "
            "volume on another file system, such as ext4 or xfs, or `chattr -i` as root."
        )
    if error.errno in {errno.EACCES, errno.EPERM}:
        fix = reader.owner_fix(place)
        text = f"{reader.place(named)} is not open to user {owner}. Fix{', ' if fix.startswith('as') else ': '}{fix}"
        return errors.CacheNotWritableError(text)
    if error.errno == errno.EDQUOT:
        return errors.DiskFullError(
            f"The disk quota of user {owner} for {reader.place(place)} is used up, and {what} needs more. Fix: "
            f"raise it, or delete models that are not used: `{reader.cache_command('gc --keep-free 20GB')}`."
        )
    if error.errno != errno.EROFS:
        return None
    if mount_of(place).is_mount:
        problem = "is mounted read-only"
        fix = "mount it writable (leave out `:ro`), or give it as IMAGE_GEN_HOST_CACHE, which is only read"
    else:
        problem, fix = "is in the container's own, read-only file system", "mount a volume at /data"
    return errors.CacheReadOnlyError(f"{reader.place(place)} {problem}, and {what} has to write there. Fix: {fix}.")


def _owner(path: Path) -> int | None:
    try:
        return path.lstat().st_uid
    except OSError:
        return None


def _of_disk(error: OSError, named: Path, place: Path, what: str) -> errors.ImageGenError:
    if error.errno == errno.ENOSPC:
        return disk_full(named, what)
    shown, why = reader.place(named), error.strerror or str(error)
    mount = None
    # It may not answer at all.
    with suppress(OSError):
        mount = mount_of(place)
    if error.errno in _SERVER_GONE:
        kind = f" ({mount.filesystem})" if mount else ""
        text = f"The file system{kind} of {reader.place(place)} lost {shown} during {what}: {why}. "
        return errors.CacheError(f"{text}Fix: check its server and the network; it is tried again.", retryable=True)
    if known := _KNOWN.get(error.errno or 0):
        return errors.CacheError(f"{shown}{known}", retryable=error.errno in {errno.EMFILE, errno.ENFILE})
    disk = f"the disk behind {reader.place(mount.path)}" if mount else "its disk"
    text = f"{shown}: {why}. Fix: check {disk} (`dmesg` shows its errors)."
    return errors.CacheError(text, retryable=error.errno == errno.EIO)


def _is_below(named: Path, place: Path) -> bool:
    """Whether a file is in a place, or the place in the file's: an error may name any part of a path."""
    named, place = Path(os.path.normpath(named)), Path(os.path.normpath(place))
    if named.is_relative_to(place) or place.is_relative_to(named):
        return True
    try:
        return named.resolve().is_relative_to(place.resolve())
    except (OSError, RuntimeError):  # a loop of links
        return False


def format_bytes(count: float) -> str:
    """Decimal units and three significant figures: 6.94 GB, 525 kB."""
    for size, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= 0.9995 * size:
            return f"{float(f'{count / size:.3g}'):g} {unit}"
    return f"{count:.0f} B"
