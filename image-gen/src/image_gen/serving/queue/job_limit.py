"""A job in the queue, whose time begins with its turn: however long it waits, it is made."""

import asyncio
from collections.abc import Sequence

from image_gen.errors import RequestTimeoutError
from image_gen.serving.queue.request import ForwardingListener, Listener
from image_gen.serving.queue.request_queue import RequestQueue
from image_gen.serving.worker_supervisor import GeneratedImage
from image_gen.worker.protocol import ImageJob


async def run_job(
    queue: RequestQueue, images: Sequence[ImageJob], listener: Listener, *, key: str, seconds: float
) -> list[GeneratedImage]:
    """Its pictures. Raises TIMEOUT where they are not made within so many seconds of its turn."""
    try:
        async with asyncio.timeout(None) as limit:
            return await queue.run(images, _Limited(listener, limit, seconds), key=key, is_job=True)
    except TimeoutError:
        raise RequestTimeoutError(f"The job was not done within {seconds:.0f} s of its turn.") from None


class _Limited(ForwardingListener):
    def __init__(self, to: Listener, limit: asyncio.Timeout, seconds: float) -> None:
        super().__init__(to)
        self._limit, self._seconds = limit, seconds

    def on_turn(self) -> None:
        self._limit.reschedule(asyncio.get_running_loop().time() + self._seconds)
        super().on_turn()
