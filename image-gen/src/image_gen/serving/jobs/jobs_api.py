"""What the routes of jobs need of who keeps them and has them made: this service, or a fleet of hosts.

Comes in: jobs. Goes out: jobs, and where they are. Must not: know HTTP.
"""

from typing import Protocol

from image_gen.errors import ImageGenError
from image_gen.serving.images.requests import ImageRequest
from image_gen.serving.jobs.job import Job
from image_gen.worker.protocol import PipelineReady


class JobKeeper(Protocol):
    """`JobRunner` is the one of this service. Each coroutine raises `ImageGenError` where the jobs can't be used."""

    @property
    def pipeline(self) -> PipelineReady | None:
        """The one that makes them, or the last one that is known."""

    def check(self, request: ImageRequest) -> None:
        """Raises `BadRequest` where another model is asked for than is served."""

    async def add(self, job: Job) -> tuple[Job, bool]:
        """The job, or the one that the same idempotency key was used for, and whether it is new. It is kept then."""

    async def get(self, job_id: str, key: str) -> Job | None:
        """A job of this key, with its result."""

    async def cancel(self, job: Job) -> Job:
        """The job, which may have ended before."""

    async def delete(self, job: Job) -> None:
        """Nothing of the job is left."""


class JobOutlook(Protocol):
    """Where a job is and when it should be done."""

    async def of(self, job: Job) -> dict[str, object]:
        """The fields `position`, `forecast_seconds` and `progress`."""

    async def state(self) -> dict[str, object]:
        """The answer of `/v1/queue`."""

    async def seconds_until_retry(self, error: ImageGenError) -> int | None:
        """When the same request may succeed, where that is known."""
