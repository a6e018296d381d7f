"""Where the jobs of this service are: in its own queue.

Comes in: jobs. Goes out: positions and forecasts. Must not: change anything.
"""

import math
import time

from image_gen.errors import ImageGenError
from image_gen.serving.jobs.job import Job
from image_gen.serving.jobs.job_runner import JobRunner
from image_gen.serving.queue.forecast import queue_json, seconds_until_done
from image_gen.serving.queue.request_queue import RequestQueue


class QueueOutlook:
    """What `jobs_api.JobOutlook` says."""

    def __init__(self, runner: JobRunner, queue: RequestQueue) -> None:
        self._runner, self._queue = runner, queue

    async def of(self, job: Job) -> dict[str, object]:
        """By the queue's own order."""
        live = self._runner.live(job.id)
        position, progress, forecast = None, None, None
        if live is not None and job.status == "queued":
            position = self._queue.positions().get(f"{job.id}-0", self._runner.jobs_before(job.id))
            forecast = seconds_until_done(self._queue, position) if self._queue.engines_ready else None
        elif live is not None and job.status == "running" and live.images:
            progress = {
                "step": live.step, "steps": live.steps, "images_done": live.images_done, "images": live.images,
            }  # fmt: skip
            done = (live.images_done + live.step / max(1, live.steps)) / max(1, live.images)
            forecast = seconds_until_done(self._queue, 0, min(done, 1.0) or 0.01)
        return {"position": position, "forecast_seconds": forecast, "progress": progress}

    async def state(self) -> dict[str, object]:
        """The queue's."""
        return queue_json(self._queue)

    async def seconds_until_retry(self, error: ImageGenError) -> int | None:
        """When a job of before has been made, or has expired."""
        if error.code == "JOBS_FULL":
            return max(1, math.ceil(self._queue.seconds_per_request))
        if error.code == "JOBS_STORAGE_FULL":
            try:
                at = await self._runner.next_expiry()
            except ImageGenError:
                at = None
            return 60 if at is None else max(1, min(3600, math.ceil(at - time.time())))
        return 15 if error.retryable else None
