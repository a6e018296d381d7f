"""Locks between processes, also in other containers that share a volume. The kernel frees them when a holder dies."""

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_UNSUPPORTED = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK}


@contextmanager
def file_lock(path: Path, wait: Callable[[], None]) -> Iterator[None]:
    """Holds an exclusive flock on `path`. While another process holds it, `wait` is called again and again: it sleeps,
    and raises to give up.

    On a file system without locks the work is not guarded: contents are verified before they are put in place, so that
    costs bandwidth at most.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            locked = try_lock(descriptor)
            if locked and is_current(path, descriptor):
                yield
                return
        finally:
            os.close(descriptor)
        if not locked:
            wait()


def try_lock(descriptor: int, *, unsupported: bool = True) -> bool:
    """Locks an open file exclusively, unless it is locked. Returns `unsupported` on a file system without locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        return unsupported
    return True


def is_current(path: Path, descriptor: int) -> bool:
    """Whether the locked file is the one that others will lock: `clear` may have deleted it meanwhile."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
