"""How much of its time the service makes pictures, and what they cost where its price is known.

Everything here is called from the event loop's thread only.
"""

import time
from collections.abc import Callable

from image_gen.settings import Settings

_HOUR = 3600.0
_PICTURES = 1000


class Usage:
    """Since the service began. Seconds are those of a monotonic clock."""

    def __init__(self, usd_per_hour: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.usd_per_hour = usd_per_hour
        self.pictures = 0
        self._clock = clock
        self._began = clock()
        self._busy = 0.0
        self._busy_since: float | None = None
        self._started_at = time.time()

    @classmethod
    def of(cls, settings: Settings) -> "Usage":
        """With the price that the operator gave; 0 is none."""
        return cls(settings.usd_per_hour or None)

    def enter(self, *, busy: bool) -> None:
        """Whether a picture is being made from now on."""
        if busy and self._busy_since is None:
            self._busy_since = self._clock()
        elif not busy and self._busy_since is not None:
            self._busy += self._clock() - self._busy_since
            self._busy_since = None

    @property
    def uptime_seconds(self) -> float:
        """Since the service began."""
        return self._clock() - self._began

    @property
    def busy_seconds(self) -> float:
        """In which at least one picture was being made."""
        return self._busy + (0.0 if self._busy_since is None else self._clock() - self._busy_since)

    @property
    def usd_per_1000_images(self) -> dict[str, float] | None:
        """By `busy`, the busy time alone, and `all`, the whole uptime; None without a price or a picture."""
        if self.usd_per_hour is None or self.pictures == 0:
            return None
        times = {"busy": self.busy_seconds, "all": self.uptime_seconds}
        rate = self.usd_per_hour / _HOUR / self.pictures * _PICTURES
        return {name: seconds * rate for name, seconds in times.items()}

    def as_json(self) -> dict[str, object]:
        """A part of `/readyz`. Hosts on AWS report it with their heartbeat, and not each change of it."""
        costs = self.usd_per_1000_images
        return {
            "pictures": self.pictures,
            "busy_seconds": round(self.busy_seconds, 1),
            "started_at": int(self._started_at),
            "usd_per_hour": self.usd_per_hour,
            "usd_per_1000_images": costs and {name: round(usd, 4) for name, usd in costs.items()},
        }
