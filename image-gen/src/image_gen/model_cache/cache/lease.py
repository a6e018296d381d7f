"""Records who uses a revision, when it was last used and when it was last verified, for every container of a volume.

A service holds a shared lock for as long as its process lives, so nothing is left over after a crash.
"""

import errno
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from image_gen.errors import ModelInUseError
from image_gen.model_cache.core.file_lock import lock_file, try_lock
from image_gen.model_cache.core.filesystem import status_of, to_cache_error
from image_gen.model_cache.core.layout import RepoLayout
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.core.walk import entries

# As long as a model of many gigabytes takes to be deleted on a slow disk: whoever deletes one holds its lock alone.
_HOLD_SECONDS = 60.0
_POLL_SECONDS = 0.05


class Lease:
    """Marks a revision as in use, until it is released or the process ends."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    @property
    def held(self) -> bool:
        """False on a volume without locks, or one that is read-only."""
        return self._descriptor is not None

    def release(self) -> None:
        if self._descriptor is not None:
            with suppress(OSError):
                # It was in use until now.
                os.utime(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None


def hold(settings: CacheSettings, model_id: str, revision: str) -> Lease:
    """Marks a revision as used now and as in use. Never fails: one on a read-only volume can be served."""
    path = _used(RepoLayout(settings.hub_cache, model_id), revision)
    deadline = time.monotonic() + _HOLD_SECONDS

    def wait() -> None:
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(_POLL_SECONDS)

    _note(path)
    try:
        return Lease(lock_file(path, wait, shared=True))
    except OSError:
        return Lease(None)


def in_use(settings: CacheSettings, model_id: str, revision: str | None = None) -> bool:
    """Whether a living process, in any container, holds a lease on a revision, or on any one of the model; so does
    one, for all that is known, where that can't be found out.
    """
    with _unheld(RepoLayout(settings.hub_cache, model_id), revision) as free:
        return not free


@contextmanager
def unused(settings: CacheSettings, model_id: str, revision: str | None, *, force: bool = False) -> Iterator[None]:
    """Keeps new users waiting. Raises MODEL_IN_USE when there is one already, unless `force`."""
    with _unheld(RepoLayout(settings.hub_cache, model_id), revision) as free:
        if not free and not force:
            raise model_in_use(settings, [model_id])
        yield


def model_in_use(settings: CacheSettings, model_ids: list[str]) -> ModelInUseError:
    """For the deletion of a model that a service uses, or may use."""
    layouts = [RepoLayout(settings.hub_cache, each) for each in model_ids]
    places = [path for layout in layouts for path in (layout.locks, *_leases_or_none(layout))]
    if closed := next((path for path in places if path.exists() and not os.access(path, os.R_OK)), None):
        why = to_cache_error(PermissionError(errno.EACCES, "", str(closed)), settings.volume_root, "removing a model")
        return ModelInUseError(
            f"Whether {', '.join(model_ids)} is being served can't be found out, so nothing was removed. {why.message}"
        )
    verb = "is" if len(model_ids) == 1 else "are"
    return ModelInUseError(
        f"{', '.join(model_ids)} {verb} being served, so nothing was removed. Fix: stop that service first, or add "
        "--force: it then continues with the model in memory, and downloads it again at its next start."
    )


def note_used(settings: CacheSettings, model_id: str, revision: str | None) -> None:
    """Records a use that ends now, or of which nothing was recorded."""
    _note(_used(RepoLayout(settings.hub_cache, model_id), revision))


def last_used(settings: CacheSettings, model_id: str, revision: str | None) -> float | None:
    """Unix time when a service last used a revision; None where nothing says so."""
    leases = _leases_or_none(RepoLayout(settings.hub_cache, model_id), revision)
    return max((status.st_mtime for path in leases if (status := status_of(path))), default=None)


def note_verified(settings: CacheSettings, model_id: str, revision: str) -> None:
    """Records that every byte of a revision was just verified."""
    _note(_verified(RepoLayout(settings.hub_cache, model_id), revision))


def verified_at(settings: CacheSettings, model_id: str, revision: str) -> float | None:
    """Unix time when a revision was last verified."""
    status = status_of(_verified(RepoLayout(settings.hub_cache, model_id), revision))
    return status.st_mtime if status else None


def usage_files(layout: RepoLayout, revision: str) -> list[Path]:
    """What is recorded here of one revision."""
    return [_used(layout, revision), _verified(layout, revision)]


def _used(layout: RepoLayout, revision: str | None) -> Path:
    """Without a revision that of older versions of this package, which stands for all revisions of a model."""
    return layout.locks / f"image-gen.used{f'-{revision}' if revision else ''}"


def _verified(layout: RepoLayout, revision: str) -> Path:
    return layout.locks / f"image-gen.verified-{revision}"


def _leases(layout: RepoLayout, revision: str | None) -> list[Path]:
    if revision:
        return [_used(layout, revision), _used(layout, None)]
    return entries(layout.locks, f"{_used(layout, None).name}*")


def _leases_or_none(layout: RepoLayout, revision: str | None = None) -> list[Path]:
    with suppress(OSError):
        return _leases(layout, revision)
    return []


def _note(path: Path) -> None:
    """Best effort, as a volume may be read-only."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@contextmanager
def _unheld(layout: RepoLayout, revision: str | None) -> Iterator[bool]:
    """Whether nobody holds one of the leases; while this lasts, none can."""
    with ExitStack() as held:
        try:
            free = [held.enter_context(try_lock(path)) is not False for path in _leases(layout, revision)]
        except OSError:
            free = [False]
        yield all(free)
