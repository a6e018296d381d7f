"""What workers do while the job store fails, and what they read of it, with a store and a queue in memory."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from image_gen.errors import ImageGenError, S3DeniedError
from image_gen.fleet import job_taker
from image_gen.fleet.attempts import Attempt, AttemptRecords
from image_gen.fleet.delivery import MOST_RECEIVES, Delivery, retry_seconds
from image_gen.fleet.fleet_job import FleetResult, job_name, message_of, new_job_id, result_name
from image_gen.fleet.job_queue import Message
from image_gen.fleet.job_store import JobStore
from image_gen.fleet.settings import FleetSettings
from image_gen.fleet.worker_record import WorkerRecord, read_workers
from image_gen.model_cache.core.s3_uri import S3Uri

SETTINGS = FleetSettings("http://queue/1/jobs", S3Uri("b"))


class Store:
    """`written` has the times of objects that are not new."""

    def __init__(self, error: ImageGenError | None = None) -> None:
        self.error = error
        self.objects: dict[str, bytes] = {}
        self.written: dict[str, float] = {}
        self.read_names: list[str] = []
        self.reading = self.most_reading = 0
        self.refused_creates = 0

    async def exists(self, name: str) -> bool:
        return name in self.objects

    async def create(self, name: str, data: bytes) -> bool:
        if self.refused_creates > 0:
            self.refused_creates -= 1
            return False
        return self.objects.setdefault(name, data) is data

    async def read(self, name: str) -> bytes | None:
        self.read_names.append(name)
        if self.error:
            raise self.error
        self.reading += 1
        self.most_reading = max(self.reading, self.most_reading)
        await asyncio.sleep(0.01)
        self.reading -= 1
        return self.objects.get(name)

    async def write(self, name: str, data: bytes) -> None:
        self.objects[name] = data

    async def times(self, folder: str) -> dict[str, float]:
        return {name: self.written.get(name, time.time()) for name in self.objects if name.startswith(folder)}

    async def names(self, folder: str) -> list[str]:
        return list(await self.times(folder))


class Queue:
    """Always has a message, unless it fails."""

    place = "the queue"

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.received = 0
        self.hidden: list[int | None] = []

    async def receive(self) -> Message:
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        self.received += 1
        return message(self.received)

    async def hide(self, _message: Message, seconds: int | None = None) -> None:
        self.hidden.append(seconds)


def message(receives: int) -> Message:
    return Message(message_of(new_job_id()), "receipt", receives, "default")


def make_taker(monkeypatch: pytest.MonkeyPatch, store: Store, queue: Queue) -> job_taker.JobTaker:
    """Of a service with one engine, which is free."""
    monkeypatch.setattr(job_taker, "JobStore", lambda *_: store)
    monkeypatch.setattr(job_taker, "JobQueue", lambda *_: queue)
    monkeypatch.setattr(job_taker, "JobMaker", lambda *_: None)
    service = SimpleNamespace(
        settings=SimpleNamespace(webhook_secret=None), generations=None, queue=SimpleNamespace(engines_ready=1),
        metrics=SimpleNamespace(delivered=lambda _: None), readiness=SimpleNamespace(is_ready=True),
        engines=SimpleNamespace(pipeline_info=object(), all=[SimpleNamespace(given_up=False)]),
    )  # fmt: skip
    return job_taker.JobTaker(SETTINGS, cast(Any, None), cast(Any, service))


def make_delivery(store: Store, queue: Queue, receives: int) -> Delivery:
    return Delivery(
        message(receives), cast(Any, queue), cast(Any, store), cast(Any, None), cast(Any, None), worker_id="w",
        pipeline=cast(Any, None), on_made=lambda: None, engines_given_up=lambda: False, webhooks=cast(Any, None),
    )  # fmt: skip


def test_a_store_that_fails_for_hours_does_not_use_up_a_jobs_deliveries() -> None:
    pauses = [retry_seconds(receives) for receives in range(1, MOST_RECEIVES + 1)]
    assert pauses[:3] == [10, 20, 40]
    assert max(pauses) == 900
    assert sum(pauses) > 10 * 3600


@pytest.mark.parametrize(("receives", "seconds"), [(1, 10), (4, 80), (49, 900)])
def test_a_job_whose_object_can_not_be_read_is_given_back_for_longer_each_time(receives: int, seconds: int) -> None:
    async def check() -> None:
        queue = Queue()
        delivery = make_delivery(Store(S3DeniedError("no")), queue, receives)
        assert (await delivery.run(), delivery.has_failed, queue.hidden) == ("returned", True, [seconds])

    asyncio.run(check())


@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_result_that_s3_refuses_to_each_writer_is_written_again(is_deleted: bool) -> None:
    """409, where several are written at a time; not that of a job that was deleted meanwhile."""

    async def check() -> None:
        store = Store()
        result = FleetResult(new_job_id(), "succeeded", 1.0)
        if not is_deleted:
            store.objects[job_name(result.id)] = b"{}"
        store.refused_creates = 1
        assert await make_delivery(store, Queue(), 1)._is_first(result) is not is_deleted
        assert (result_name(result.id) in store.objects) is not is_deleted

    asyncio.run(check())


def test_a_worker_that_can_not_reach_the_store_does_not_take_job_after_job(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check() -> None:
        queue = Queue()
        taker = make_taker(monkeypatch, Store(S3DeniedError("no")), queue)
        taking = asyncio.create_task(taker._take())
        await asyncio.sleep(0.3)
        assert (queue.received, queue.hidden) == (1, [10])
        taking.cancel()

    asyncio.run(check())


def test_a_request_for_a_job_that_ended_with_any_error_is_not_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the worker would never be drained."""

    async def check() -> None:
        taker = make_taker(monkeypatch, Store(), Queue(ValueError("no endpoint")))
        with pytest.raises(ValueError, match="no endpoint"):
            await taker._take()
        assert (taker._receiving, taker._making) == (set(), 0)

    asyncio.run(check())


def test_the_last_reason_is_that_of_the_latest_attempt() -> None:
    async def check() -> None:
        attempts = AttemptRecords(cast(JobStore, Store()), "w")
        job_id = new_job_id()
        for name, started in (("c", 1.0), ("a", 3.0), ("b", 2.0)):
            await attempts.failed(Attempt(job_id, name, started), f"reason {started:.0f}")
        assert await attempts.reasons(job_id) == ["reason 1", "reason 2", "reason 3"]

    asyncio.run(check())


def test_records_of_workers_that_were_killed_are_not_read_and_others_side_by_side() -> None:
    async def check() -> None:
        store = Store()
        for number in range(40):
            record = WorkerRecord(f"w{number}", time.time(), "ready", "m")
            store.objects[record.name] = record.to_json()
        for number in range(500):
            dead = WorkerRecord(f"dead{number}", time.time() - 3600, "ready", "m")
            store.objects[dead.name] = dead.to_json()
            store.written[dead.name] = time.time() - 3600
        gone = WorkerRecord("gone", time.time() - 90, "ready", "m")
        store.objects[gone.name] = gone.to_json()
        assert {each.id for each in await read_workers(cast(JobStore, store))} == {f"w{number}" for number in range(40)}
        assert len(store.read_names) == 41
        assert 1 < store.most_reading <= 16

    asyncio.run(check())
