"""Where the jobs of a fleet are, as far as anybody knows: SQS counts messages about right, and has no order to ask for.

Comes in: jobs, the fleet's state. Goes out: estimates, which say that they are. Must not: fail because SQS does.
"""

import contextlib
import math
import time
from typing import Any, Final

from image_gen.errors import ImageGenError
from image_gen.fleet.gateway.fleet_state import FleetState
from image_gen.fleet.gateway.stored_job import StoredJob
from image_gen.serving.jobs.job import Job

# Until a store or a queue that failed may answer again.
_RETRY_SECONDS: Final = 15
# OpenAI's clients do not obey a longer one.
_LONGEST_RETRY_SECONDS: Final = 60


class FleetOutlook:
    """What `jobs_api.JobOutlook` says."""

    def __init__(self, state: FleetState) -> None:
        self._state = state

    async def of(self, job: Job) -> dict[str, object]:
        """No more jobs are before it than waited when it came, nor than wait now."""
        position: int | None = None
        forecast: float | None = None
        stored = job if isinstance(job, StoredJob) else StoredJob.of(job, 0, "")
        if not job.has_ended:
            await self._refresh()
        if job.status == "queued":
            position = self.position(stored.before)
            forecast = self._state.seconds_until_done(position, stored.pictures)
        elif job.status == "running" and job.started is not None:
            whole = self._state.seconds_until_done(0, stored.pictures)
            forecast = None if whole is None else round(max(0.0, whole - (time.time() - job.started)), 1)
        return {"position": position, "forecast_seconds": forecast, "progress": None, "estimated": True}

    def position(self, before: int) -> int:
        """Of a job that waits, with so many before it when it came."""
        return min(before, max(0, self._state.waiting - 1))

    async def state(self) -> dict[str, object]:
        """The queue's."""
        await self._refresh()
        state = self._state
        return {
            "object": "queue",
            "running": state.running,
            # A request that waits for its pictures is a job of the same queue.
            "waiting_requests": 0,
            "waiting_jobs": state.waiting,
            "engines_ready": state.engines,
            "seconds_per_request": round(state.seconds_per_picture / max(1, state.engines), 3),
            "forecast_seconds": state.seconds_until_done(state.waiting),
            "workers": len(state.usable),
            "estimated": True,
        }

    async def seconds_until_retry(self, error: ImageGenError) -> int | None:
        """Of an error that may pass."""
        return self.retry_after(error)

    def retry_after(self, error: ImageGenError) -> int | None:
        """The same, by what is known already."""
        if error.code == "QUEUE_FULL":
            forecast = self._state.seconds_until_done(self._state.waiting) or _LONGEST_RETRY_SECONDS
            return max(1, min(_LONGEST_RETRY_SECONDS, math.ceil(forecast)))
        if error.code == "NO_WORKER":
            return _LONGEST_RETRY_SECONDS
        return _RETRY_SECONDS if error.retryable else None

    async def _refresh(self) -> None:
        with contextlib.suppress(ImageGenError):
            await self._state.refresh_old()


def waiting_place(outlook: FleetOutlook, state: FleetState, before: int, pictures: int) -> dict[str, Any]:
    """A waiting request's, for the event `queued`."""
    position = outlook.position(before)
    return {"position": position, "forecast_seconds": state.seconds_until_done(position, pictures), "estimated": True}
