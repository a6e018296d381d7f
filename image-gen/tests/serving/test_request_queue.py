"""The queue without HTTP: what needs a moment that a real server would not give."""

import asyncio

import pytest

from image_gen.errors import CancelledError, EngineDiedError, ImageGenError, OutOfMemoryError
from image_gen.serving.queue.request_queue import RequestQueue
from image_gen.serving.worker_supervisor import GeneratedImage
from image_gen.worker.protocol import ImageJob

GENERATED = GeneratedImage(b"picture", 1.0, 2.0)


class SlowEngine:
    """Generates an image until `done` or `kill` is called."""

    is_ready = True
    given_up: ImageGenError | None = None

    def __init__(self) -> None:
        self.on_change = lambda: None
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
        self.is_ready = False
        self.current.set_exception(EngineDiedError("killed"))
        self.on_change()

    def start(self) -> None:
        self.is_ready, self.given_up = True, None
        self.on_change()

    def give_up(self, error: ImageGenError) -> None:
        self.is_ready, self.given_up = False, error
        self.on_change()

    def done(self) -> None:
        assert self.current is not None
        self.current.set_result(GENERATED)


def order(name: str) -> list[ImageJob]:
    return [ImageJob(name, "x", 1, 1, 64, 64)]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def queue_of(*workers: SlowEngine, limit: int = 2, unresponsive_after: float = 60) -> RequestQueue:
    return RequestQueue(workers, limit, unresponsive_after)  # type: ignore[arg-type] # fake workers


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


def test_pictures_wait_for_the_next_engine_and_the_one_being_made_is_made_again() -> None:
    async def scenario() -> None:
        worker = SlowEngine()
        queue = queue_of(worker)
        first, second = (asyncio.create_task(queue.run(order(name))) for name in ("a", "b"))
        await settle()
        worker.kill()
        await settle()
        assert (worker.started, queue.depth, queue.is_busy) == (["a"], 2, False)
        worker.start()
        await settle()
        worker.done()
        await settle()
        worker.done()
        assert await first == await second == [GENERATED]
        assert worker.started == ["a", "a", "b"]

    asyncio.run(asyncio.wait_for(scenario(), 5))


def test_a_picture_during_which_two_engines_end_is_an_error_and_the_others_are_made() -> None:
    async def scenario() -> None:
        worker = SlowEngine()
        queue = queue_of(worker)
        bad, good = (asyncio.create_task(queue.run(order(name))) for name in ("bad", "good"))
        for _ in range(2):
            await settle()
            worker.kill()
            await settle()
            worker.start()
        with pytest.raises(EngineDiedError):
            await bad
        await settle()
        worker.done()
        assert await good == [GENERATED]
        assert worker.started == ["bad", "bad", "good"]

    asyncio.run(asyncio.wait_for(scenario(), 5))


def test_of_several_pictures_only_those_that_are_not_done_are_made_again() -> None:
    async def scenario() -> None:
        worker = SlowEngine()
        queue = queue_of(worker)
        both = asyncio.create_task(queue.run([*order("a"), *order("b")]))
        await settle()
        worker.done()
        await settle()
        worker.kill()
        await settle()
        worker.start()
        await settle()
        worker.done()
        assert await both == [GENERATED, GENERATED]
        assert worker.started == ["a", "b", "b"]

    asyncio.run(asyncio.wait_for(scenario(), 5))


@pytest.mark.parametrize("waits", [True, False])
def test_requests_are_refused_when_the_engine_is_given_up_and_jobs_wait_on(waits: bool) -> None:
    async def scenario() -> None:
        worker = SlowEngine()
        queue = queue_of(worker)
        current = asyncio.create_task(queue.run(order("a"), is_job=waits))
        await settle()
        worker.kill()
        worker.give_up(OutOfMemoryError("too big"))
        await settle()
        if not waits:
            with pytest.raises(ImageGenError, match="too big") as caught:
                await current
            assert caught.value.code == "NOT_READY"
            return
        worker.start()
        await settle()
        worker.done()
        assert await current == [GENERATED]

    asyncio.run(asyncio.wait_for(scenario(), 5))


def test_a_request_that_leaves_while_no_engine_is_there_is_not_made() -> None:
    async def scenario() -> None:
        worker = SlowEngine()
        queue = queue_of(worker)
        job = asyncio.create_task(queue.run(order("a")))
        await settle()
        worker.kill()
        await settle()
        job.cancel()
        await settle()
        worker.start()
        await settle()
        assert (worker.started, queue.depth) == (["a"], 0)

    asyncio.run(asyncio.wait_for(scenario(), 5))


def test_closing_the_queue_ends_requests_that_wait_for_an_engine() -> None:
    async def scenario() -> None:
        worker = SlowEngine()
        queue = queue_of(worker)
        job = asyncio.create_task(queue.run(order("a")))
        await settle()
        worker.kill()
        await settle()
        queue.close()
        assert await queue.drain(1)
        with pytest.raises(ImageGenError, match="being stopped"):
            await job

    asyncio.run(asyncio.wait_for(scenario(), 5))


def test_two_engines_share_one_queue_and_one_that_ends_hands_its_picture_to_the_other() -> None:
    async def scenario() -> None:
        left, right = SlowEngine(), SlowEngine()
        queue = queue_of(left, right, limit=4)
        tasks = [asyncio.create_task(queue.run(order(name))) for name in "abcd"]
        await settle()
        assert (left.started, right.started, queue.depth) == (["a"], ["b"], 2)
        left.kill()
        left.give_up(OutOfMemoryError("gone"))
        for _ in range(4):
            await settle()
            right.done()
        assert [await task for task in tasks] == [[GENERATED]] * 4
        assert right.started == ["b", "a", "c", "d"]

    asyncio.run(asyncio.wait_for(scenario(), 5))


def test_keys_take_turns_and_a_key_without_a_waiting_request_has_a_place() -> None:
    async def scenario() -> None:
        worker = SlowEngine()
        queue = queue_of(worker, limit=3)
        names = ["one-1", "one-2", "one-3", "one-4"]
        tasks = [asyncio.create_task(queue.run(order(name), key="one")) for name in names]
        await settle()
        with pytest.raises(ImageGenError, match="Too many"):
            await queue.run(order("one-5"), key="one")
        tasks.append(asyncio.create_task(queue.run(order("two-1"), key="two")))
        await settle()
        with pytest.raises(ImageGenError, match="Too many"):
            await queue.run(order("two-2"), key="two")
        assert queue.positions() == {"one-2": 0, "two-1": 1, "one-3": 2, "one-4": 3}
        for _ in range(5):
            worker.done()
            await settle()
        assert worker.started == ["one-1", "one-2", "two-1", "one-3", "one-4"]
        assert [await task for task in tasks] == [[GENERATED]] * 5

    asyncio.run(asyncio.wait_for(scenario(), 5))


def test_requests_and_jobs_take_turns() -> None:
    async def scenario() -> None:
        worker = SlowEngine()
        queue = queue_of(worker, limit=2)
        tasks = [asyncio.create_task(queue.run(order(f"job-{n}"), is_job=True)) for n in range(4)]
        await settle()
        tasks += [asyncio.create_task(queue.run(order(f"request-{n}"))) for n in range(2)]
        await settle()
        for _ in range(6):
            worker.done()
            await settle()
        assert worker.started == ["job-0", "job-1", "request-0", "job-2", "request-1", "job-3"]
        assert [await task for task in tasks] == [[GENERATED]] * 6

    asyncio.run(asyncio.wait_for(scenario(), 5))
