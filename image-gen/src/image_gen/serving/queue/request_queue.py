"""The queue before the worker: one request at a time, a bounded number waiting, first come, first served.

Cancelling the task that waits in `run` removes the request from the queue, or cancels its job at the next step.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Final

from image_gen.errors import CancelledError, ImageGenError, QueueFullError, StoppingError
from image_gen.serving.queue.promised_places import PromisedPlaces
from image_gen.serving.worker_supervisor import GeneratedImage, WorkerSupervisor
from image_gen.worker.protocol import ImageJob

# A worker that has not reacted to a cancellation for so long hangs (a step of the largest image on a slow CPU is
# shorter).
UNRESPONSIVE_AFTER_SECONDS: Final = 300.0
# Who was refused and returns in time is let in before newcomers, up to so many times the limit.
_RETURNING: Final = 4


class Listener:
    """What happens to a request in the queue. Each method does nothing here."""

    def on_place(self) -> None:
        """It has a place in the queue, or its turn."""

    def on_turn(self) -> None:
        """The waiting is over."""

    def on_step(self, job: ImageJob, step: int, preview: bytes) -> None:
        """A step of a job that asks for progress or previews is done."""

    def on_image(self, job: ImageJob, image: GeneratedImage) -> None:
        """A picture of several is done."""


class RequestQueue:
    """`limit` requests may wait besides the one being worked on."""

    def __init__(
        self, worker: WorkerSupervisor, limit: int, unresponsive_after: float = UNRESPONSIVE_AFTER_SECONDS
    ) -> None:
        self._worker = worker
        self._limit = limit
        self._unresponsive_after = unresponsive_after
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self._current: str | None = None
        self._tasks: set[asyncio.Task[list[GeneratedImage]]] = set()
        self._promised = PromisedPlaces()
        self._measured: float | None = None

    @property
    def seconds_per_request(self) -> float:
        """Of late; a guess before the first."""
        return 5.0 if self._measured is None else self._measured

    @property
    def depth(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    @property
    def is_busy(self) -> bool:
        """Whether a picture is being made."""
        return not self._idle.is_set()

    async def run(
        self, jobs: Sequence[ImageJob], listener: Listener | None = None, attempt: int | None = None
    ) -> list[GeneratedImage]:
        """The pictures, in order. `attempt` is 0 for a client's first, None where it does not say."""
        listener = listener or Listener()
        await self._acquire(attempt, listener)
        listener.on_turn()
        wanted = asyncio.Event()
        wanted.set()
        task = asyncio.create_task(self._run_jobs(jobs, wanted, listener))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            wanted.clear()
            task.add_done_callback(lambda done: None if done.cancelled() else done.exception())
            self.stop_current()
            raise

    def seconds_until_place(self) -> int:
        """For a request that was refused: when to come back. A place is then kept for it."""
        return self._promised.promise(self.seconds_per_request)

    def close(self) -> None:
        """Rejects new and waiting requests; the current image is finished."""
        self._closed = True
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(_stopping())

    async def drain(self, seconds: float) -> bool:
        """Waits for the picture being made; whether it was done in time."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), seconds)
        return not self.is_busy

    def stop_current(self) -> None:
        """Ends the picture being made at its next step, or the engine if it does not react."""
        if self._current is None:
            return
        image = self._current
        self._worker.cancel(image)

        def kill_if_unresponsive() -> None:
            if self._current == image:
                self._worker.kill()

        asyncio.get_running_loop().call_later(self._unresponsive_after, kill_if_unresponsive)

    def _has_place(self, attempt: int | None) -> bool:
        if self._promised.redeem(attempt):
            return len(self._waiting) < _RETURNING * self._limit
        # Half of the places at least are for newcomers: who was to return may never come.
        return len(self._waiting) + min(self._promised.due(), self._limit // 2) < self._limit

    async def _acquire(self, attempt: int | None, listener: Listener) -> None:
        if self._closed:
            raise _stopping()
        if self._idle.is_set():
            self._idle.clear()
            self._promised.redeem(attempt)
            listener.on_place()
            return
        if not self._has_place(attempt):
            raise QueueFullError("Too many pictures are being waited for: try again later.")
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        listener.on_place()
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            elif not waiter.cancelled() and waiter.exception() is None:
                self._release()  # the turn came at the same moment, and is passed on
            raise

    def _release(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._idle.set()

    async def _run_jobs(
        self, jobs: Sequence[ImageJob], wanted: asyncio.Event, listener: Listener
    ) -> list[GeneratedImage]:
        started = time.monotonic()
        images: list[GeneratedImage] = []
        try:
            for job in jobs:
                if self._closed:
                    raise _stopping()
                if not wanted.is_set():
                    raise CancelledError("The request was cancelled.")
                self._current = job.id
                images.append(await self._worker.generate_image(job, partial(listener.on_step, job)))
                listener.on_image(job, images[-1])
            took = time.monotonic() - started
            self._measured = took if self._measured is None else self._measured + 0.3 * (took - self._measured)
        finally:
            self._current = None
            self._release()
        return images


def _stopping() -> ImageGenError:
    return StoppingError("The service is being stopped.")
