"""Who uses a model, when it was last used and when it was last proven; kept beside its locks, for every container.

A service holds a shared flock for as long as its process lives, so nothing has to be tidied up after a crash.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from image_gen.errors import ImageGenError
from image_gen.model_cache.core.layout import RepoLayout
from image_gen.model_cache.core.settings import CacheSettings

_UNSUPPORTED = {errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK}


class Lease:
    """Tells everybody on the volume that a model is in use, until it is released or the process ends."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    @property
    def held(self) -> bool:
        """False where the volume takes no lock: it is read-only, or of a kind that has none."""
        return self._descriptor is not None

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def hold(settings: CacheSettings, model_id: str) -> Lease:
    """Marks a model as used now and as in use. Never fails: a model on a read-only volume is served all the same."""
    path = _used(RepoLayout(settings.hub_cache, model_id))
    while True:
        try:
            descriptor = _open(path)
        except OSError:
            return Lease(None)
        with suppress(OSError):
            os.utime(descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            if os.path.samestat(path.stat(), os.fstat(descriptor)):
                return Lease(descriptor)
        except FileNotFoundError:
            # `clear` took it away while we waited for it.
            pass
        except OSError:
            os.close(descriptor)
            return Lease(None)
        os.close(descriptor)


def in_use(settings: CacheSettings, model_id: str) -> bool:
    """Whether a living process, in whatever container, holds a lease on a model."""
    try:
        with _alone(_used(RepoLayout(settings.hub_cache, model_id))):
            return False
    except BlockingIOError:
        return True


@contextmanager
def unused(settings: CacheSettings, model_id: str, *, force: bool = False) -> Iterator[None]:
    """Keeps new users of a model waiting. Raises MODEL_IN_USE when there is one already, unless `force`."""
    with ExitStack() as held:
        try:
            held.enter_context(_alone(_used(RepoLayout(settings.hub_cache, model_id))))
        except BlockingIOError as error:
            if not force:
                raise model_in_use([model_id]) from error
        yield


def model_in_use(model_ids: list[str]) -> ImageGenError:
    """The error for taking away what a service needs."""
    verb = "is" if len(model_ids) == 1 else "are"
    return ImageGenError(
        "MODEL_IN_USE",
        f"{', '.join(model_ids)} {verb} being served, so nothing was removed. Fix: stop that service first, or add "
        "--force: it then goes on with what it has in memory, and fetches the model again at its next start.",
    )


def last_used(settings: CacheSettings, model_id: str) -> float | None:
    """When a service last began to use a model; for one that none has used, when its newest file came. Unix time."""
    layout = RepoLayout(settings.hub_cache, model_id)
    with suppress(OSError):
        return _used(layout).stat().st_mtime
    times = [status.st_mtime for path in layout.blobs.glob("*") if (status := _status(path))]
    return max(times, default=None)


def note_verified(settings: CacheSettings, model_id: str, revision: str) -> None:
    """Remembers that every byte of a model was just proven. Best effort, as a volume may be read-only."""
    path = _verified(RepoLayout(settings.hub_cache, model_id), revision)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def verified_at(settings: CacheSettings, model_id: str, revision: str) -> float | None:
    """When a model was last proven, as Unix time."""
    status = _status(_verified(RepoLayout(settings.hub_cache, model_id), revision))
    return status.st_mtime if status else None


def _used(layout: RepoLayout) -> Path:
    return layout.locks / "image-gen.used"


def _verified(layout: RepoLayout, revision: str) -> Path:
    return layout.locks / f"image-gen.verified-{revision}"


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError:
        # On a read-only volume an existing file can still be locked.
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Holds the lock exclusively, when there is one. Raises BlockingIOError at once when it is held."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
        yield
    finally:
        os.close(descriptor)
