"""When a worker's host is protected from scale-in, and what that costs: with an Auto Scaling that only takes notes."""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest

from image_gen.fleet import scale_in_protection
from image_gen.fleet.scale_in_protection import FIRST_PAUSE_SECONDS, IDLE_SECONDS, ScaleInProtection
from image_gen.fleet.settings import FleetSettings
from image_gen.model_cache.core.s3_uri import S3Uri

HOST = "i-0123456789abcdef0"


def in_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @functools.wraps(test)
    def run(*args: object, **fixtures: object) -> None:
        asyncio.run(test(*args, **fixtures))

    return run


@dataclass
class AutoScaling:
    """What it was asked; `before` runs amid each call."""

    calls: list[bool] = field(default_factory=list)
    before: Callable[[bool], None] = lambda _: None

    def set_instance_protection(self, **about: Any) -> None:
        assert (about["AutoScalingGroupName"], about["InstanceIds"]) == ("fleet", [HOST])
        self.before(about["ProtectedFromScaleIn"])
        self.calls.append(about["ProtectedFromScaleIn"])


class Host:
    """A worker's jobs, and the time."""

    def __init__(self, group: str = "fleet", instance: str = HOST) -> None:
        self.jobs, self.is_drained, self.now = 0, False, 1000.0
        settings = FleetSettings("http://queue/1/jobs", S3Uri("b"), auto_scaling_group=group, instance_id=instance)
        self.protection = ScaleInProtection(
            settings, lambda: self.jobs > 0, lambda: self.is_drained, clock=lambda: self.now
        )

    async def take(self, jobs: int = 1) -> None:
        self.jobs += jobs
        self.protection.job_taken()
        await self.protection.look()

    async def after(self, seconds: float, jobs: int | None = None) -> None:
        """A look each second."""
        self.jobs = self.jobs if jobs is None else jobs
        for _ in range(int(seconds)):
            self.now += 1
            await self.protection.look()


@pytest.fixture
def scaling(monkeypatch: pytest.MonkeyPatch) -> AutoScaling:
    made = AutoScaling()

    def client(*_: object, **__: object) -> AutoScaling:
        return made

    monkeypatch.setattr(boto3.session.Session, "client", client)
    return made


@in_a_loop
async def test_a_burst_of_a_thousand_jobs_costs_two_calls(scaling: AutoScaling) -> None:
    host = Host()
    await host.protection.look()
    # What a killed worker may have left.
    assert scaling.calls == [False]
    for _ in range(1000):
        await host.take()
        await host.after(10)
        await host.after(2, jobs=0)
    assert scaling.calls == [False, True]
    await host.after(IDLE_SECONDS - 3)
    assert scaling.calls == [False, True]
    await host.after(2)
    assert scaling.calls == [False, True, False]
    await host.after(600)
    assert scaling.calls == [False, True, False]


@in_a_loop
async def test_a_host_is_unprotected_only_when_none_of_its_engines_has_a_job(scaling: AutoScaling) -> None:
    host = Host()
    await host.take(2)
    await host.after(500, jobs=1)
    assert scaling.calls == [True]
    await host.after(IDLE_SECONDS + 1, jobs=0)
    assert scaling.calls == [True, False]


@in_a_loop
async def test_a_drained_host_is_unprotected_as_soon_as_its_last_job_has_ended(scaling: AutoScaling) -> None:
    host = Host()
    await host.take()
    host.is_drained = True
    await host.after(30)
    assert scaling.calls == [True]
    await host.after(1, jobs=0)
    assert scaling.calls == [True, False]


@pytest.mark.parametrize(("group", "instance"), [("", HOST), ("fleet", ""), ("", "")])
@in_a_loop
async def test_a_worker_outside_a_group_asks_nothing(scaling: AutoScaling, group: str, instance: str) -> None:
    host = Host(group, instance)
    host.jobs = 1
    host.protection.job_taken()
    await asyncio.wait_for(host.protection.run(), 30)
    await host.protection.stop()
    assert scaling.calls == []


@in_a_loop
async def test_a_call_that_fails_is_made_again_less_and_less_often(
    scaling: AutoScaling, caplog: pytest.LogCaptureFixture
) -> None:
    host = Host()
    times: list[float] = []

    def refuse(_: bool) -> None:
        times.append(host.now)
        raise RuntimeError("AccessDenied: not authorized\nand more")

    scaling.before = refuse
    await host.take()
    for _ in range(3000):
        await host.after(1)
    pauses = [after - before for before, after in itertools.pairwise(times)]
    assert pauses[:3] == [FIRST_PAUSE_SECONDS, 2 * FIRST_PAUSE_SECONDS, 4 * FIRST_PAUSE_SECONDS]
    assert pauses[-1] == 600
    warnings = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert len(warnings) == len(times) < 12
    assert warnings[0] == (
        f"Scale-in protection of the host {HOST} can't be set, which is tried again in 10 s; "
        "jobs continue: AccessDenied: not authorized"
    )
    # Once it works again, the first pause is the shortest one.
    scaling.before = lambda _: None
    await host.after(600)
    assert scaling.calls == [True]
    scaling.before = refuse
    await host.after(IDLE_SECONDS + 1, jobs=0)
    failed = host.now
    scaling.before = lambda _: None
    await host.after(FIRST_PAUSE_SECONDS)
    assert scaling.calls == [True, False]
    assert failed - times[-1] <= 1


@in_a_loop
async def test_an_answer_that_does_not_come_delays_neither_jobs_nor_the_stop(scaling: AutoScaling) -> None:
    host, released = Host(), threading.Event()

    def wait(_: bool) -> None:
        released.wait(30)

    scaling.before = wait
    running = asyncio.create_task(host.protection.run())
    try:
        begun = time.monotonic()
        for _ in range(100):
            host.jobs += 1
            host.protection.job_taken()
            await asyncio.sleep(0)
        assert time.monotonic() - begun < 10
        await host.protection.stop()
        assert scale_in_protection._STOP_SECONDS <= time.monotonic() - begun < 20
    finally:
        released.set()
        running.cancel()
        for thread in threading.enumerate():
            if thread.name == "autoscaling":
                thread.join(30)


@in_a_loop
async def test_the_stop_removes_the_protection_and_has_the_last_word(scaling: AutoScaling) -> None:
    host, begun, released = Host(), threading.Event(), threading.Event()

    def slow(protected: bool) -> None:
        if protected:
            begun.set()
            released.wait(30)

    scaling.before = slow
    host.jobs = 1
    running = asyncio.create_task(host.protection.run())
    await asyncio.to_thread(begun.wait, 30)
    stopping = asyncio.create_task(host.protection.stop())
    await asyncio.sleep(0.1)
    released.set()
    await stopping
    await asyncio.wait_for(running, 30)
    assert scaling.calls == [True, False]


@in_a_loop
async def test_the_stop_of_an_unprotected_host_asks_nothing(scaling: AutoScaling) -> None:
    host = Host()
    await host.protection.look()
    await host.protection.stop()
    assert scaling.calls == [False]
