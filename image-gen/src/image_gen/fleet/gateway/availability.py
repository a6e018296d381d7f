"""What clients get while the queue or the job store fails.

Comes in: errors of S3 and SQS. Goes out: JOBS_UNAVAILABLE, and the reason in the log. Must not: show a client the names
of buckets and queues.
"""

import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Final

from image_gen.errors import ImageGenError, JobsUnavailableError
from image_gen.fleet.fleet_job import UnreadableError

log = logging.getLogger(__name__)
NOTHING_ACCEPTED: Final = "Nothing was accepted."
# Those of the gateway itself; all others are of the store or the queue.
_OWN: Final = frozenset({"NO_WORKER", "QUEUE_FULL", "STOPPING", "JOBS_UNAVAILABLE"})


class Availability:
    """Counts what failed."""

    def __init__(self) -> None:
        self.failures = 0

    @contextlib.asynccontextmanager
    async def required(self, consequence: str = "") -> AsyncIterator[None]:
        """Raises JOBS_UNAVAILABLE in place of other errors. `consequence`: what did not happen."""
        try:
            yield
        except (ImageGenError, UnreadableError) as error:
            if isinstance(error, ImageGenError) and error.code in _OWN:
                raise
            self.failures += 1
            code = error.code if isinstance(error, ImageGenError) else "UNREADABLE"
            log.warning("Jobs: %s (%s)", error, code, extra={"limited": f"jobs {code}"})
            message = "The queue or the job store can't be used now; the gateway's log has the reason."
            raise JobsUnavailableError(f"{message} {consequence}") from error
