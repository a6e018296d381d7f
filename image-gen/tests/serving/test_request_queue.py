"""The queue without HTTP: what needs a moment that a real server would not give."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from image_gen.errors import (
    BY_CODE,
    CancelledError,
    ContentPolicyError,
    EngineDiedError,
    EngineError,
    GpuFaultError,
    ImageGenError,
    NotReadyError,
    OutOfMemoryError,
    PictureInvalidError,
    StoppingError,
)
from image_gen.serving.queue.batches import Batches
from image_gen.serving.queue.request_queue import RequestQueue
from image_gen.serving.worker_supervisor import GeneratedImage
from image_gen.worker.protocol import ImageJob

GENERATED = GeneratedImage(b"picture", 1.0, 2.0)


class SlowEngine:
    """Generates an image until `done` or `kill` is called."""

    is_ready = True
    given_up: ImageGenError | None = None
    most_at_once = 1

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

    async def generate_batch(self, jobs: Sequence[ImageJob]) -> list[GeneratedImage]:
        self.started.append("+".join(job.id for job in jobs))
        self.current = asyncio.get_running_loop().create_future()
        return [await self.current] * len(jobs)

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

    asyncio.run(asyncio.wait_for(scenario(), 30))


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

    asyncio.run(asyncio.wait_for(scenario(), 30))


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

    asyncio.run(asyncio.wait_for(scenario(), 30))


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

    asyncio.run(asyncio.wait_for(scenario(), 30))


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

    asyncio.run(asyncio.wait_for(scenario(), 30))


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

    asyncio.run(asyncio.wait_for(scenario(), 30))


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

    asyncio.run(asyncio.wait_for(scenario(), 30))


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

    asyncio.run(asyncio.wait_for(scenario(), 30))


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

    asyncio.run(asyncio.wait_for(scenario(), 30))


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

    asyncio.run(asyncio.wait_for(scenario(), 30))


def several(count: int) -> list[ImageJob]:
    return [replace(order("a")[0], id=f"a-{index}", seed=index) for index in range(count)]


def test_pictures_of_a_request_are_made_by_as_few_calls_as_the_engine_allows() -> None:
    async def scenario() -> None:
        engine = SlowEngine()
        engine.most_at_once = 4
        queue = queue_of(engine)
        request = asyncio.create_task(queue.run(several(6)))
        await settle()
        engine.done()
        await settle()
        engine.done()
        assert await request == [GENERATED] * 6
        assert engine.started == ["a-0+a-1+a-2+a-3", "a-4+a-5"]

    asyncio.run(scenario())


@pytest.mark.parametrize("change", [{"progress": True}, {"previews": 1}, {"pixels": b"x"}])
def test_pictures_with_steps_to_report_or_an_image_to_change_are_made_one_by_one(change: dict[str, Any]) -> None:
    async def scenario() -> None:
        engine = SlowEngine()
        engine.most_at_once = 4
        queue = queue_of(engine)
        request = asyncio.create_task(queue.run([replace(job, **change) for job in several(2)]))
        for _ in range(2):
            await settle()
            engine.done()
        assert await request == [GENERATED] * 2
        assert engine.started == ["a-0", "a-1"]

    asyncio.run(scenario())


def batching(*, at_once: int = 4) -> SlowEngine:
    engine = SlowEngine()
    engine.most_at_once = at_once
    return engine


@pytest.mark.parametrize("kind", [kind for kind in BY_CODE.values() if kind not in {CancelledError, NotReadyError}])
def test_the_pictures_of_a_batch_that_fails_are_made_one_by_one(kind: type[ImageGenError]) -> None:
    async def scenario() -> None:
        engine = batching()
        queue = queue_of(engine)
        request = asyncio.create_task(queue.run(several(2)))
        await settle()
        assert engine.current is not None
        engine.current.set_exception(kind("the batch"))
        for _ in range(2):
            await settle()
            engine.done()
        assert await request == [GENERATED] * 2
        assert engine.started == ["a-0+a-1", "a-0", "a-1"]

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_a_batch_whose_engine_ends_is_no_batch_for_the_next_engine() -> None:
    async def scenario() -> None:
        engine = batching()
        queue = queue_of(engine)
        request = asyncio.create_task(queue.run(several(3)))
        await settle()
        engine.kill()
        await settle()
        assert not request.done()
        engine.start()
        for _ in range(3):
            await settle()
            engine.done()
        assert await request == [GENERATED] * 3
        assert engine.started == ["a-0+a-1+a-2", "a-0", "a-1", "a-2"]

    asyncio.run(asyncio.wait_for(scenario(), 30))


@pytest.mark.parametrize("error", [OutOfMemoryError("too much", retryable=True), EngineDiedError("killed")])
def test_an_engine_whose_batch_took_too_much_memory_has_smaller_ones_from_then_on(error: ImageGenError) -> None:
    async def scenario() -> None:
        engine, other = batching(), batching()
        other.is_ready = False
        queue = queue_of(engine, other)

        async def make(size: int, failure: ImageGenError | None = None) -> list[str]:
            before = len(engine.started)
            request = asyncio.create_task(queue.run([replace(job, width=size) for job in several(4)]))
            await settle()
            if failure is not None and engine.current is not None:
                engine.current.set_exception(failure)
                await settle()
            while not request.done():
                engine.done()
                await settle()
            return engine.started[before:]

        alone, pairs = ["a-0", "a-1", "a-2", "a-3"], ["a-0+a-1", "a-2+a-3"]
        assert await make(64, error) == ["a-0+a-1+a-2+a-3", *alone]
        assert await make(64) == pairs
        assert await make(128) == alone
        assert await make(32) == ["a-0+a-1+a-2+a-3"]
        # Of another engine nothing is known.
        assert queue._batches.next_jobs(several(4), 0, other) == several(4)  # type: ignore[arg-type] # a fake worker

    asyncio.run(asyncio.wait_for(scenario(), 30))


@pytest.mark.parametrize("kind", [EngineError, PictureInvalidError, ContentPolicyError, GpuFaultError])
def test_a_batch_that_fails_for_another_reason_than_memory_leaves_later_batches_as_they_are(
    kind: type[ImageGenError],
) -> None:
    batches, engine = Batches(), batching()
    batches.failed(several(4), engine, kind("x"))  # type: ignore[arg-type] # a fake worker
    assert len(batches.next_jobs(several(4), 0, engine)) == 4  # type: ignore[arg-type] # a fake worker


def test_an_engine_that_was_ended_for_a_client_that_left_is_not_blamed_for_its_batch() -> None:
    async def scenario() -> None:
        engine = batching()
        queue = queue_of(engine, unresponsive_after=0.01)
        request = asyncio.create_task(queue.run(several(4)))
        await settle()
        request.cancel()
        await asyncio.sleep(0.2)
        assert engine.kills == 1
        assert len(queue._batches.next_jobs(several(4), 0, engine)) == 4  # type: ignore[arg-type] # a fake worker

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_a_batch_has_as_many_times_longer_to_react_as_it_has_pictures() -> None:
    async def scenario() -> None:
        engine = batching()
        queue = queue_of(engine, unresponsive_after=0.1)
        request = asyncio.create_task(queue.run(several(4)))
        await settle()
        request.cancel()
        await asyncio.sleep(0.25)
        assert engine.kills == 0
        await asyncio.sleep(0.35)
        assert engine.kills == 1

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_a_request_whose_turn_comes_as_the_service_ends_has_no_batch() -> None:
    async def scenario() -> None:
        engine = batching()
        queue = queue_of(engine)
        request = asyncio.create_task(queue.run(several(4)))
        await asyncio.sleep(0)  # it has its turn, and has sent nothing yet
        assert queue.is_busy and engine.started == []
        queue.close()
        await settle()
        assert engine.started == ["a-0"]
        engine.done()
        with pytest.raises(StoppingError):
            await request

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_a_batch_of_a_client_that_left_is_cancelled_by_its_first_picture() -> None:
    async def scenario() -> None:
        engine = SlowEngine()
        engine.most_at_once = 4
        queue = queue_of(engine)
        request = asyncio.create_task(queue.run(several(3)))
        await settle()
        request.cancel()
        await settle()
        assert engine.cancelled == ["a-0"]
        engine.done()
        await settle()
        assert not queue.is_busy

    asyncio.run(scenario())
