"""The queue before the engine: one request at a time, a bounded number waiting, and the keys take turns.

Cancelling the task that waits in `run` removes the request from the queue, or cancels its picture at the next step. A
picture whose engine has ended is made once more, by the next one.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import Final

from image_gen.errors import (
    CancelledError,
    ImageGenError,
    NotReadyError,
    QueueFullError,
    StoppingError,
)
from image_gen.serving.queue.batches import Batches
from image_gen.serving.queue.fair_order import FairOrder
from image_gen.serving.queue.promised_places import PromisedPlaces
from image_gen.serving.queue.request import Listener, Request
from image_gen.serving.queue.usage import Usage
from image_gen.serving.worker_supervisor import GeneratedImage, WorkerSupervisor
from image_gen.worker.protocol import ImageJob

# A worker that has not reacted to a cancellation for so long hangs (a step of the largest image on a slow CPU is
# shorter); for each picture of a batch.
UNRESPONSIVE_AFTER_SECONDS: Final = 300.0
# Who was refused and returns in time is let in before newcomers, up to so many times the limit.
_RETURNING: Final = 4
# A picture during which that many engines have ended is not tried again: it may be the reason.
MOST_ENGINES: Final = 2
log = logging.getLogger(__name__)


class RequestQueue:
    """`limit` requests may wait besides those being worked on. Jobs are limited by who keeps them."""

    def __init__(
        self,
        engines: Sequence[WorkerSupervisor],
        limit: int,
        unresponsive_after: float = UNRESPONSIVE_AFTER_SECONDS,
        usage: Usage | None = None,
    ) -> None:
        self._usage = usage or Usage()
        self._engines = engines
        self.limit = limit
        self._unresponsive_after = unresponsive_after
        self._order: FairOrder[Request] = FairOrder()
        self._at_work: dict[WorkerSupervisor, Request] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self._batches = Batches()
        self._promised = PromisedPlaces()
        self._measured: float | None = None
        for engine in engines:
            engine.on_change = self._on_engine

    @property
    def seconds_per_request(self) -> float:
        """Of late, with all engines at work; a guess before the first."""
        return (5.0 if self._measured is None else self._measured) / max(1, self.engines_ready)

    @property
    def engines_ready(self) -> int:
        """How many can make a picture."""
        return sum(engine.is_ready for engine in self._engines)

    @property
    def running(self) -> int:
        """How many requests and jobs are being worked on."""
        return len(self._at_work)

    @property
    def waiting_jobs(self) -> int:
        """How many of those that wait are jobs."""
        return self._order.count(jobs=True)

    @property
    def depth(self) -> int:
        """How many requests wait."""
        return len(self._order)

    @property
    def is_closed(self) -> bool:
        """Whether the service is being stopped."""
        return self._closed

    @property
    def is_busy(self) -> bool:
        """Whether a picture is being made."""
        return bool(self._at_work)

    async def run(
        self,
        jobs: Sequence[ImageJob],
        listener: Listener | None = None,
        attempt: int | None = None,
        *,
        key: str = "",
        is_job: bool = False,
    ) -> list[GeneratedImage]:
        """The pictures, in order. `attempt` is 0 for a client's first, None where it does not say. `key`: its name."""
        done: asyncio.Future[list[GeneratedImage]] = asyncio.get_running_loop().create_future()
        request = Request(jobs, listener or Listener(), key, is_job, done)
        self._admit(request, attempt)
        self._order.add(request, key, is_job=is_job)
        request.listener.on_place()
        self._dispatch()
        try:
            return await done
        except asyncio.CancelledError:
            request.wanted = False
            if not self._order.remove(request):
                self._cancel(request)
            raise

    def positions(self) -> dict[str, int]:
        """How many requests are before each that waits, by the id of its first picture."""
        return {request.jobs[0].id: place for place, request in enumerate(self._order)}

    def seconds_until_place(self) -> int:
        """For a request that was refused: when to come back. A place is then kept for it."""
        waiting = self._order.count(jobs=False)
        # Places become free only where the turn is a request's, and not a job's.
        jobs_between = min(self._order.count(jobs=True), waiting) / max(1, waiting)
        return self._promised.promise(self.seconds_per_request * (1 + jobs_between))

    def close(self) -> None:
        """Rejects new and waiting requests; the current images are finished."""
        self._closed = True
        self._refuse_waiting(_stopping(), jobs=True)

    async def drain(self, seconds: float) -> bool:
        """Waits for the pictures being made; whether they were done in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        return not self.is_busy

    def stop_current(self) -> None:
        """Ends the pictures being made at their next step, or an engine that does not react."""
        for request in list(self._at_work.values()):
            request.wanted = False
            self._cancel(request)

    def _cancel(self, request: Request) -> None:
        for engine, at_work in self._at_work.items():
            if at_work is request:
                engine.cancel(request.picture.id)
                loop = asyncio.get_running_loop()
                seconds = self._unresponsive_after * max(1, len(request.current))
                loop.call_later(seconds, self._kill_if_at_work, engine, request)

    def _kill_if_at_work(self, engine: WorkerSupervisor, request: Request) -> None:
        if self._at_work.get(engine) is request:
            engine.kill()

    def _admit(self, request: Request, attempt: int | None) -> None:
        if self._closed:
            raise _stopping()
        if request.is_job:
            return
        if not self._order and self._free_engine() is not None:
            self._promised.redeem(attempt)
        elif not self._has_place(attempt, request.key):
            raise QueueFullError("Too many pictures are being waited for: try again later.")

    def _has_place(self, attempt: int | None, key: str) -> bool:
        waiting = self._order.count(jobs=False)
        if self._promised.redeem(attempt):
            return waiting < _RETURNING * self.limit
        if self.limit and key and not self._order.has(key, jobs=False):
            return True  # One key can't take the places of all others.
        # Half of the places at least are for newcomers: who was to return may never come.
        return waiting + min(self._promised.due(), self.limit // 2) < self.limit

    def _free_engine(self) -> WorkerSupervisor | None:
        return next((each for each in self._engines if each.is_ready and each not in self._at_work), None)

    def _dispatch(self) -> None:
        while self._order and (engine := self._free_engine()) is not None:
            request = self._order.take()
            self._at_work[engine] = request
            self._usage.enter(busy=True)
            self._idle.clear()
            if not request.begun:
                request.begun = True
                request.listener.on_turn()
            task = asyncio.create_task(self._work(engine, request))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _on_engine(self) -> None:
        """An engine is ready, or is not any more."""
        self._dispatch()
        self._refuse_if_given_up()

    def _refuse_if_given_up(self) -> None:
        given_up = [engine.given_up for engine in self._engines]
        if given_up and all(given_up):
            why = next(error for error in given_up if error is not None)
            self._refuse_waiting(NotReadyError(f"The model is not ready: {why.message}"), jobs=False)

    def _refuse_waiting(self, error: ImageGenError, *, jobs: bool) -> None:
        for request in [each for each in self._order if jobs or not each.is_job]:
            self._order.remove(request)
            _fail(request, error)

    async def _work(self, engine: WorkerSupervisor, request: Request) -> None:
        again = False
        try:
            await self._make_images(engine, request)
        except ImageGenError as error:
            again = request.wanted and not self._closed and self._is_worth_another(request, error)
            if not again:
                _fail(request, error)
        except Exception as error:  # what waits must not wait for ever
            if not request.done.done():
                request.done.set_exception(error)
        else:
            if not request.done.done():
                request.done.set_result(request.images)
        finally:
            del self._at_work[engine]
            if again:
                self._order.add_first(request)
            self._dispatch()
            self._refuse_if_given_up()
            if not self._at_work:
                self._usage.enter(busy=False)
                self._idle.set()

    async def _make_images(self, engine: WorkerSupervisor, request: Request) -> None:
        started, before = time.monotonic(), len(request.images)
        while len(request.images) < len(request.jobs):
            if self._closed and request.images:
                raise _stopping()
            if not request.wanted or request.done.done():
                raise CancelledError("The request was cancelled.")
            request.current = self._next_jobs(request, engine)
            images = await self._images(engine, request)
            if images is None:
                continue
            for job, image in zip(request.current, images, strict=True):
                request.images.append(image)
                self._usage.pictures += 1
                request.engines_lost = 0
                request.listener.on_image(job, image)
        if before == 0:
            took = time.monotonic() - started
            self._measured = took if self._measured is None else self._measured + 0.3 * (took - self._measured)

    def _next_jobs(self, request: Request, engine: WorkerSupervisor) -> Sequence[ImageJob]:
        """One where a batch has failed, or where the end of the service waits for it."""
        if request.one_by_one or self._closed:
            return [request.picture]
        return self._batches.next_jobs(request.jobs, len(request.images), engine)

    async def _images(self, engine: WorkerSupervisor, request: Request) -> Sequence[GeneratedImage] | None:
        """Of the current jobs; None where their batch has failed, and each is to be tried alone."""
        jobs = request.current
        if len(jobs) == 1:
            return [await engine.generate_image(jobs[0], partial(request.listener.on_step, jobs[0]))]
        try:
            return await engine.generate_batch(jobs)
        except (CancelledError, NotReadyError):
            raise
        except ImageGenError as error:
            request.one_by_one = True
            if request.wanted:  # Or the queue itself has ended the engine.
                self._batches.failed(jobs, engine, error)
            log.warning("A batch of %d pictures failed (%s); each is made by itself.", len(jobs), error.code)
            if error.retryable:
                raise  # The engine has ended.
            return None

    def _is_worth_another(self, request: Request, error: ImageGenError) -> bool:
        """Whether the engine has ended, and another may do better."""
        if not error.retryable:
            return False
        request.engines_lost += not isinstance(error, NotReadyError)
        if request.engines_lost >= MOST_ENGINES:
            return False
        log.warning("A picture was not done when its engine ended; it is made again by the next engine.")
        return True


def _fail(request: Request, error: ImageGenError) -> None:
    if not request.done.done():
        request.done.set_exception(error)


def _stopping() -> ImageGenError:
    return StoppingError("The service is being stopped.")
