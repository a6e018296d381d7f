"""Nothing is half accepted: what is left of a job when a step of its acceptance fails, with a store in memory."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest

from image_gen.errors import JobsUnavailableError, QueueUnavailableError, S3UnreachableError
from image_gen.fleet.fleet_job import FleetJob, folder_of, job_id_in, job_name, new_job_id
from image_gen.fleet.fleet_webhooks import FleetWebhooks
from image_gen.fleet.gateway.availability import Availability
from image_gen.fleet.gateway.fleet_jobs import FleetJobs
from image_gen.fleet.gateway.fleet_models import FleetModels
from image_gen.fleet.gateway.fleet_state import FleetState
from image_gen.fleet.gateway.scale_from_zero import ScaleFromZero
from image_gen.fleet.job_queue import JobQueue
from image_gen.fleet.job_store import JobStore
from image_gen.serving.jobs.job import Job
from image_gen.settings import Settings


class Store:
    """`JobStore`'s methods. `on_write` is called before each write, and may raise."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.on_write: Callable[[str], None] = lambda _: None

    async def read(self, name: str) -> bytes | None:
        await asyncio.sleep(0)  # as a store takes its time
        return self.objects.get(name)

    async def write(self, name: str, data: bytes) -> None:
        await asyncio.sleep(0)
        self.on_write(name)
        self.objects[name] = data

    async def create(self, name: str, data: bytes) -> bool:
        await asyncio.sleep(0)
        self.on_write(name)
        return self.objects.setdefault(name, data) is data

    async def delete(self, names: list[str]) -> None:
        for name in names:
            self.objects.pop(name, None)

    async def times(self, folder: str) -> dict[str, float]:
        return {name: time.time() for name in self.objects if name.startswith(folder)}

    async def names(self, folder: str) -> list[str]:
        return list(await self.times(folder))


class Queue:
    """`JobQueue`'s methods for a gateway. `on_send` is called before each, and may raise or wait."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.on_send: Callable[[], Coroutine[Any, Any, None]] | None = None

    async def send(self, body: str, group: str) -> None:
        if self.on_send is not None:
            await self.on_send()
        self.sent.append(job_id_in(body))

    async def counts(self) -> tuple[int, int]:
        return len(self.sent), 0


class Parts:
    def __init__(self) -> None:
        self.store, self.queue = Store(), Queue()
        store, queue = cast("JobStore", self.store), cast("JobQueue", self.queue)
        state = FleetState(store, queue)
        self.jobs = FleetJobs(
            store,
            queue,
            state,
            FleetModels(Settings(), state),
            scaling=ScaleFromZero("", ""),
            availability=Availability(),
            webhooks=FleetWebhooks(store, Settings()),
        )

    async def failed(self, work: Coroutine[Any, Any, object]) -> None:
        with pytest.raises(JobsUnavailableError, match=r"Nothing was accepted\."):
            await work
        await self.jobs.close()


def job(idempotency_key: str | None = None) -> Job:
    body = json.dumps({"prompt": "x", "seed": 1})
    return Job(new_job_id(), "key", body, time.time(), 0, idempotency_key, "fingerprint")


async def fail() -> None:
    raise QueueUnavailableError("SQS answers 503.")


@pytest.mark.parametrize("idempotency_key", [None, "order-1"])
def test_a_job_whose_message_can_not_be_sent_is_removed(idempotency_key: str | None) -> None:
    async def check() -> None:
        parts = Parts()
        parts.queue.on_send = fail
        await parts.failed(parts.jobs.add(job(idempotency_key)))
        assert (parts.store.objects, parts.queue.sent, parts.jobs.counts["accepted"]) == ({}, [], 0)
        parts.queue.on_send = None
        made, is_new = await parts.jobs.add(job(idempotency_key))
        assert (is_new, parts.queue.sent) == (True, [made.id])

    asyncio.run(check())


@pytest.mark.parametrize("failing", ["image", "job.json", "idempotency/"])
def test_a_job_that_can_not_be_written_is_removed_and_no_message_is_sent(failing: str) -> None:
    async def check() -> None:
        parts = Parts()

        def on_write(name: str) -> None:
            if failing in name:
                raise S3UnreachableError("S3 can't be reached.")

        parts.store.on_write = on_write
        if failing == "image":
            job_id = new_job_id()
            files = {"mask": f"{folder_of(job_id)}mask", "image": f"{folder_of(job_id)}image"}
            edit = FleetJob(job_id, "", {"prompt": "x"}, 0.0, "edit", files)
            await parts.failed(parts.jobs.submit(edit, {"image": b"1", "mask": b"2"}))
        else:
            await parts.failed(parts.jobs.add(job("order-1")))
        assert (parts.store.objects, parts.queue.sent) == ({}, [])

    asyncio.run(check())


def test_a_job_is_there_before_its_message() -> None:
    async def check() -> None:
        parts, seen = Parts(), []

        async def look() -> None:
            seen.extend(parts.store.objects)

        parts.queue.on_send = look
        made, _ = await parts.jobs.add(job("order-1"))
        assert seen[0] == job_name(made.id)
        assert seen[1].startswith("idempotency/")

    asyncio.run(check())


def test_a_request_whose_client_leaves_while_it_is_sent_leaves_nothing() -> None:
    async def check() -> None:
        parts, sending = Parts(), asyncio.Event()

        async def hang() -> None:
            sending.set()
            await asyncio.sleep(60)

        parts.queue.on_send = hang
        task = asyncio.create_task(parts.jobs.add(job("order-1")))
        await sending.wait()
        assert len(parts.store.objects) == 2
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await parts.jobs.close()
        assert parts.store.objects == {}

    asyncio.run(check())


def test_a_job_is_not_kept_after_the_reservation_of_its_key_is_lost_to_another_gateway() -> None:
    async def check() -> None:
        parts, other = Parts(), Parts()
        other.store.objects = parts.store.objects
        jobs = await asyncio.gather(*(each.jobs.add(job("order-1")) for each in (parts, other)))
        assert len({made.id for made, _ in jobs}) == 1
        assert sorted(is_new for _, is_new in jobs) == [False, True]
        kept = [name for name in parts.store.objects if name.endswith("/job.json")]
        assert kept == [job_name(jobs[0][0].id)]

    asyncio.run(check())


def test_a_job_that_another_gateway_has_accepted_meanwhile_stays() -> None:
    """SQS does not answer one gateway; its client gives up, and sends the same request to another one."""

    async def check() -> None:
        parts, other = Parts(), Parts()
        other.store.objects = parts.store.objects
        sending, end = asyncio.Event(), asyncio.Event()

        async def fail_late() -> None:
            sending.set()
            await end.wait()
            await fail()

        parts.queue.on_send = fail_late
        first = asyncio.create_task(parts.jobs.add(job("order-1")))
        await sending.wait()
        made, is_new = await other.jobs.add(job("order-1"))
        assert (is_new, other.queue.sent) == (False, [made.id])
        end.set()
        await parts.failed(first)
        again, is_new = await other.jobs.add(job("order-1"))
        assert (again.id, is_new, other.queue.sent) == (made.id, False, [made.id])
        assert job_name(made.id) in parts.store.objects

    asyncio.run(check())


def test_a_job_that_its_gateway_gives_up_another_one_makes_again() -> None:
    async def check() -> None:
        parts, other = Parts(), Parts()
        other.store.objects = parts.store.objects
        deleting, end = asyncio.Event(), asyncio.Event()
        delete = parts.store.delete

        async def delete_late(names: list[str]) -> None:
            deleting.set()
            await end.wait()
            await delete(names)

        parts.queue.on_send = fail
        parts.store.delete = delete_late  # type: ignore[method-assign] # the test's own store
        with pytest.raises(JobsUnavailableError):
            await parts.jobs.add(job("order-1"))
        await deleting.wait()
        made, is_new = await other.jobs.add(job("order-1"))
        assert (is_new, other.queue.sent) == (True, [made.id])
        end.set()
        await parts.jobs.close()
        assert job_name(made.id) in parts.store.objects

    asyncio.run(check())
