"""Locks between processes, also in other containers that share a volume. The kernel frees them when a holder dies."""

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# What file systems answer that have no such locks, or only for files that are open for writing (NFS).
_UNSUPPORTED = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EPERM, errno.EBADF, errno.EINVAL, errno.ENODEV}
# Where the number of a file changes while it is open, no comparison says that it was replaced.
_MOST_REPLACED = 100
_PAUSE_SECONDS = 0.01


@contextmanager
def file_lock(path: Path, wait: Callable[[], None]) -> Iterator[None]:
    """Holds an exclusive flock on `path`. While another process holds it, `wait` is called again and again: it sleeps,
    and raises to give up.

    On a file system without locks the work is not guarded: contents are verified before they are put in place, so that
    costs bandwidth at most.
    """
    replaced = 0
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            locked = try_lock(descriptor)
            if locked and (replaced >= _MOST_REPLACED or is_current(path, descriptor)):
                yield
                return
        finally:
            os.close(descriptor)
        if locked:
            replaced += 1
            time.sleep(_PAUSE_SECONDS)
        else:
            wait()


def try_lock(descriptor: int, *, unsupported: bool = True) -> bool:
    """Locks an open file exclusively, unless it is locked. Returns `unsupported` on a file system without locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # The second is what CIFS says of a file that another client has locked.
        if error.errno in {errno.EAGAIN, errno.EACCES}:
            return False
        if error.errno not in _UNSUPPORTED:
            raise
        return unsupported
    return True


def try_share(descriptor: int) -> bool | None:
    """Locks an open file together with others: False while one holds it alone, None on a file system without locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in {errno.EAGAIN, errno.EACCES} else None
    return True


def is_current(path: Path, descriptor: int) -> bool:
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
