"""How many requests for pictures each API key may make.

Comes in: a key and a request's begin and end. Goes out: whether it may be made, and when the next one may.
Must not: keep a key.
"""

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from image_gen.serving.http.api_keys import ApiKey

_MINUTE: Final = 60.0


@dataclass(frozen=True)
class LimitExceeded:
    """Why a request is refused, and the seconds after which the next may succeed."""

    message: str
    retry_after: int


class KeyLimits:
    """A key's requests of the last minute, and those in progress. A limit that changes applies at once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._running: Counter[str] = Counter()
        # Requests that a key may still make, and when that was.
        self._left: dict[str, tuple[float, float]] = {}

    def begin(self, key: ApiKey) -> LimitExceeded | None:
        """Counts a request, unless it is refused. Each that was not is followed by `end`."""
        if key.concurrent is not None and self._running[key.name] >= key.concurrent:
            return LimitExceeded(f"The API key {key.name} may have {key.concurrent} requests at a time.", 1)
        if key.requests_per_minute is not None:
            left = self._remaining(key.name, key.requests_per_minute)
            if left < 1:
                seconds = math.ceil((1 - left) * _MINUTE / key.requests_per_minute)
                message = f"The API key {key.name} may make {key.requests_per_minute} requests a minute."
                return LimitExceeded(message, max(seconds, 1))
            self._left[key.name] = left - 1, self._clock()
        self._running[key.name] += 1
        return None

    def end(self, key: ApiKey) -> None:
        """A request has been answered, or its client is gone."""
        self._running[key.name] -= 1

    def headers(self, key: ApiKey) -> list[tuple[bytes, bytes]]:
        """What OpenAI's API says of a limit."""
        if key.requests_per_minute is None:
            return []
        left = self._remaining(key.name, key.requests_per_minute)
        return [
            (b"x-ratelimit-limit-requests", b"%d" % key.requests_per_minute),
            (b"x-ratelimit-remaining-requests", b"%d" % max(int(left), 0)),
            (
                b"x-ratelimit-reset-requests",
                b"%.0fs" % ((key.requests_per_minute - left) * _MINUTE / key.requests_per_minute),
            ),
        ]

    def _remaining(self, name: str, a_minute: int) -> float:
        left, at = self._left.get(name, (float(a_minute), self._clock()))
        return min(left + (self._clock() - at) * a_minute / _MINUTE, float(a_minute))
