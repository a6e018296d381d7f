"""Takes jobs, has them made in their turn, and keeps what became of them.

Comes in: checked requests. Goes out: jobs with their state. Must not: know HTTP, or touch the disk on the event loop.
"""

import asyncio
import json
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from image_gen.errors import (
    ImageGenError,
    JobNotMadeError,
    JobsFullError,
    JobsStorageFullError,
    JobsUnavailableError,
)
from image_gen.serving.engines import Engines
from image_gen.serving.http.error_json import error_json
from image_gen.serving.images.answers import answer_json
from image_gen.serving.images.generations import Generations
from image_gen.serving.images.image_jobs import make_image_jobs
from image_gen.serving.images.requests import BadRequest, ImageRequest, parse_request
from image_gen.serving.jobs.job import Job, Status
from image_gen.serving.jobs.job_database import JobDatabase
from image_gen.serving.jobs.live_job import LiveJob
from image_gen.serving.jobs.webhooks import Webhooks
from image_gen.serving.metrics import Metrics
from image_gen.serving.queue.job_limit import run_job
from image_gen.serving.queue.request_queue import RequestQueue
from image_gen.settings import Settings
from image_gen.threads import in_daemon_thread
from image_gen.worker.protocol import PipelineReady

log = logging.getLogger(__name__)
# A job during which the whole service has ended so often may be the reason.
MOST_RUNS: Final = 3
HOUSEKEEPING_SECONDS: Final = 15.0
_MODEL_CHECK_SECONDS: Final = 0.2
Result = TypeVar("Result")


class JobRunner:
    """All jobs. `folder` is None for jobs in memory alone."""

    def __init__(
        self, settings: Settings, folder: Path | None, worker: Engines, queue: RequestQueue, *,
        metrics: Metrics, generations: Generations,
    ) -> None:  # fmt: skip
        self._settings, self._folder, self._worker, self._queue = settings, folder, worker, queue
        self._metrics, self._generations = metrics, generations
        self._database: JobDatabase | None = None
        self._unavailable: ImageGenError = JobsUnavailableError("The jobs are not there yet.")
        self._tried = asyncio.Event()
        self._lock = asyncio.Lock()
        self._live: dict[str, LiveJob] = {}
        # What could not be written when it ended, with its result.
        self._unsaved: dict[str, Job] = {}
        self._pipeline: PipelineReady | None = None
        self._saving: set[asyncio.Task[None]] = set()
        secret = settings.webhook_secret
        self.webhooks = Webhooks(secret, allow_private=settings.webhook_private) if secret else None
        if self.webhooks is not None:
            self.webhooks.on_done = self._on_delivered

    @property
    def pipeline(self) -> PipelineReady | None:
        """The one that is loaded, or was before the engine ended."""
        self._pipeline = self._worker.pipeline_info or self._pipeline
        return self._pipeline

    def check(self, request: ImageRequest) -> None:
        """Raises `BadRequest` where another model is asked for than is served; a job may outlast a model."""
        self._generations.require_model(request)

    async def run(self) -> None:
        """Continues the jobs of before, and deletes those that expire. Runs until cancelled."""
        while not await self._is_open():
            self._tried.set()
            await asyncio.sleep(HOUSEKEEPING_SECONDS)
        while True:
            await asyncio.sleep(HOUSEKEEPING_SECONDS)
            try:
                await self.in_database(lambda database: database.delete_expired(time.time()))
                for job in list(self._unsaved.values()):
                    if job.id in self._unsaved:  # It may have been deleted meanwhile.
                        await self.in_database(partial(JobDatabase.save, job=job))
                        self._unsaved.pop(job.id, None)
            except ImageGenError as error:
                self._report(error)

    async def close(self) -> None:
        """Those that are not done stay for the next start. The queue is closed before."""
        tasks = [live.task for live in self._live.values() if live.task is not None]
        for live in self._live.values():
            if live.task is not None and not live.images:  # it waits for the model
                live.task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=2)
        if self.webhooks is not None:
            self.webhooks.stop()
        if self._saving:
            await asyncio.wait(self._saving, timeout=2)
        if self._database is not None:
            database, self._database = self._database, None
            await in_daemon_thread("jobs", database.close)

    async def add(self, job: Job) -> tuple[Job, bool]:
        """The job, or the one that the same idempotency key was used for, and whether it is new. Raises JOBS_FULL,
        JOBS_STORAGE_FULL and JOBS_UNAVAILABLE.
        """
        limit = self._settings.jobs_limit

        def add(database: JobDatabase) -> Job | None:
            if job.idempotency_key is not None:
                before = database.with_idempotency_key(job.key, job.idempotency_key)
                if before is not None:
                    return before
            count, _ = database.counts()
            if count >= limit:
                raise JobsFullError(f"{limit} jobs are waiting, which is IMAGE_GEN_JOBS_LIMIT: try again later.")
            self.require_room(database, job.reserved)
            database.add(job)
            return None

        before = await self.in_database(add)
        if before is not None:
            return await self.get(before.id, before.key) or before, False
        self._begin(job)
        return job, True

    def require_room(self, database: JobDatabase, size: int) -> None:
        """Raises JOBS_STORAGE_FULL where so many bytes can't be kept beside what is kept."""
        most = self._settings.jobs_max_mb
        if size > most * 1_000_000:
            raise JobsStorageFullError(
                f"The pictures may take {size / 1e6:.0f} MB, and IMAGE_GEN_JOBS_MAX_MB is {most}, whatever is kept. "
                "Fix: ask for a smaller size or n, or set a larger IMAGE_GEN_JOBS_MAX_MB (the key `jobsMaxMb`)."
            )
        if database.counts()[1] + size > most * 1_000_000:
            raise JobsStorageFullError(
                f"The jobs and pictures that are kept take the {most} MB of "
                "IMAGE_GEN_JOBS_MAX_MB: delete jobs that are done, or wait until they expire."
            )

    async def get(self, job_id: str, key: str) -> Job | None:
        """A job of this key, with its result."""
        live = self._live.get(job_id)
        job = live.job if live is not None else self._unsaved.get(job_id)
        if job is None:
            job = await self.in_database(lambda database: database.get(job_id))
        if job is None or job.key != key or (job.expires is not None and job.expires <= time.time()):
            return None
        return job

    def live(self, job_id: str) -> LiveJob | None:
        """How far a job is that is not done."""
        return self._live.get(job_id)

    def jobs_before(self, job_id: str) -> int:
        """How many jobs came before one that the queue does not have yet, as no model is loaded."""
        return list(self._live).index(job_id)

    async def cancel(self, job: Job) -> Job:
        """The job, which may have ended before."""
        live = self._live.get(job.id)
        if live is None or live.job.has_ended:
            return job
        if live.task is not None:
            live.task.cancel()
        await self._end(live, "cancelled")
        return live.job

    async def delete(self, job: Job) -> None:
        """Nothing of the job is left."""
        await self.cancel(job)
        await self.in_database(lambda database: database.delete(job.id))
        self._unsaved.pop(job.id, None)

    async def next_expiry(self) -> float | None:
        """When the next job expires."""
        return await self.in_database(lambda database: database.next_expiry())

    async def _is_open(self) -> bool:
        try:
            database = await in_daemon_thread("jobs", lambda: JobDatabase(self._folder))
            before = await in_daemon_thread("jobs", database.unfinished)
            not_delivered = await in_daemon_thread("jobs", database.not_delivered)
        except ImageGenError as error:
            self._report(error)
            return False
        self._database = database
        self._tried.set()
        if database.note:
            log.warning("%s New jobs are kept in a new one.", database.note)
        if before:
            log.info("%d jobs of an earlier run are continued.", len(before))
        for job in before:
            self._begin(job)
        if self.webhooks is not None:
            for job in not_delivered:
                self.webhooks.send(job)
        return True

    def _report(self, error: ImageGenError) -> None:
        if error.message != self._unavailable.message:
            log.warning("Jobs: %s (%s) The rest of the service is not affected.", error.message, error.code)
        self._unavailable = error

    async def in_database(self, work: Callable[[JobDatabase], Result]) -> Result:
        """What `work` gives, which is done beside the event loop, and alone. Raises JOBS_UNAVAILABLE."""
        await self._tried.wait()
        async with self._lock:
            database = self._database
            if database is None:
                raise self._unavailable
            return await in_daemon_thread("jobs", lambda: work(database))

    def _begin(self, job: Job) -> None:
        live = self._live[job.id] = LiveJob(job, self._on_begin)
        live.task = asyncio.create_task(self._make(live))

    def _on_begin(self, live: LiveJob) -> None:
        live.job.status, live.job.started, live.job.runs = "running", time.time(), live.job.runs + 1
        self._save_later(live.job)

    async def _make(self, live: LiveJob) -> None:
        job = live.job
        if job.runs >= MOST_RUNS:
            text = f"The service ended {job.runs} times while it made this job, which may be the reason."
            await self._end(live, "failed", JobNotMadeError(text))
            return
        try:
            while self.pipeline is None:
                await asyncio.sleep(_MODEL_CHECK_SECONDS)
            request = parse_request(job.body.encode(), self._settings.max_images)
            self.check(request)
            model = self._generations.model_id
            images = [
                replace(each, progress=True)
                for each in make_image_jobs(request, self.pipeline, self._settings, job.id, model=model)
            ]
            live.images = len(images)
            seconds = self._settings.request_timeout
            pictures = await run_job(self._queue, images, live, key=job.key, seconds=seconds)
            job.result = json.dumps(answer_json(request, images, pictures, model)).encode()
        except BadRequest as error:
            body = error_json(error.status, error.message, code=error.code, param=error.param)
            await self._end(live, "failed", body)
        except ImageGenError as error:
            if self._queue.is_closed:  # for the next start
                job.status, job.started, job.runs = "queued", None, max(0, job.runs - 1)
                self._save_later(job)
                return
            self._metrics.not_made("timeout" if error.code == "TIMEOUT" else "failed", live.images)
            await self._end(live, "failed", error)
        except Exception as error:
            log.error("Job %s: %s", job.id, type(error).__name__, exc_info=error)
            await self._end(live, "failed", JobNotMadeError("Internal error; see the service's log."))
        else:
            self._metrics.made(pictures, images[0].steps)
            await self._end(live, "succeeded")

    async def _end(self, live: LiveJob, status: Status, error: ImageGenError | dict[str, object] | None = None) -> None:
        job = live.job
        if job.has_ended:
            return
        if isinstance(error, ImageGenError):
            error = error_json(error.http_status, error.message, code=error.code.lower())
        job.status = status
        job.ended = time.time()
        job.expires = job.ended + self._settings.jobs_keep
        job.error = None if error is None else json.dumps(error["error"])
        if status != "succeeded":
            job.result = None
        job.reserved = len(job.body) + len(job.result or b"") + len(job.error or "")
        log.info("Job %s: %s after %.1f s", job.id, status, job.ended - job.created)
        try:
            await asyncio.shield(self.in_database(lambda database: database.save(replace(job))))
        except ImageGenError as failure:
            self._report(failure)
            self._unsaved[job.id] = job
        finally:
            self._live.pop(job.id, None)
        if self.webhooks is not None:
            self.webhooks.send(job)

    async def _on_delivered(self, job: Job) -> None:
        try:
            await self.in_database(lambda database: database.delivered(job.id))
        except ImageGenError as error:
            self._report(error)

    def _save_later(self, job: Job) -> None:
        copy = replace(job)

        async def save() -> None:
            try:
                await self.in_database(lambda database: database.save(copy))
            except ImageGenError as error:
                self._report(error)

        task = asyncio.create_task(save())
        self._saving.add(task)
        task.add_done_callback(self._saving.discard)


def new_id() -> str:
    """Which nobody can guess."""
    return f"job_{secrets.token_hex(12)}"
