"""One delivery of one job: from the message to the result, or back to the queue.

The message is hidden from other workers for as long as this lasts. The first result that is written is the job's.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final, Literal, get_args

from image_gen.errors import (
    FileMissingError,
    ImageGenError,
    NotReadyError,
    OutOfMemoryError,
    S3Error,
    StoppingError,
)
from image_gen.fleet.attempts import MOST_ATTEMPTS, Attempt, AttemptRecords
from image_gen.fleet.fleet_job import (
    FleetJob,
    FleetResult,
    UnreadableError,
    job_id_in,
    job_name,
    picture_name,
    result_name,
)
from image_gen.fleet.fleet_webhooks import FleetWebhooks
from image_gen.fleet.job_maker import JobMaker, MadeJob
from image_gen.fleet.job_queue import VISIBLE_AFTER_SECONDS, JobQueue, Message
from image_gen.fleet.job_store import JobStore
from image_gen.serving.http.error_json import error_json
from image_gen.serving.images.requests import BadRequest
from image_gen.worker.protocol import PipelineReady

log = logging.getLogger(__name__)
EXTEND_SECONDS: Final = VISIBLE_AFTER_SECONDS / 3
# SQS hides a message for twelve hours at most.
_LONGEST_SECONDS: Final = 11 * 3600.0
# A job that was delivered so often is not delivered again: nothing that happens to hosts explains it.
MOST_RECEIVES: Final = 50
_COMMIT_SECONDS: Final = 600.0
# Doubled with each delivery: a store that fails for an hour must not use up a job's deliveries.
_RETRY_SECONDS: Final = 10
_LONGEST_RETRY_SECONDS: Final = 900


# `ended`: the job had a result before; `returned`: another worker has it, and `retried`: after an attempt that counts;
# `dead`: it failed after too many of them; `unreadable`: it went to the dead letters; `gone`: it is not kept any more.
Outcome = Literal["succeeded", "failed", "ended", "returned", "retried", "dead", "unreadable", "gone"]
OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)


class JobEndedError(Exception):
    """The job has a result: of another worker, or as it was cancelled."""


class Delivery:
    """`pipeline` is the loaded one. `on_made` is called when the engine is free; `engines_given_up` says whether
    none of the engines will make a picture.
    """

    def __init__(
        self, message: Message, queue: JobQueue, store: JobStore, attempts: AttemptRecords, maker: JobMaker, *,
        worker_id: str, pipeline: PipelineReady, on_made: Callable[[], None], engines_given_up: Callable[[], bool],
        webhooks: FleetWebhooks,
    ) -> None:  # fmt: skip
        self._message, self._queue, self._store, self._attempts = message, queue, store, attempts
        self._maker, self._worker_id, self._pipeline, self._on_made = maker, worker_id, pipeline, on_made
        self._engines_given_up, self._webhooks = engines_given_up, webhooks
        self._received = time.monotonic()
        # Whether its pictures are made, and are being written.
        self.is_writing = False
        # Whether it was given back because of the store, the queue or the engine, and not because the worker stops.
        self.has_failed = False
        self._attempt: Attempt | None = None
        # Empty until the message was read.
        self.job_id = ""
        self._job: FleetJob | None = None

    async def run(self) -> Outcome:
        """What became of it. Cancelled, it gives the job back at once."""
        extending = asyncio.create_task(self._extend())
        try:
            try:
                return await self._run()
            except JobEndedError:
                await self._finish()
                return "ended"
        except asyncio.CancelledError:
            await asyncio.shield(self._give_back(0))
            raise
        except StoppingError:
            await self._give_back(0)
            return "returned"
        except ImageGenError as error:  # the store or the queue
            self.has_failed = True
            log.warning("A job is given back: %s", error.message)
            await self._give_back(retry_seconds(self._message.receives))
            return "returned"
        finally:
            extending.cancel()

    async def _run(self) -> Outcome:
        try:
            job_id = self.job_id = job_id_in(self._message.body)
            kept = await self._store.read(job_name(job_id))
            job = None if kept is None else FleetJob.from_json(kept)
        except UnreadableError as error:
            log.warning("A message goes to the dead letters: %s", error)
            await self._queue.move_to_dead_letters(self._message, str(error))
            return "unreadable"
        if job is None or job.id != job_id:  # it was deleted, or has expired
            await self._queue.delete(self._message)
            return "gone"
        self._job = job
        if await self._store.exists(result_name(job_id)):
            raise JobEndedError
        if reason := await self._why_give_up(job_id):
            return await self._fail_for_good(job_id, reason)
        uploads = {name: await self._store.read(path) for name, path in job.files.items()}
        if missing := [name for name, data in uploads.items() if data is None]:
            body = error_json(500, f"The job's upload {missing[0]} is not in the job store.", code="job_not_made")
            return await self._end(_failed(job_id, None, self._worker_id, body))
        self._attempt = await self._attempts.begin(job_id)
        log.info("%s: begun", job_id)
        return await self._make(job, {name: data for name, data in uploads.items() if data is not None})

    async def _make(self, job: FleetJob, uploads: dict[str, bytes]) -> Outcome:
        started = time.time()
        try:
            made = await self._made(job, uploads)
        except BadRequest as error:
            body = error_json(error.status, error.message, code=error.code, param=error.param)
        except (StoppingError, NotReadyError):
            raise
        except ImageGenError as error:
            if error.retryable or isinstance(error, OutOfMemoryError):  # another host may do better
                return await self._fail_attempt(error.message)
            body = error_json(error.http_status, error.message, code=error.code.lower())
        except JobEndedError:
            raise
        except Exception as error:  # another worker may be of another version
            log.error("%s: %s", job.id, type(error).__name__, exc_info=error)
            return await self._fail_attempt(f"Internal error ({type(error).__name__}); see the log of the worker.")
        else:
            self._on_made()
            return await self._commit(job, made, started)
        return await self._end(_failed(job.id, started, self._worker_id, body))

    async def _made(self, job: FleetJob, uploads: dict[str, bytes]) -> MadeJob:
        """The pictures, unless the job gets a result meanwhile."""
        making = asyncio.create_task(self._maker.make(job, uploads, self._pipeline))
        looking = asyncio.create_task(self._until_ended(job.id))
        try:
            await asyncio.wait({making, looking}, return_when=asyncio.FIRST_COMPLETED)
            if making.done():
                return making.result()
            if looking.result():
                raise JobEndedError
            raise NotReadyError("No engine of this worker can make a picture.")
        finally:
            for task in (making, looking):
                task.cancel()
            await asyncio.gather(making, looking, return_exceptions=True)

    async def _until_ended(self, job_id: str) -> bool:
        """True once the job has a result: somebody may cancel it, or another worker be faster. False once this worker
        can't make it.
        """
        while not self._engines_given_up():
            await asyncio.sleep(EXTEND_SECONDS / 4)
            with contextlib.suppress(ImageGenError):
                if await self._store.exists(result_name(job_id)):
                    return True
        return False

    async def _commit(self, job: FleetJob, made: MadeJob, started: float) -> Outcome:
        self.is_writing = True
        attempt = self._attempt
        assert attempt is not None
        names = [picture_name(job.id, attempt.id, index, made.output_format) for index in range(len(made.pictures))]
        answer: dict[str, Any] = dict(made.answer)
        answer["data"] = [{"object": name, **each} for name, each in zip(names, answer["data"], strict=True)]
        seconds = round(sum(picture.seconds for picture in made.pictures), 3)
        result = FleetResult(
            job.id, "succeeded", time.time(), started=started, worker=self._worker_id, seconds=seconds, answer=answer
        )
        for name, picture in zip(names, made.pictures, strict=True):
            await self._persist(partial(self._store.write, name, picture.data))
        if await self._is_first(replace(result, ended=time.time())):
            await self._finish()
            return "succeeded"
        with contextlib.suppress(ImageGenError):  # they expire
            await self._store.delete(names)
        raise JobEndedError

    async def _end(self, result: FleetResult) -> Outcome:
        if not await self._is_first(result):
            raise JobEndedError
        await self._finish()
        return "failed"

    async def _fail_attempt(self, reason: str) -> Outcome:
        """This attempt counts, and another worker has the next one."""
        assert self._attempt is not None
        log.warning("A job was not made: %s", reason)
        await self._attempts.failed(self._attempt, reason)
        self._attempt = None
        await self._queue.hide(self._message, 0)
        return "retried"

    async def _why_give_up(self, job_id: str) -> str:
        """Why the job is not to be made again, if it is not."""
        if self._message.receives == 1:
            return ""
        reasons = await self._attempts.reasons(job_id)
        if len(reasons) >= MOST_ATTEMPTS:
            return f"{len(reasons)} attempts did not end in order. The last one: {reasons[-1]}"
        if self._message.receives >= MOST_RECEIVES:
            return f"It was delivered {self._message.receives} times, and never made."
        return ""

    async def _fail_for_good(self, job_id: str, reason: str) -> Outcome:
        body = error_json(500, f"The job can't be made: {reason}", code="job_not_made")
        if await self._is_first(_failed(job_id, None, self._worker_id, body)):
            await self._add_webhook()
            log.warning("A job goes to the dead letters: %s", reason)
            await self._queue.move_to_dead_letters(self._message, reason)
            return "dead"
        raise JobEndedError

    async def _is_first(self, result: FleetResult) -> bool:
        """Whether this is the job's result."""
        name, data = result_name(result.id), result.to_json()

        async def create() -> bool:
            if await self._store.create(name, data):
                return True
            # A write that was tried again may meet itself.
            kept = await self._store.read(name)
            # Of writers at the same time S3 may refuse each one, with 409.
            if kept is None and await self._store.exists(job_name(result.id)):
                raise S3Error(f"S3 has refused the result of {result.id}, and has none.", retryable=True)
            return kept == data

        return bool(await self._persist(create))

    async def _persist(self, write: Callable[[], Any]) -> Any:
        """Tries again while the store fails, for some minutes: what was made is not to be lost."""
        pause, end = 0.5, time.monotonic() + _COMMIT_SECONDS
        while True:
            try:
                return await write()
            except FileMissingError:
                raise
            except ImageGenError as error:
                if time.monotonic() + pause > end:
                    raise
                log.warning("The job store is asked again in %.0f s: %s", pause, error.message)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 30.0)

    async def _finish(self) -> None:
        """The job has a result, and its webhook is kept: neither the message nor the attempt is needed. What stays is
        harmless.
        """
        await self._add_webhook()
        with contextlib.suppress(ImageGenError):
            await self._queue.delete(self._message)
        with contextlib.suppress(ImageGenError):
            await self._end_attempt()

    async def _add_webhook(self) -> None:
        if self._job is not None and self._job.webhook_url is not None:
            self._on_made()  # the engine has nothing to do with it
            await self._persist(partial(self._webhooks.add, self._job))

    async def _give_back(self, seconds: int) -> None:
        """Others get the job after so many seconds. Where the queue does not answer, they get it when the message is
        not hidden any more.
        """
        with contextlib.suppress(ImageGenError):
            await self._end_attempt()
        with contextlib.suppress(ImageGenError):
            await self._queue.hide(self._message, seconds)

    async def _end_attempt(self) -> None:
        if self._attempt is not None:
            await self._attempts.end(self._attempt)

    async def _extend(self) -> None:
        while time.monotonic() < self._received + _LONGEST_SECONDS:
            await asyncio.sleep(EXTEND_SECONDS)
            try:
                await self._queue.hide(self._message)
            except ImageGenError as error:
                log.warning("A job may be delivered twice: %s", error.message)


def retry_seconds(receives: int) -> int:
    """Until a job that could not be read or written is delivered again, after so many deliveries."""
    return min(_RETRY_SECONDS << max(0, min(receives - 1, 10)), _LONGEST_RETRY_SECONDS)


def _failed(job_id: str, started: float | None, worker: str, body: dict[str, Any]) -> FleetResult:
    return FleetResult(job_id, "failed", time.time(), started=started, worker=worker, error=body["error"])
