"""The queue before the engine: one request's pictures at a time, a bounded number waiting, in the order they came.

Comes in: the orders of one request. Goes out: its pictures, or QUEUE_FULL, STOPPING, or what the engine says. Must
not: know HTTP. Cancelling the task that waits in `make` takes the request out of the queue, or stops the engine at
its next step.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from image_gen.errors import ImageGenError
from image_gen.serving.worker_supervisor import Engine, Painted
from image_gen.worker.protocol import PictureOrder

# An engine that has not answered a cancellation for so long hangs (a step of the largest picture on a slow CPU is
# shorter).
DEAF_AFTER_SECONDS: Final = 300.0


class Studio:
    """`limit` requests may wait besides the one being worked on."""

    def __init__(self, engine: Engine, limit: int, deaf_after: float = DEAF_AFTER_SECONDS) -> None:
        self._engine = engine
        self._limit = limit
        self._deaf_after = deaf_after
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self._current: str | None = None
        self._jobs: set[asyncio.Task[list[Painted]]] = set()
        self.seconds_per_request = 5.0

    @property
    def depth(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    @property
    def is_busy(self) -> bool:
        """Whether a picture is being made."""
        return not self._idle.is_set()

    async def make(self, orders: Sequence[PictureOrder], on_turn: Callable[[], None] = lambda: None) -> list[Painted]:
        """The pictures, in order. `on_turn` is called when the waiting is over."""
        await self._turn()
        on_turn()
        wanted = asyncio.Event()
        wanted.set()
        job = asyncio.create_task(self._run(orders, wanted))
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        try:
            return await asyncio.shield(job)
        except asyncio.CancelledError:
            wanted.clear()
            job.add_done_callback(lambda done: None if done.cancelled() else done.exception())
            self.stop_current()
            raise

    def close(self) -> None:
        """No further requests; those waiting are told so, the picture being made goes on."""
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
        picture = self._current
        self._engine.cancel(picture)
        asyncio.get_running_loop().call_later(self._deaf_after, self._kill_if_deaf, picture)

    def _kill_if_deaf(self, picture: str) -> None:
        if self._current == picture:
            self._engine.kill()

    async def _turn(self) -> None:
        if self._closed:
            raise _stopping()
        if self._idle.is_set():
            self._idle.clear()
            return
        if len(self._waiting) >= self._limit:
            raise ImageGenError(
                "QUEUE_FULL", "Too many pictures are being waited for: try again later.", retryable=True
            )
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            elif not waiter.cancelled() and waiter.exception() is None:
                self._pass_turn()  # the turn came in the same moment: somebody else shall have it
            raise

    def _pass_turn(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._idle.set()

    async def _run(self, orders: Sequence[PictureOrder], wanted: asyncio.Event) -> list[Painted]:
        started = time.monotonic()
        pictures: list[Painted] = []
        try:
            for order in orders:
                if self._closed:
                    raise _stopping()
                if not wanted.is_set():
                    raise ImageGenError("CANCELLED", "The request was cancelled.")
                self._current = order.id
                pictures.append(await self._engine.paint(order))
            self.seconds_per_request += 0.3 * (time.monotonic() - started - self.seconds_per_request)
        finally:
            self._current = None
            self._pass_turn()
        return pictures


def _stopping() -> ImageGenError:
    return ImageGenError("STOPPING", "The service is being stopped.", retryable=True)
