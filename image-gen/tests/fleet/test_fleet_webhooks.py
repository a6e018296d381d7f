"""Who sends a pending webhook, and when, with a store in memory whose objects have the age of a test's choice."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest

from image_gen.errors import S3UnreachableError
from image_gen.fleet import fleet_webhooks
from image_gen.fleet.fleet_job import FleetJob, FleetResult, PendingWebhook, new_job_id, result_name, webhook_name
from image_gen.fleet.fleet_webhooks import FleetWebhooks
from image_gen.fleet.job_store import JobStore
from image_gen.serving.jobs import webhook_request
from image_gen.serving.jobs.webhook_address import WebhookUrl
from image_gen.settings import Settings

URL = "https://example.com/hook"
SECRET = b"a key of at least 24 bytes"


class Store:
    """`JobStore`'s methods. `written` has the times of objects that are not new; `refused` names those that fail."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.written: dict[str, float] = {}
        self.refused = ""

    async def exists(self, name: str) -> bool:
        return name in self.objects

    async def read(self, name: str) -> bytes | None:
        await asyncio.sleep(0)
        return self.objects.get(name)

    async def create(self, name: str, data: bytes) -> bool:
        await asyncio.sleep(0)
        if name == self.refused:
            raise S3UnreachableError("no store")
        if name in self.objects:
            return False
        self.objects[name] = data
        return True

    async def delete(self, names: list[str]) -> None:
        for name in names:
            self.objects.pop(name, None)

    async def times(self, folder: str) -> dict[str, float]:
        return {name: self.written.get(name, time.time()) for name in self.objects if name.startswith(folder)}

    async def names(self, folder: str) -> list[str]:
        return list(await self.times(folder))


class Process:
    """A worker or a gateway. `outcomes` are those of its attempts, the last of them for ever."""

    def __init__(self, store: Store, *outcomes: str | None) -> None:
        self.outcomes, self.sent = list(outcomes or [None]), 0
        settings = Settings(webhook_secret=SECRET)
        self.webhooks = FleetWebhooks(cast("JobStore", store), settings)
        assert self.webhooks._sender is not None
        self.webhooks._sender.attempt = self._attempt  # type: ignore[method-assign] # the test answers in place of an address

    async def _attempt(self, url: WebhookUrl, job_id: str, body: bytes) -> str | None:
        assert url.host == "example.com" and job_id in body.decode()
        self.sent += 1
        return self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]

    async def take_over(self) -> None:
        await self.webhooks._take_over()
        await self.end()

    async def end(self) -> None:
        await asyncio.gather(*self.webhooks._tasks.values())


def on_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Runs a test that waits."""

    @functools.wraps(test)
    def run(*args: Any, **fields: Any) -> None:
        asyncio.run(test(*args, **fields))

    return run


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_request, "retry_delays", lambda: (0.0,) * 8)


def ended(store: Store, url: str = URL) -> FleetJob:
    job = FleetJob(new_job_id(), "", {"prompt": "x"}, 0.0, webhook_url=url)
    store.objects[result_name(job.id)] = FleetResult(job.id, "succeeded", 1.0).to_json()
    return job


def pending(store: Store, last: int, age: float) -> str:
    """A job's id: of a process that ended during the attempt `last`, which began so many seconds ago."""
    job_id = new_job_id()
    names = [f"webhooks/{job_id}/pending.json", *(f"webhooks/{job_id}/{number}.json" for number in range(1, last + 1))]
    store.objects |= dict.fromkeys(names, PendingWebhook(URL, f'"{job_id}"').to_json())
    store.written |= dict.fromkeys(names, time.time() - age)
    return job_id


def left(store: Store) -> list[str]:
    return [name for name in store.objects if name.startswith("webhooks/")]


@on_loop
async def test_what_is_owed_is_sent_once_however_often_it_is_said() -> None:
    store = Store()
    process, other = Process(store), Process(store)
    job = ended(store)
    for each in (process, process, other):
        await each.webhooks.add(job)
    await process.end()
    await other.webhooks.add(job)
    await other.end()
    assert (process.sent, other.sent, left(store)) == (1, 0, [])


@pytest.mark.parametrize("refused", ["message", "mark"])
@on_loop
async def test_a_store_that_fails_is_an_error_and_the_next_call_sends_it(refused: str) -> None:
    store = Store()
    process, job = Process(store), ended(store)
    store.refused = webhook_name(job.id) if refused == "mark" else f"webhooks/{job.id}/pending.json"
    with pytest.raises(S3UnreachableError):
        await process.webhooks.add(job)
    assert (process.sent, webhook_name(job.id) in store.objects) == (0, False)
    store.refused = ""
    await process.webhooks.add(job)
    await process.end()
    for name in left(store):  # it was kept by the first call, and is taken over
        store.written[name] = 0
    await process.take_over()
    assert (process.sent, left(store)) == (1, [])


@on_loop
async def test_of_many_processes_one_has_each_attempt() -> None:
    store = Store()
    pending(store, 0, age=1000)
    processes = [Process(store, "500") for _ in range(5)]
    await asyncio.gather(*(each.take_over() for each in processes))
    assert sum(each.sent for each in processes) == 9
    assert left(store) == []


@pytest.mark.parametrize(("last", "age", "is_due"), [(0, 40, False), (0, 50, True), (2, 70, False), (2, 80, True)])
@on_loop
async def test_others_take_over_when_the_attempt_and_the_pause_after_it_are_over(
    monkeypatch: pytest.MonkeyPatch, last: int, age: float, is_due: bool
) -> None:
    monkeypatch.setattr(webhook_request, "retry_delays", lambda: (5.0, 30.0, 120.0))
    assert fleet_webhooks.TAKEN_SECONDS == 45
    store = Store()
    pending(store, last, age)
    process = Process(store)
    await process.take_over()
    assert (process.sent, left(store) == []) == ((1, True) if is_due else (0, False))


@on_loop
async def test_a_process_that_ends_during_the_last_attempt_leaves_none_to_make() -> None:
    store = Store()
    pending(store, 9, age=1000)
    process = Process(store)
    await process.take_over()
    assert (process.sent, left(store)) == (0, [])


@on_loop
async def test_an_attempt_after_the_delivery_sends_nothing_and_leaves_nothing() -> None:
    store = Store()
    job_id = pending(store, 3, age=1000)
    del store.objects[f"webhooks/{job_id}/pending.json"]
    process = Process(store)
    await process.take_over()
    assert (process.sent, left(store)) == (0, [])


@on_loop
async def test_a_process_that_stops_leaves_what_it_owes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_request, "retry_delays", lambda: (100.0,) * 8)
    store = Store()
    process, job = Process(store, "500"), ended(store)
    await process.webhooks.add(job)
    await asyncio.sleep(0.05)
    process.webhooks.stop()
    await asyncio.sleep(0)
    assert (process.sent, sorted(left(store))) == (1, [f"webhooks/{job.id}/1.json", f"webhooks/{job.id}/pending.json"])


@pytest.mark.parametrize("url", ["ftp://example.com/", "", "https://user@example.com/"])
@on_loop
async def test_what_is_no_address_is_not_owed(url: str) -> None:
    store = Store()
    process = Process(store)
    await process.webhooks.add(ended(store, url))
    assert left(store) == []
