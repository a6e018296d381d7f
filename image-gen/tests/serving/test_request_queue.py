"""The queue without HTTP: what needs a moment that a real server would not give."""

import asyncio

import pytest

from image_gen.errors import CancelledError, EngineDiedError, ImageGenError
from image_gen.serving.queue.request_queue import RequestQueue
from image_gen.serving.worker_supervisor import GeneratedImage
from image_gen.worker.protocol import ImageJob

GENERATED = GeneratedImage(b"picture", 1.0, 2.0)


class SlowEngine:
    """Generates an image until `done` or `kill` is called."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.cancelled: list[str] = []
        self.kills = 0
        self.current: asyncio.Future[GeneratedImage] | None = None

    async def generate_image(self, order: ImageJob, _on_step: object) -> GeneratedImage:
        self.started.append(order.id)
        self.current = asyncio.get_running_loop().create_future()
        return await self.current

    def cancel(self, picture_id: str) -> None:
        self.cancelled.append(picture_id)

    def kill(self) -> None:
        self.kills += 1
        assert self.current is not None
        self.current.set_exception(EngineDiedError("killed"))

    def done(self) -> None:
        assert self.current is not None
        self.current.set_result(GENERATED)


def order(name: str) -> list[ImageJob]:
    return [ImageJob(name, "x", 1, 1, 64, 64)]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def queue_of(worker: SlowEngine, limit: int = 2, unresponsive_after: float = 60) -> RequestQueue:
    return RequestQueue(worker, limit, unresponsive_after)  # type: ignore[arg-type] # a fake worker


def test_queue_passes_on_the_turn_of_a_leaving_request() -> None:
    async def scenario() -> None:
        worker = SlowEngine()
        queue = queue_of(worker)
        first, second, third = (asyncio.create_task(queue.run(order(name))) for name in ("a", "b", "c"))
        await settle()
        worker.done()
        while queue.depth == 2:
            await asyncio.sleep(0)
        second.cancel()  # its turn has just been given, but it has not run yet
        await settle()
        assert worker.started == ["a", "c"]
        worker.done()
        assert await first == [GENERATED]
        assert await third == [GENERATED]
        assert not queue.is_busy

    asyncio.run(asyncio.wait_for(scenario(), 5))


def test_queue_kills_an_unresponsive_worker() -> None:
    async def scenario() -> None:
        worker = SlowEngine()
        queue = queue_of(worker, unresponsive_after=0.05)
        job = asyncio.create_task(queue.run(order("unresponsive")))
        await settle()
        job.cancel()
        await asyncio.sleep(0.2)
        assert (worker.cancelled, worker.kills) == (["unresponsive"], 1)
        assert not queue.is_busy

    asyncio.run(scenario())


def test_queue_keeps_a_responsive_worker() -> None:
    async def scenario() -> None:
        worker = SlowEngine()
        queue = queue_of(worker, unresponsive_after=0.05)
        job = asyncio.create_task(queue.run(order("good")))
        await settle()
        job.cancel()
        await settle()
        assert worker.current is not None
        worker.current.set_exception(CancelledError("cancelled"))
        await asyncio.sleep(0.1)
        assert worker.kills == 0
        assert not queue.is_busy

    asyncio.run(scenario())


def test_closing_the_queue_rejects_waiting_requests_only() -> None:
    async def scenario() -> None:
        worker = SlowEngine()
        queue = queue_of(worker)
        current, waiting = (asyncio.create_task(queue.run(order(name))) for name in ("current", "waiting"))
        await settle()
        queue.close()
        with pytest.raises(ImageGenError) as caught:
            await waiting
        assert caught.value.code == "STOPPING"
        with pytest.raises(ImageGenError, match="being stopped"):
            await queue.run(order("late"))
        assert not await queue.drain(0.01)
        worker.done()
        assert await queue.drain(1)
        assert await current == [GENERATED]
        assert worker.started == ["current"]

    asyncio.run(scenario())
