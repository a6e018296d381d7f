"""When a refused request should come back, so that it then gets a place: for `Retry-After`.

Comes in: refusals and arrivals. Goes out: seconds, and how many places are kept for those who are due now.
Must not: know who they are: OpenAI's clients count their attempts in a header, others come as they come.
"""

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Final

# OpenAI's clients do not obey a longer one; versions differ between one minute and two.
LONGEST_SECONDS: Final = 60
# Who comes later than this has given up, or will be treated as new.
_GRACE_SECONDS: Final = 5.0
_MOST: Final = 1000


class PromisedPlaces:
    """The times at which refused clients were to return, in order."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: deque[float] = deque(maxlen=_MOST)

    def promise(self, seconds_each: float) -> int:
        """One request was refused. Returns the seconds until there should be a place: one more for each before it."""
        now = self._clock()
        self._forget_late(now)
        latest = max(now, self._times[-1]) if self._times else now
        at = min(latest + max(seconds_each, 0.05), now + LONGEST_SECONDS)
        self._times.append(at)
        return max(1, math.ceil(at - now))

    def redeem(self, attempt: int | None) -> bool:
        """Whether an arrival is one that was promised a place. `attempt` is 0 for a client's first, None where it does
        not say.
        """
        now = self._clock()
        self._forget_late(now)
        if attempt == 0 or not self._times or self._times[0] > now + (1.0 if attempt else 0.0):
            return False
        self._times.popleft()
        return True

    def due(self) -> int:
        """How many should come about now."""
        now = self._clock()
        self._forget_late(now)
        return sum(at <= now for at in self._times)

    def _forget_late(self, now: float) -> None:
        while self._times and self._times[0] + _GRACE_SECONDS < now:
            self._times.popleft()
