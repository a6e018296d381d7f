"""How often one thing is tried, how long to wait in between, and when to give up."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from image_gen.errors import ImageGenError

TRIES = 4
SILENT_TRIES = 2
LONGEST_WAIT = 60.0


class SourceError(Exception):
    """One try failed. `error` is what to say when trying again is in vain.

    `retryable`: it may pass by itself. `silent`: nothing came for a whole timeout. `wait`: seconds that were asked for.
    """

    def __init__(
        self, error: ImageGenError, *, retryable: bool = True, silent: bool = False, wait: float | None = None
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.retryable = retryable
        self.silent = silent
        self.wait = wait


class Retrier:
    """Counts the tries at one thing, waits between them and says when to give up.

    Usage: `while True: with attempts.guard(): ...; return`. `progressed()` starts the count anew, so that a file of
    gigabytes may be interrupted often as long as bytes arrive.
    """

    def __init__(self, cancel: threading.Event) -> None:
        self._cancel = cancel
        self._failed = 0
        self._silent = 0

    def progressed(self) -> None:
        self._failed = self._silent = 0

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Swallows a failure that is worth another try, after waiting; raises what is to be told otherwise."""
        check_cancelled(self._cancel)
        try:
            yield
        except SourceError as failure:
            self._after(failure)

    def _after(self, failure: SourceError) -> None:
        if failure.silent:
            self._silent += 1
            over, wait = self._silent >= SILENT_TRIES, 0.2
        else:
            self._failed += 1
            wait = failure.wait if failure.wait is not None else _back_off(self._failed)
            over = self._failed >= TRIES or wait > LONGEST_WAIT
        if over or not failure.retryable:
            raise failure.error from failure
        self._cancel.wait(wait)
        check_cancelled(self._cancel)


def check_cancelled(cancel: threading.Event) -> None:
    """Raises CANCELLED once the event is set."""
    if cancel.is_set():
        raise ImageGenError("CANCELLED", "Stopped; what has arrived is kept, and the next start goes on from there.")


def _back_off(failed: int) -> float:
    # Jitter, so that many hosts that lost the hub together do not come back together.
    return float(min(0.5 * 2 ** (failed - 1), 8.0) * (0.75 + random.random() / 2))  # noqa: S311 -- no secret
