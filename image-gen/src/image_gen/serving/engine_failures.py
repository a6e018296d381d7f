"""Counts the engine's failures: when it is started again, when it is tested, and when it is given up.

Comes in: what happened. Goes out: seconds to wait. Must not: start or end anything.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from image_gen.errors import ImageGenError

# In a row, without a picture between them; the pauses before the sixth add up to half a minute.
MOST_IN_A_ROW: Final = 6
# With pictures between them: about one every three minutes.
MOST_AT_ALL: Final = 10
_WINDOW_SECONDS: Final = 1800.0
# Requests in a row that failed for a reason that may be the engine's; then it makes a picture as a test.
FAILED_REQUESTS_BEFORE_TEST: Final = 3
_ENGINES_OWN: Final = frozenset({"ENGINE_ERROR", "PICTURE_INVALID", "OUT_OF_MEMORY"})


def restart_delay(deaths: int) -> float:
    """Seconds to wait after that many deaths in a row: 1, 2, 4 … 60."""
    return float(min(2 ** max(deaths - 1, 0), 60))


def given_up_delay(times: int) -> float:
    """Seconds until an engine that was given up is started once more: 10, 20, 40, 60 minutes."""
    return float(min(600.0 * 2 ** max(times - 1, 0), 3600.0))


class EngineFailures:
    """The history of one engine, over all of its processes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._recent: deque[float] = deque(maxlen=MOST_AT_ALL)
        self._failed_requests = 0
        self.in_a_row = 0
        self.times_given_up = 0

    def made_picture(self) -> None:
        """A picture for a request, or for a test, is done."""
        self._failed_requests = self.in_a_row = self.times_given_up = 0

    def failed_request(self, error: ImageGenError) -> bool:
        """Whether the engine has to be tested now."""
        if error.code in _ENGINES_OWN:
            self._failed_requests += 1
        return self._failed_requests >= FAILED_REQUESTS_BEFORE_TEST

    def tested(self) -> None:
        """The test has begun; the next one follows after as many failures again."""
        self._failed_requests = 0

    def ended(self) -> bool:
        """A process has ended. Whether another one is worth a try."""
        self.in_a_row += 1
        now = self._clock()
        self._recent.append(now)
        often = len(self._recent) == MOST_AT_ALL and now - self._recent[0] < _WINDOW_SECONDS
        if self.in_a_row >= MOST_IN_A_ROW or often:
            self.times_given_up += 1
            self._recent.clear()
            return False
        return True

    def forget(self) -> None:
        """Somebody has asked for a fresh start."""
        self._recent.clear()
        self.made_picture()
