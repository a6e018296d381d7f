"""When to retry a start that failed with a final error: when an operator asks, when what it failed for has changed, or
after a while where a retry costs the source a few requests.

Comes in: an error, the settings. Goes out: the moment. Must not: download, hash or write.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from image_gen.errors import ImageGenError
from image_gen.model_cache import CacheSettings
from image_gen.model_cache.core.filesystem import existing_parent, status_of
from image_gen.model_cache.core.layout import RepoLayout
from image_gen.model_cache.core.manifest import split_file
from image_gen.model_cache.manifests.registry import ManifestRegistry
from image_gen.settings import Settings

# The files are checked this often; it takes a dozen calls of stat.
CHECK_SECONDS: Final = 30.0
# Less than this more is what logs and databases beside the cache free now and then.
_ROOM_BYTES: Final = 1_000_000
# A source that answers so may answer otherwise later; asking takes a few requests and no byte of a model.
_ASKS_A_SOURCE: Final = frozenset({
    "HUB_ERROR", "UNAUTHORIZED", "GATED_MODEL", "MODEL_NOT_FOUND", "REVISION_NOT_FOUND", "FILE_NOT_FOUND",
    "PROXY_FAILED", "CERTIFICATE_UNTRUSTED", "S3_ERROR", "S3_NO_CREDENTIALS", "S3_EXPIRED", "S3_DENIED", "S3_NOT_FOUND",
    "S3_REGION", "S3_CLOCK", "CACHE_ERROR", "DEMO_FAILED", "OUT_OF_MEMORY",
})  # fmt: skip


def source_delay(failures: int) -> float:
    """Seconds until a source is asked once more: 1, 2, 4, 8, 15 minutes."""
    return float(min(60.0 * 2 ** max(failures - 1, 0), 900.0))


class RetryAfterFailure:
    """`wait` returns when another attempt is worth it; `now` makes it return at once."""

    def __init__(
        self, settings: Settings, clock: Callable[[], float] = time.monotonic, every: Callable[[], float] | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._every = every or (lambda: CHECK_SECONDS)
        self._asked = asyncio.Event()
        self._waiting = False

    def now(self) -> None:
        """Somebody asked; nothing happens while no attempt is waited for."""
        if self._waiting:
            self._asked.set()

    async def wait(self, error: ImageGenError, store: CacheSettings, failures: int, pause: float | None) -> bool:
        """Returns after `pause` seconds, with None by the rules for errors that are final. Whether somebody asked."""
        self._waiting = True
        try:
            if pause is not None:
                return await self._asked_within(pause)
            return await self._until_changed(error, store, failures)
        finally:
            self._waiting = False
            self._asked.clear()

    async def _until_changed(self, error: ImageGenError, store: CacheSettings, failures: int) -> bool:
        before, room = facts(self._settings, store), _room(store)
        until = self._clock() + source_delay(failures) if error.code in _ASKS_A_SOURCE else None
        while not await self._asked_within(self._every()):
            if until is not None and self._clock() >= until:
                return False
            if error.code == "DISK_FULL":
                now = _room(store)
                if now[0] > room[0] + _ROOM_BYTES or now[1] > room[1]:
                    return False
            elif facts(self._settings, store) != before:
                return False
        return True

    async def _asked_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._asked.wait()
        except TimeoutError:
            return False
        return True


def facts(settings: Settings, store: CacheSettings) -> tuple[object, ...]:
    """What a start depends on outside of the process, as far as `stat` shows it."""
    folders = [store.hf_home, store.hub_cache, store.baked_dir, store.manifests_dir, store.cached_manifests_dir]
    for model_id in (
        settings.model_id,
        settings.vae_id,
        settings.safety_checker.partition("@")[0],
        *(each.model_id for each in settings.loras),
    ):
        with contextlib.suppress(ImageGenError, OSError):
            repository, _ = split_file(ManifestRegistry(store).canonical_id(model_id))
            model = RepoLayout(store.hub_cache, repository).root
            folders += [model, *(model / name for name in ("blobs", "snapshots", "refs"))]
    folders += [place for place in (store.mirror,) if isinstance(place, Path)]
    files = [store.hf_home / "token", *(file for file in (store.ca_file,) if file is not None)]
    files += [each.path for each in settings.loras if each.path]
    if settings.model_dir is not None:
        files += [settings.model_dir, settings.model_dir / "model_index.json"]
    return (*map(_folder_facts, folders), *map(_file_facts, files))


def _folder_facts(path: Path) -> tuple[object, ...]:
    there = existing_parent(path)
    status = status_of(there)
    about = None if status is None else (status.st_dev, status.st_ino, status.st_mode, status.st_uid, status.st_gid)
    # Of a folder above, others change the contents.
    changed = status.st_mtime_ns if status is not None and there == path else None
    return str(there), about, changed, os.access(there, os.R_OK | os.W_OK | os.X_OK), _is_read_only(there)


def _file_facts(path: Path) -> tuple[object, ...]:
    status = status_of(path)
    about = None if status is None else (status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode)
    return about, os.access(path, os.R_OK)


def _is_read_only(path: Path) -> bool | None:
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        return None


def _room(store: CacheSettings) -> tuple[int, int]:
    try:
        room = os.statvfs(existing_parent(store.volume_root))
    except OSError:
        return 0, 0
    return room.f_bavail * room.f_frsize, room.f_favail
