"""What the cache holds, as `image-gen status` finds it, read in a thread and by one reader at a time.

Comes in: the cache's settings. Goes out: a listing that all who ask meanwhile share. Must not: block the event loop.
"""

import asyncio
from datetime import datetime
from typing import Final

from image_gen.errors import CacheError
from image_gen.model_cache import CacheSettings, ModelCache
from image_gen.model_cache.cache.status import CachedModel, CacheStatus
from image_gen.serving.cache.served_models import ServedModels
from image_gen.threads import in_daemon_thread

# A disk or file server that has not answered for so long is as good as gone; a listing of thousands of files on a slow
# network file system takes some seconds.
LONGEST_SECONDS: Final = 30.0
# Fields of the command's JSON that name places of the machine, or are a text with one.
_PLACES: Final = frozenset({"mount", "problem"})
_PROBLEM: Final = "A part of it can't be read. Fix: `imagegen cache status` says which, and why."


class CacheListing:
    """The state of the cache now."""

    def __init__(self, settings: CacheSettings, served: ServedModels) -> None:
        self._settings, self._served = settings, served
        self._reading: asyncio.Task[CacheStatus] | None = None

    async def read(self) -> CacheStatus:
        """Raises ImageGenError; CACHE_ERROR where the disk does not answer."""
        reading = self._reading
        if reading is None or reading.done():
            reading = asyncio.create_task(in_daemon_thread("cache-listing", ModelCache(self._settings).status))
            self._reading = reading
        # Another request may begin the next reading before this one resumes.
        done, _ = await asyncio.wait({reading}, timeout=LONGEST_SECONDS)
        if not done:
            raise CacheError(
                f"The cache could not be read within {LONGEST_SECONDS:.0f} s. Fix: `imagegen doctor` finds what is "
                "wrong with its disk.",
                retryable=True,
            )
        return reading.result()

    async def as_json(self) -> dict[str, object]:
        """The listing, without the operation and the permissions."""
        status = await self.read()
        volume = status.mount
        return {
            "object": "cache",
            "bytes": status.bytes_used,
            "bytes_orphaned": status.bytes_orphaned,
            "volume": {
                "filesystem": volume.filesystem,
                # Some network file systems do not say.
                "bytes_total": volume.bytes_total if volume.is_known else None,
                "bytes_free": volume.bytes_free if volume.is_known else None,
            },
            "models": [self._model(each) for each in status.models],
        }

    def _model(self, model: CachedModel) -> dict[str, object]:
        known = {name: value for name, value in model.as_json().items() if name not in _PLACES}
        served = self._served.serves(model.model_id, model.revision, model.source)
        return known | {
            "verified_at": _seconds(known["verified_at"]),
            "last_used": _seconds(known["last_used"]),
            "in_use": model.in_use or served,
            "served": served,
            "problem": _PROBLEM if model.problem else None,
        }


def _seconds(moment: object) -> int | None:
    """Since 1970, as all times of the API."""
    return None if moment is None else int(datetime.fromisoformat(str(moment)).timestamp())
