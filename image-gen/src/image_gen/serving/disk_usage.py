"""The volume's size and free space, and the bytes of models on it, for the metrics.

Comes in: the places of the cache. Goes out: numbers of the last half minute. Must
not: block the event loop, which a network file system that is gone would do.
"""

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from image_gen.model_cache.core.filesystem import existing_parent
from image_gen.threads import in_daemon_thread

_FRESH_SECONDS: Final = 30.0
# A scrape waits for the disk for so long, and then gets the numbers of before.
_TIMEOUT_SECONDS: Final = 2.0


@dataclass(frozen=True)
class DiskNumbers:
    """In bytes. `cached` counts each file once, whatever other names it has."""

    size: int
    free: int
    cached: int


class DiskUsage:
    """Measured in a thread, one at a time."""

    def __init__(self, hub_cache: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._hub_cache = hub_cache
        self._clock = clock
        self._measured: float | None = None
        self._task: asyncio.Task[None] | None = None
        self.numbers: DiskNumbers | None = None

    async def refresh(self) -> None:
        """Measures, unless that was done a moment ago."""
        if self._task is None:
            if self._measured is not None and self._clock() - self._measured < _FRESH_SECONDS:
                return
            self._task = asyncio.create_task(self._measure())
        await asyncio.wait({self._task}, timeout=_TIMEOUT_SECONDS)

    async def _measure(self) -> None:
        try:
            self.numbers = await in_daemon_thread("disk-usage", lambda: measure(self._hub_cache))
        except OSError:
            self.numbers = None
        finally:
            self._measured, self._task = self._clock(), None


def measure(hub_cache: Path) -> DiskNumbers:
    """Raises OSError."""
    room = os.statvfs(existing_parent(hub_cache))
    return DiskNumbers(room.f_blocks * room.f_frsize, room.f_bavail * room.f_frsize, _bytes_below(hub_cache))


def _bytes_below(folder: Path) -> int:
    total, seen = 0, set()
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                status = os.lstat(os.path.join(parent, name))  # noqa: PTH118 -- thousands of files
            except OSError:
                continue  # gone meanwhile
            if (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                total += status.st_blocks * 512
    return total
