"""What is cancelled ends, also where what it waits for is done just then: else a stop would wait for ever."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any, cast

import pytest

from image_gen import demo_hub
from image_gen.demo_hub import DemoHubProcess
from image_gen.errors import NoGpuError
from image_gen.fleet.scale_in_protection import ScaleInProtection
from image_gen.fleet.settings import FleetSettings
from image_gen.model_cache import CacheSettings
from image_gen.serving.readiness import Readiness
from image_gen.serving.retry_after_failure import RetryAfterFailure
from image_gen.serving.worker_process import WorkerProcess
from image_gen.serving.worker_supervisor import WorkerSupervisor
from image_gen.settings import Settings

Waiting = tuple[Coroutine[Any, Any, object], Callable[[], object]]


def end_of_worker() -> Waiting:
    exited = asyncio.Event()
    process = WorkerProcess(["worker"], {}, lambda *_: None)
    process._process = cast(Any, SimpleNamespace(wait=exited.wait, returncode=0, kill=exited.set))
    return process.stop(60.0), exited.set


def pause_of_supervisor() -> Waiting:
    supervisor = WorkerSupervisor(Readiness("model", None, "1"), {}, "cpu")
    return supervisor._pause_after(NoGpuError("No GPU.", retryable=False)), supervisor.retry


def retry_of_loader() -> Waiting:
    retry = RetryAfterFailure(Settings.from_env({}))
    return retry.wait(NoGpuError("No GPU.", retryable=False), CacheSettings.from_env({}), 1, 60.0), retry.now


def protection_of_host() -> Waiting:
    settings = FleetSettings("", cast(Any, None), auto_scaling_group="group", instance_id="i-1")
    protection = ScaleInProtection(settings, lambda: False, lambda: True)
    protection._protected = False
    return protection.run(), protection.job_taken


@pytest.mark.parametrize("turns", range(6))
@pytest.mark.parametrize("make", [end_of_worker, pause_of_supervisor, retry_of_loader, protection_of_host])
def test_cancellation_at_the_end_of_a_wait_is_not_lost(make: Callable[[], Waiting], turns: int) -> None:
    async def ended() -> bool:
        waiting, finish = make()
        task = asyncio.create_task(waiting)
        await asyncio.sleep(0.01)
        finish()
        for _ in range(turns):
            await asyncio.sleep(0)
        if task.done():
            return True
        task.cancel()
        await asyncio.wait([task], timeout=1.0)
        return task.cancelled()

    assert asyncio.run(ended())


UNRESPONSIVE = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"


def test_hub_of_the_demo_model_that_ignores_sigterm_is_killed_when_the_start_is_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(demo_hub, "_END_SECONDS", 0.2)

    async def scenario() -> int | None:
        hub = DemoHubProcess()
        hub._process = await asyncio.create_subprocess_exec(sys.executable, "-c", UNRESPONSIVE, stdout=PIPE)
        assert hub._process.stdout
        await hub._process.stdout.readline()

        async def used() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                await hub.__aexit__()

        task = asyncio.create_task(used())
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task], timeout=10)
        assert task.cancelled()
        return hub._process.returncode

    assert asyncio.run(scenario()) == -signal.SIGKILL
