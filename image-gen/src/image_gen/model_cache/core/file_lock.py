"""Locks between processes, also in other containers that share a volume. The kernel frees them when a holder dies."""

import errno
import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# What file systems answer that have no such locks, or only for files that are open for writing (NFS).
_UNSUPPORTED = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EPERM, errno.EBADF, errno.EINVAL, errno.ENODEV}
# Where the number of a file changes while it is open, no comparison says that it was replaced.
_MOST_REPLACED = 100
_PAUSE_SECONDS = 0.01


@contextmanager
def file_lock(path: Path, wait: Callable[[], None]) -> Iterator[None]:
    """Holds an exclusive lock on `path`. While another process holds it, `wait` is called again and again: it sleeps,
    and raises to give up.

    On a file system without locks the work is not guarded: contents are verified before they are put in place, so that
    costs bandwidth at most.
    """
    descriptor = lock_file(path, wait)
    try:
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def lock_file(path: Path, wait: Callable[[], None], *, shared: bool = False) -> int:
    """The descriptor of the locked file, for as long as it is open. A shared lock is an error where there are none."""
    replaced = 0
    while True:
        descriptor = _open(path)
        try:
            locked = _flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            if shared and locked is None:
                raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK), str(path))
            if locked is not False and (replaced >= _MOST_REPLACED or _is_current(path, descriptor)):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if locked is False:
            wait()
        else:
            replaced += 1
            time.sleep(_PAUSE_SECONDS)


def holder_of(path: Path) -> str:
    """Who holds a lock, for messages."""
    with suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace") or "another process"
    return "another process"


@contextmanager
def try_lock(path: Path) -> Iterator[bool | None]:
    """Whether no other process holds a lock; while this lasts, none can. None on a file system without locks. One that
    can't be opened counts as held.
    """
    try:
        descriptor = _open_existing(path)
    except OSError as error:
        yield isinstance(error, FileNotFoundError)
        return
    try:
        yield _flock(descriptor, fcntl.LOCK_EX)
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        try:
            return _open_existing(path)
        except OSError:
            raise error from None


def _open_existing(path: Path) -> int:
    try:
        # NFS locks a file for one alone only if it is open for writing.
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        # On a read-only volume a file can still be locked.
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _flock(descriptor: int, how: int) -> bool | None:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except OSError as error:
        # The second is what CIFS says of a file that another client has locked.
        if error.errno in {errno.EAGAIN, errno.EACCES}:
            return False
        if error.errno not in _UNSUPPORTED:
            raise
        return None
    return True


def _is_current(path: Path, descriptor: int) -> bool:
    """Whether the locked file is the one that others will lock: `clear` may have deleted it meanwhile."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
    except OSError as error:
        # NFS: the file was deleted on another host.
        if error.errno != errno.ESTALE:
            raise
        return False
