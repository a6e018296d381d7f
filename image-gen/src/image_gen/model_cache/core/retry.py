"""Retries: how often, how long to wait in between, and when to give up."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from image_gen.errors import CancelledError, ImageGenError

TRIES = 4
TIMEOUT_TRIES = 2
LONGEST_WAIT = 60.0


@dataclass(eq=False)
class SourceError(Exception):
    """One try failed. `error` is raised when no try is left.

    `timed_out`: nothing arrived for a whole timeout. `wait`: seconds to wait, as the server asked.
    """

    error: ImageGenError
    retryable: bool = True
    timed_out: bool = False
    wait: float | None = None


class Retrier:
    """Counts tries, waits between them and gives up after the last.

    Usage: `while True: with retrier.attempt(): ...; return`. `progressed()` starts the count again, so that a file of
    gigabytes may be interrupted often as long as bytes arrive.
    """

    def __init__(self, cancel: threading.Event) -> None:
        self._cancel = cancel
        self._failed = 0
        self._timeouts = 0

    def progressed(self) -> None:
        self._failed = self._timeouts = 0

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Suppresses a failure that may be retried, after waiting; otherwise raises its error."""
        check_cancelled(self._cancel)
        try:
            yield
        except SourceError as failure:
            self._after(failure)

    def _after(self, failure: SourceError) -> None:
        if failure.timed_out:
            self._timeouts += 1
            over, wait = self._timeouts >= TIMEOUT_TRIES, 0.2
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
        raise CancelledError("Cancelled. What has arrived is kept, and the next start resumes from there.")


def _back_off(failed: int) -> float:
    # Jitter, so that many hosts that lost the hub together do not reconnect together.
    return float(min(0.5 * 2 ** (failed - 1), 8.0) * (0.75 + random.random() / 2))  # noqa: S311 -- no secret
