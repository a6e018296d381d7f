"""One process at a time works on a model's files, also across containers that share a volume."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_UNSUPPORTED = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK}


@contextmanager
def file_lock(path: Path, wait: Callable[[], None]) -> Iterator[None]:
    """Holds an exclusive flock on `path`. While another process holds it `wait` is called, again and again:
    it sleeps, and raises to give up.

    The kernel frees the lock when its holder dies, so no stale lock can remain. On a file system without locks the
    work goes on unguarded: contents are proven by hash before they are put in place, so that costs bandwidth at most.
    """
    descriptor = _acquire(path, wait)
    try:
        yield
    finally:
        os.close(descriptor)


def _acquire(path: Path, wait: Callable[[], None]) -> int:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            wait()
            continue
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                return descriptor
            os.close(descriptor)
            raise
        if _still_there(path, descriptor):
            return descriptor
        os.close(descriptor)


def _still_there(path: Path, descriptor: int) -> bool:
    """Whether the file that was locked is the one that others will lock: `clear` may have removed it meanwhile."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
