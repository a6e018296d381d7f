"""Records who uses a model, when it was last used and when it was last verified, for every container of a volume.

A service holds a shared flock for as long as its process lives, so nothing is left over after a crash.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from image_gen.errors import ImageGenError, ModelInUseError
from image_gen.model_cache.core.file_lock import is_current, try_lock, try_share
from image_gen.model_cache.core.filesystem import status_of
from image_gen.model_cache.core.layout import RepoLayout
from image_gen.model_cache.core.settings import CacheSettings

# As long as a model of many gigabytes takes to be deleted on a slow disk: whoever deletes one holds its lock alone.
_HOLD_SECONDS = 60.0
_POLL_SECONDS = 0.05


class Lease:
    """Marks a model as in use, until it is released or the process ends."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    @property
    def held(self) -> bool:
        """False on a volume without locks, or one that is read-only."""
        return self._descriptor is not None

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def hold(settings: CacheSettings, model_id: str) -> Lease:
    """Marks a model as used now and as in use. Never fails: a model on a read-only volume can be served."""
    path = _used(RepoLayout(settings.hub_cache, model_id))
    deadline = time.monotonic() + _HOLD_SECONDS
    while True:
        try:
            descriptor = _open(path)
        except OSError:
            return Lease(None)
        with suppress(OSError):
            os.utime(descriptor)
        try:
            shared = try_share(descriptor)
            if shared and is_current(path, descriptor):
                return Lease(descriptor)
        except OSError:
            shared = None
        os.close(descriptor)
        if shared is None or time.monotonic() > deadline:
            return Lease(None)
        time.sleep(_POLL_SECONDS)


def in_use(settings: CacheSettings, model_id: str) -> bool:
    """Whether a living process, in any container, holds a lease on a model."""
    with _alone(_used(RepoLayout(settings.hub_cache, model_id))) as alone:
        return not alone


@contextmanager
def unused(settings: CacheSettings, model_id: str, *, force: bool = False) -> Iterator[None]:
    """Keeps new users of a model waiting. Raises MODEL_IN_USE when there is one already, unless `force`."""
    with _alone(_used(RepoLayout(settings.hub_cache, model_id))) as alone:
        if not alone and not force:
            raise model_in_use([model_id])
        yield


def model_in_use(model_ids: list[str]) -> ImageGenError:
    """For the deletion of a model that a service uses."""
    verb = "is" if len(model_ids) == 1 else "are"
    return ModelInUseError(
        f"{', '.join(model_ids)} {verb} being served, so nothing was removed. Fix: stop that service first, or add "
        "--force: it then continues with the model in memory, and downloads it again at its next start."
    )


def last_used(settings: CacheSettings, model_id: str) -> float | None:
    """Unix time when a service last began to use a model, or when its newest file was downloaded."""
    layout = RepoLayout(settings.hub_cache, model_id)
    with suppress(OSError):
        return _used(layout).stat().st_mtime
    times = [status.st_mtime for path in layout.blobs.glob("*") if (status := status_of(path))]
    return max(times, default=None)


def note_verified(settings: CacheSettings, model_id: str, revision: str) -> None:
    """Records that every byte of a model was just verified. Best effort, as a volume may be read-only."""
    path = _verified(RepoLayout(settings.hub_cache, model_id), revision)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def verified_at(settings: CacheSettings, model_id: str, revision: str) -> float | None:
    """Unix time when a model was last verified."""
    status = status_of(_verified(RepoLayout(settings.hub_cache, model_id), revision))
    return status.st_mtime if status else None


def _used(layout: RepoLayout) -> Path:
    return layout.locks / "image-gen.used"


def _verified(layout: RepoLayout, revision: str) -> Path:
    return layout.locks / f"image-gen.verified-{revision}"


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError:
        # On a read-only volume an existing file can still be locked.
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Whether no other process holds the lock; while this lasts, none can."""
    try:
        # NFS locks a file for one alone only if it is open for writing.
        descriptor = _open(path) if path.exists() else -1
    except OSError:
        descriptor = -1
    if descriptor < 0:
        yield True
        return
    try:
        yield try_lock(descriptor)
    finally:
        os.close(descriptor)
