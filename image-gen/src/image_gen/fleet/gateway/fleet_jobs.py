"""The jobs of a fleet: kept in the job store, made by whichever worker the queue gives them to.

Comes in: checked requests. Goes out: jobs with their state. Must not: accept half a job: its object is there before its
message, and is deleted where no message could be sent.
"""

import asyncio
import contextlib
import json
import logging
import time
from collections import Counter
from collections.abc import Coroutine, Mapping
from typing import Any, Final

from image_gen.errors import ImageGenError, JobsUnavailableError
from image_gen.fleet.fleet_job import (
    FleetJob,
    FleetResult,
    attempts_folder,
    folder_of,
    handover_name,
    is_job_id,
    job_name,
    message_of,
    result_name,
    webhook_name,
)
from image_gen.fleet.fleet_webhooks import FleetWebhooks
from image_gen.fleet.gateway.availability import NOTHING_ACCEPTED, Availability
from image_gen.fleet.gateway.fleet_models import FleetModels
from image_gen.fleet.gateway.fleet_state import FleetState
from image_gen.fleet.gateway.job_results import JobResults
from image_gen.fleet.gateway.scale_from_zero import ScaleFromZero
from image_gen.fleet.gateway.stored_job import Reservation, StoredJob, job_json, reservation_name
from image_gen.fleet.job_queue import JobQueue
from image_gen.fleet.job_store import JobStore
from image_gen.serving.images.requests import ImageRequest
from image_gen.serving.jobs.job import Job
from image_gen.worker.protocol import PipelineReady

log = logging.getLogger(__name__)
# Of an idempotency key: each try follows one of another gateway that was faster, or a job that is gone.
_TRIES: Final = 5
_LAST_SECONDS: Final = 5.0
_TAKEN_OVER, _GIVEN_UP = b"taken over", b"given up"


class FleetJobs:
    """What `jobs_api.JobKeeper` says, and jobs for requests that wait."""

    def __init__(
        self, store: JobStore, queue: JobQueue, state: FleetState, models: FleetModels, *,
        scaling: ScaleFromZero, availability: Availability, webhooks: FleetWebhooks,
    ) -> None:  # fmt: skip
        self._webhooks = webhooks
        self._store, self._queue, self._state, self._models = store, queue, state, models
        self._scaling, self._availability = scaling, availability
        self.results = JobResults(store)
        # By what happened to them here.
        self.counts: Counter[str] = Counter()
        self._background: set[asyncio.Task[None]] = set()

    @property
    def pipeline(self) -> PipelineReady | None:
        """That of the workers, or of the last one."""
        return self._state.pipeline

    def check(self, request: ImageRequest) -> None:
        """Raises `BadRequest` where another model is asked for than the workers serve."""
        self._models.require(request)

    async def add(self, job: Job) -> tuple[Job, bool]:
        """The job, which is in the queue, or the one of its idempotency key, and whether it is new. Raises
        JOBS_UNAVAILABLE: then there is none.
        """
        async with self._availability.required(NOTHING_ACCEPTED):
            before = await self._waiting()
            if job.idempotency_key is None:
                new = StoredJob.of(job, before, "")
                await self._begin(new.as_fleet_job(), {}, before)
                return new, True
            name = reservation_name(job.key, job.idempotency_key)
            new = StoredJob.of(job, before, name)
            for _ in range(_TRIES):
                if (earlier := await self._reserved(name, new)) is not None:
                    return earlier, False
                if await self._begin(new.as_fleet_job(), {}, before, Reservation(new.id, new.fingerprint), name):
                    return new, True
            raise JobsUnavailableError("Other requests with this Idempotency-Key are made and deleted: try again.")

    async def submit(self, job: FleetJob, uploads: Mapping[str, bytes]) -> None:
        """A job of a request that waits for it. Raises JOBS_UNAVAILABLE: then there is none."""
        async with self._availability.required(NOTHING_ACCEPTED):
            await self._begin(job, uploads, await self._waiting())

    async def get(self, job_id: str, key: str) -> StoredJob | None:
        """A job of this key, with its result. Raises JOBS_UNAVAILABLE."""
        async with self._availability.required():
            return await self._get(job_id, key)

    async def cancel(self, job: Job) -> Job:
        """The job, which may have ended before. Raises JOBS_UNAVAILABLE."""
        async with self._availability.required("The job was not cancelled."):
            if job.has_ended:
                return job
            if not await self._end(job.id):
                return await self._get(job.id, job.key) or job
            self.counts["cancelled"] += 1
            if isinstance(job, StoredJob):
                self._in_background(self._add_webhook(job))
            job.status, job.ended, job.result = "cancelled", time.time(), None
            return job

    async def delete(self, job: Job) -> None:
        """Nothing of the job is left but, where a worker may have it, a result without content that ends its work.
        Raises JOBS_UNAVAILABLE.
        """
        async with self._availability.required("The job was not deleted, or not all of it."):
            await self._delete(job.id, has_result=job.has_ended, job=job if isinstance(job, StoredJob) else None)
            self.counts["deleted"] += 1

    def forget_later(self, job_id: str, *, has_result: bool) -> None:
        """Of a request that is over: nothing of it is kept, as by one host. Where it has no result, its client did not
        wait, and it is cancelled. Beside the answer, and without an error for anybody.
        """

        async def forget() -> None:
            with contextlib.suppress(ImageGenError):
                async with self._availability.required():
                    if await self._delete(job_id, has_result=has_result):
                        self.counts["cancelled"] += 1

        self._in_background(forget())

    async def close(self) -> None:
        """What was begun beside answers is done, or given up after some seconds."""
        if self._background:
            await asyncio.wait(self._background, timeout=_LAST_SECONDS)

    async def _waiting(self) -> int:
        """About how many wait; a worker is started where none lives."""
        await self._state.refresh_old()
        if not self._state.usable:
            self._scaling.wake()
        return self._state.waiting

    async def _begin(
        self, job: FleetJob, uploads: Mapping[str, bytes], before: int, reservation: Reservation | None = None,
        name: str = "",
    ) -> bool:  # fmt: skip
        """Whether the job is in the queue: not where its reservation's name is taken. After an error nothing is left
        of it, or nothing that anybody finds.
        """
        written = list(job.files.values())
        try:
            for kind, path in job.files.items():
                await self._store.write(path, uploads[kind])
            written.append(job_name(job.id))
            await self._store.write(job_name(job.id), job_json(job, before, name))
            if reservation is not None:
                if not await self._store.create(name, reservation.to_json()):
                    await self._store.delete(written)
                    return False
                # Before the job: what is reserved and not there is free.
                written.insert(0, name)
            await self._queue.send(message_of(job.id), job.key)
        except BaseException:
            self._in_background(self._give_up(job.id, written) if name in written else self._remove(written))
            raise
        if reservation is not None:
            self._in_background(self._sent(name, reservation))
        self.counts["accepted"] += 1
        log.info("Job %s: accepted, about %d wait before it", job.id, before)
        return True

    async def _remove(self, names: list[str]) -> None:
        """What could not be made a job. A message that was sent all the same is dropped by the worker that gets it."""
        for name in names:
            with contextlib.suppress(ImageGenError):
                await self._store.delete([name])

    async def _give_up(self, job_id: str, written: list[str]) -> None:
        """Removes a job whose message could not be sent, unless another gateway was asked for the same meanwhile: that
        one has sent a message, and has accepted the job. While the store fails it stays, for whoever is asked next.
        """
        with contextlib.suppress(ImageGenError):
            if await self._store.create(handover_name(job_id), _GIVEN_UP):
                # Last what keeps others from taking it over while it is there.
                await self._remove([*written, handover_name(job_id)])

    async def _take_over(self, job_id: str) -> bool:
        """Whether the job may be accepted here: not where the gateway that made it gives it up."""
        name = handover_name(job_id)
        if not await self._store.create(name, _TAKEN_OVER) and await self._store.read(name) != _TAKEN_OVER:
            return False
        return await self._store.read(job_name(job_id)) is not None

    async def _sent(self, name: str, reservation: Reservation) -> None:
        """Notes that the message needs not be sent again when the request is."""
        with contextlib.suppress(ImageGenError):
            await self._store.write(name, Reservation(reservation.job, reservation.fingerprint, sent=True).to_json())

    async def _reserved(self, name: str, new: StoredJob) -> StoredJob | None:
        """The job of an idempotency key; None where the key is free."""
        data = await self._store.read(name)
        if data is None:
            return None
        reservation = Reservation.from_json(data)
        job = await self._get(reservation.job, new.key)
        if job is not None:
            job.fingerprint = reservation.fingerprint
        # The gateway that made it may have ended before it sent the message.
        is_half = job is not None and not reservation.sent and not job.has_ended
        sends = is_half and reservation.fingerprint == new.fingerprint
        if job is None or (sends and not await self._take_over(job.id)):  # it was deleted, has expired, or is given up
            await self._store.delete([name])
            return None
        if sends:
            # A second message is harmless: the first result counts.
            await self._queue.send(message_of(job.id), job.key)
            await self._sent(name, reservation)
        self.counts["replayed"] += 1
        return job

    async def _get(self, job_id: str, key: str) -> StoredJob | None:
        if not is_job_id(job_id):
            return None
        kept, result = await asyncio.gather(self._store.read(job_name(job_id)), self.results.read(job_id))
        if kept is None:
            return None
        job = StoredJob.from_json(kept)
        if job.id != job_id or job.key != key:
            return None
        if result is None:
            await self._add_attempt(job)
            return job
        job.status, job.started, job.ended = result.status, result.started, result.ended
        if result.error is not None:
            job.error = json.dumps(result.error)
        if result.status == "succeeded":
            answer = await self.results.answer(result)
            if answer is None:  # its pictures have expired
                return None
            job.result = json.dumps(answer).encode()
        return job

    async def _add_attempt(self, job: StoredJob) -> None:
        """The job is being made where a worker that lives has begun and not ended an attempt."""
        await self._state.refresh_old()
        workers = {each.id for each in self._state.living}
        for name in await self._store.names(attempts_folder(job.id)):
            try:
                attempt = json.loads(await self._store.read(name) or b"{}")
                began, worker, ended = float(attempt["started"]), attempt["worker"], attempt.get("reason")
            except (ValueError, KeyError, TypeError):
                continue
            if worker in workers and ended is None:
                job.status, job.started = "running", began

    async def _add_webhook(self, job: StoredJob) -> None:
        """Of a job that was cancelled here. Where this fails, the worker that gets its message does it."""
        with contextlib.suppress(ImageGenError):
            await self._webhooks.add(job.as_fleet_job())

    async def _delete(self, job_id: str, *, has_result: bool, job: StoredJob | None = None) -> bool:
        """Whether it is cancelled by this; then its result stays, which has no content."""
        is_cancelled = not has_result and await self._end(job_id)
        if job is not None:  # before the job: without it no worker knows of the webhook
            await self._webhooks.add(job.as_fleet_job())
        reservation = "" if job is None else job.reservation
        names = [job_name(job_id), *await self._store.names(folder_of(job_id)), *filter(None, [reservation])]
        # Else a worker that has the job would send the webhook once more.
        kept = {result_name(job_id), webhook_name(job_id)} if is_cancelled else set()
        await self._store.delete([name for name in dict.fromkeys(names) if name not in kept])
        return is_cancelled

    async def _end(self, job_id: str) -> bool:
        """Whether the job is cancelled by this: not where it has a result, which stays."""
        return await self._store.create(result_name(job_id), FleetResult(job_id, "cancelled", time.time()).to_json())

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
