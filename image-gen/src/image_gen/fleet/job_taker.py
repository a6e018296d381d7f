"""Takes jobs from the queue for as long as the service runs: one for each engine that is free.

Comes in: a service that makes pictures. Goes out: results in the job store. Must not: choose jobs, or keep one that it
can't make.
"""

import asyncio
import contextlib
import logging
import secrets
import socket
import time
from dataclasses import asdict
from typing import Any, Final

from image_gen.errors import ImageGenError
from image_gen.fleet.attempts import AttemptRecords
from image_gen.fleet.delivery import Delivery
from image_gen.fleet.drain import Drain
from image_gen.fleet.emulator import create_missing
from image_gen.fleet.fleet_webhooks import FleetWebhooks
from image_gen.fleet.job_maker import JobMaker
from image_gen.fleet.job_queue import WAIT_SECONDS, JobQueue, Message
from image_gen.fleet.job_store import JobStore
from image_gen.fleet.scale_in_protection import ScaleInProtection
from image_gen.fleet.settings import FleetSettings
from image_gen.fleet.worker_record import WRITTEN_EVERY_SECONDS, WorkerRecord
from image_gen.model_cache import CacheSettings
from image_gen.serving.service import ServiceParts

log = logging.getLogger(__name__)
_READY_CHECK_SECONDS: Final = 0.2
_PAUSE_SECONDS: Final = 5.0
_RECORD_CHECK_SECONDS: Final = 1.0
_STOP_SECONDS: Final = 5.0


class JobTaker:
    """A part of the service."""

    def __init__(self, settings: FleetSettings, cache_settings: CacheSettings, service: ServiceParts) -> None:
        self._service = service
        self._settings = settings
        self._queue, self._store = JobQueue(settings), JobStore(settings, cache_settings)
        self.worker_id = f"{socket.gethostname()[:40]}-{secrets.token_hex(4)}"
        self._drain = Drain(self._store)
        self._attempts = AttemptRecords(self._store, self.worker_id)
        self._webhooks = FleetWebhooks(self._store, service.settings)
        self._maker = JobMaker(service.settings, service.generations, service.queue, service.metrics)
        self._deliveries: dict[asyncio.Task[None], Delivery] = {}
        self._protection = ScaleInProtection(settings, lambda: bool(self._deliveries), lambda: self._drain.is_on)
        self._takers: set[asyncio.Task[None]] = set()
        self._receiving: set[asyncio.Task[Message | None]] = set()
        self._making = 0
        self._stopping = False

    async def run(self) -> None:
        """Until it is cancelled."""
        self._webhooks.start()
        log.info("This worker is %s and takes jobs from %s.", self.worker_id, self._queue.place)
        # Before the first job.
        await self._drain.ask()
        beside = [asyncio.create_task(each) for each in (self._record(), self._protection.run())]
        try:
            while True:
                self._takers = {task for task in self._takers if not task.done()}
                while len(self._takers) < len(self._service.engines.all):
                    self._takers.add(asyncio.create_task(self._take()))
                ended, _ = await asyncio.wait(self._takers, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    if error := task.exception():
                        log.error("Taking jobs: %s", type(error).__name__, exc_info=error)
                        await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            for task in [*beside, *self._takers]:
                task.cancel()

    async def stop(self) -> None:
        """Gives back what is not done, so that another worker has it at once."""
        self._stopping = True
        ending = asyncio.create_task(self._protection.stop())
        for task in self._takers:
            task.cancel()
        for task, delivery in self._deliveries.items():
            if not delivery.is_writing:
                task.cancel()
        await self._wait_for_deliveries()
        for task in self._deliveries:
            task.cancel()
        await self._wait_for_deliveries()
        await self._end_receiving()
        self._webhooks.stop()
        with contextlib.suppress(ImageGenError):
            await self._store.delete([self._own_record().name])
        await ending

    async def _wait_for_deliveries(self) -> None:
        if self._deliveries:
            await asyncio.wait(self._deliveries, timeout=_STOP_SECONDS)

    async def _end_receiving(self) -> None:
        """Waits for the requests under way: a message in an answer that nobody reads is hidden for a minute."""
        if self._receiving:
            await asyncio.wait(self._receiving, timeout=WAIT_SECONDS + 2)
        for task in self._receiving:
            message = task.result() if task.done() and task.exception() is None else None
            if message is not None:
                with contextlib.suppress(ImageGenError):
                    await self._queue.hide(message, 0)

    async def _take(self) -> None:
        """One job after another, each when an engine is free for it."""
        while not self._stopping:
            parts = self._service
            pipeline = parts.engines.pipeline_info
            is_free = parts.readiness.is_ready and self._making < parts.queue.engines_ready
            if pipeline is None or not is_free or self._drain.is_on:
                await asyncio.sleep(_READY_CHECK_SECONDS)
                continue
            self._making += 1
            freed = asyncio.Event()
            try:
                message = await self._receive()
                if message is None:
                    continue
                delivery = Delivery(
                    message, self._queue, self._store, self._attempts, self._maker,
                    worker_id=self.worker_id, pipeline=pipeline, on_made=freed.set,
                    engines_given_up=self._engines_given_up, webhooks=self._webhooks,
                )  # fmt: skip
                task = asyncio.create_task(self._deliver(delivery, freed))
                self._deliveries[task] = delivery
                self._protection.job_taken()
                task.add_done_callback(lambda done: self._deliveries.pop(done, None))
                # The engine has its next job while the result of this one is written.
                await freed.wait()
                # A worker that can't reach the store must not take the jobs that others could make.
                if delivery.has_failed:
                    await asyncio.sleep(_PAUSE_SECONDS)
            finally:
                self._making -= 1

    async def _receive(self) -> Message | None:
        receiving = asyncio.create_task(self._queue.receive())
        self._receiving.add(receiving)
        try:
            message = await asyncio.shield(receiving)
        except Exception as error:
            # Not one whose taker was cancelled: it stays, for `stop`.
            self._receiving.discard(receiving)
            if not isinstance(error, ImageGenError):
                raise
            log.warning("No job can be taken: %s", error.message)
            await asyncio.sleep(_PAUSE_SECONDS)
            return None
        self._receiving.discard(receiving)
        return message

    async def _deliver(self, delivery: Delivery, freed: asyncio.Event) -> None:
        started = time.monotonic()
        try:
            outcome = await delivery.run()
        except asyncio.CancelledError:
            log.info("A job is given back, as this worker stops.")
            raise
        except Exception as error:
            log.error("A job: %s", type(error).__name__, exc_info=error)
        else:
            self._service.metrics.delivered(outcome)
            log.info("%s: %s after %.1f s", delivery.job_id or "A message", outcome, time.monotonic() - started)
        finally:
            freed.set()

    def _engines_given_up(self) -> bool:
        return all(engine.given_up for engine in self._service.engines.all)

    async def _record(self) -> None:
        """Whenever something else than its numbers has changed, and else now and then."""
        said, due = None, 0.0
        while True:
            await self._drain.ask()
            record = self._own_record()
            about = (record.phase, record.engines, record.error, record.takes_jobs, record.drained)
            if about != said or time.monotonic() > due:
                try:
                    await create_missing(self._settings)
                    await self._store.write(record.name, record.to_json())
                    said, due = about, time.monotonic() + WRITTEN_EVERY_SECONDS
                except ImageGenError as error:
                    log.warning("This worker can't say that it lives: %s", error.message)
                    due = time.monotonic() + _PAUSE_SECONDS
                    said = about
            await asyncio.sleep(_RECORD_CHECK_SECONDS)

    def _own_record(self) -> WorkerRecord:
        parts, pipeline = self._service, self._service.engines.pipeline_info
        readiness, ready = parts.readiness, parts.queue.engines_ready
        as_json: dict[str, Any] | None = None if pipeline is None else asdict(pipeline)
        seconds = parts.queue.seconds_per_request * max(1, ready)
        error = None if readiness.error is None else readiness.error.as_json()
        is_on = self._drain.is_on
        return WorkerRecord(
            id=self.worker_id, written=time.time(), phase=readiness.phase, model=readiness.model_id,
            revision=readiness.revision, device=readiness.device, engines=ready, busy=parts.queue.running,
            seconds_per_picture=seconds, error=error, model_json=parts.generations.model_json(), pipeline=as_json,
            takes_jobs=not is_on, drained=is_on and not self._receiving and not self._deliveries,
        )  # fmt: skip
