"""What a gateway knows of its fleet: which workers live, and how much waits.

Comes in: the workers' records, the queue's counts. Goes out: the same, of late. Must not: change either.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Final

from image_gen.errors import ImageGenError
from image_gen.fleet.job_queue import JobQueue
from image_gen.fleet.job_store import JobStore
from image_gen.fleet.worker_record import WorkerRecord, read_workers
from image_gen.serving.readiness import PHASES, Phase
from image_gen.worker.protocol import PipelineReady

# How old what is known may be when a request comes. Workers write every 20 s; where none is known, one may have begun.
WORKERS_SECONDS, NO_WORKERS_SECONDS, QUEUE_SECONDS = 10.0, 1.0, 2.0
# How long a failure answers those who come after it.
FAILED_SECONDS = 2.0
# A guess before the first worker has said it, as the queue of one host has.
_SECONDS_PER_PICTURE: Final = 5.0
_MAKES_NOTHING: Final = frozenset({"failed", "stopping"})
_PIPELINE_FIELDS: Final = frozenset(each.name for each in fields(PipelineReady))


class FleetState:
    """What was read last. `refresh` and `refresh_old` raise the errors of the store and the queue."""

    def __init__(self, store: JobStore, queue: JobQueue, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._queue, self._clock = store, queue, clock
        self._lock = asyncio.Lock()
        self._workers_at = self._queue_at = self._failed_at = float("-inf")
        self._failure: ImageGenError | None = None
        self.workers: list[WorkerRecord] = []
        # As SQS estimates them: those that wait, and those that workers have.
        self.waiting = self.running = 0
        # The newest record that said what its pipeline accepts; kept when no worker is left.
        self._described: WorkerRecord | None = None

    async def refresh(self) -> None:
        """Reads all of it."""
        async with self._lock:
            await self._read(queue=True, workers=True)

    async def refresh_old(self) -> None:
        """Reads what was not read of late. What failed of late is not asked again: requests would wait for each
        other.
        """
        async with self._lock:
            if self._failure is not None and self._clock() - self._failed_at < FAILED_SECONDS:
                raise type(self._failure)(self._failure.message)
            await self._read(
                queue=self._clock() - self._queue_at >= QUEUE_SECONDS,
                workers=self._clock() - self._workers_at >= (WORKERS_SECONDS if self.usable else NO_WORKERS_SECONDS),
            )

    async def _read(self, *, queue: bool, workers: bool) -> None:
        try:
            if queue:
                await self._read_queue()
            if workers:
                await self._read_workers()
        except ImageGenError as error:
            self._failure, self._failed_at = error, self._clock()
            raise
        if queue or workers:
            self._failure = None

    async def _read_queue(self) -> None:
        self.waiting, self.running = await self._queue.counts()
        self._queue_at = self._clock()

    async def _read_workers(self) -> None:
        workers = await read_workers(self._store)
        self.workers = sorted(workers, key=lambda each: each.written, reverse=True)
        self._workers_at = self._clock()
        self._described = next((each for each in self.usable if each.pipeline), self._described)

    @property
    def living(self) -> list[WorkerRecord]:
        """The workers that live, and make pictures or will: the newest record first."""
        return [each for each in self.workers if each.lives and each.phase not in _MAKES_NOTHING]

    @property
    def usable(self) -> list[WorkerRecord]:
        """Those of them that take jobs."""
        return [each for each in self.living if each.takes_jobs]

    @property
    def engines(self) -> int:
        """How many make pictures now, of all workers."""
        return sum(each.engines for each in self.ready)

    @property
    def ready(self) -> list[WorkerRecord]:
        """Those that make pictures now."""
        return [each for each in self.usable if each.phase == "ready"]

    @property
    def described(self) -> WorkerRecord | None:
        """The last worker that said what it serves."""
        return self._described

    @property
    def pipeline(self) -> PipelineReady | None:
        """What it loaded. Fields of a later version are left out."""
        if self._described is None or self._described.pipeline is None:
            return None
        kept: dict[str, Any] = self._described.pipeline
        return PipelineReady(**{name: kept[name] for name in kept if name in _PIPELINE_FIELDS})

    @property
    def seconds_per_picture(self) -> float:
        """Of one engine, on average."""
        known = [each.seconds_per_picture for each in self.usable if each.seconds_per_picture]
        return sum(known) / len(known) if known else _SECONDS_PER_PICTURE

    def seconds_until_done(self, before: int, pictures: int = 1) -> float | None:
        """About how long a job takes with so many before it; None while no worker makes pictures."""
        if not self.engines:
            return None
        return round(self.seconds_per_picture * (before / self.engines + pictures), 1)

    @property
    def phase(self) -> Phase:
        """That of the worker that is the nearest to being ready; `failed` where all of them have failed."""
        phases = [each.phase for each in self.workers if each.lives]
        known = [phase for phase in PHASES if phase in phases and phase not in _MAKES_NOTHING]
        return known[-1] if known else "failed" if "failed" in phases else "starting"

    def as_json(self) -> dict[str, object]:
        """Fields of `/readyz`."""
        return {
            "workers": len(self.usable), "engines": self.engines, "waiting_jobs": self.waiting,
            "running_jobs": self.running,
        }  # fmt: skip
