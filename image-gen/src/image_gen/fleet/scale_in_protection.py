"""Protects this worker's host from scale-in while the worker has jobs, so that Auto Scaling ends an idle host instead.

Comes in: whether there are jobs. Goes out: a call of Auto Scaling when the protection has to change. Must not: delay a
job, or fail one.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from image_gen.fleet.settings import FleetSettings
from image_gen.threads import in_daemon_thread

log = logging.getLogger(__name__)
# The protection stays for so long after the last job: three of the queue's long polls. A host that is busy with short
# jobs needs one call, not two a job, and one that alternates needs two a minute. Policies give up hosts after five
# minutes or more without enough jobs, so that an idle host is not kept for longer.
IDLE_SECONDS: Final = 60.0
# When the last job has ended, and the fleet is drained, is looked up so often.
_LOOK_SECONDS: Final = 1.0
# After a call that failed, doubled each time: a missing permission or endpoint is one line in ten minutes.
FIRST_PAUSE_SECONDS: Final = 10.0
_LONGEST_PAUSE_SECONDS: Final = 600.0
_CONNECT_SECONDS, _READ_SECONDS = 5, 10
# Of the stop of a worker. A host that is ended needs no protection off, and one that stays has a next worker.
_STOP_SECONDS: Final = 3.0


class ScaleInProtection:
    """Of a host with one container, whose worker has an engine for each GPU: the worker's jobs are all of the host's.
    Does nothing where the settings name no group and instance.
    """

    def __init__(
        self, settings: FleetSettings, has_jobs: Callable[[], bool], is_drained: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._group, self._instance, self._region = settings.auto_scaling_group, settings.instance_id, settings.region
        self._has_jobs, self._is_drained, self._clock = has_jobs, is_drained, clock
        # None: not known. A worker that was killed may have left it on.
        self._protected: bool | None = None
        self._busy = float("-inf")
        self._retry, self._pause = float("-inf"), FIRST_PAUSE_SECONDS
        self._woken = asyncio.Event()
        self._stopping = False
        # Calls reach AWS in the order in which they were begun.
        self._one_call = threading.Lock()

    def job_taken(self) -> None:
        """Begins the protection, unless the host has it."""
        self._busy = self._clock()
        self._woken.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        while self._group and self._instance and not self._stopping:
            await self.look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._woken.wait()
            self._woken.clear()

    async def look(self) -> None:
        """Changes the protection where that is due."""
        now = self._clock()
        has_jobs = self._has_jobs()
        if has_jobs:
            self._busy = now
        wanted = has_jobs or (not self._is_drained() and now - self._busy < IDLE_SECONDS)
        if wanted != self._protected and now >= self._retry:
            await self._change(wanted)

    async def stop(self) -> None:
        """Ends the protection, as the worker gives its jobs back. Where that fails, the next worker of the host does
        it.
        """
        self._stopping = True
        if not self._group or not self._instance or self._protected is False:
            return
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_STOP_SECONDS):
                await self._call(protected=False)

    async def _change(self, wanted: bool) -> None:
        self._protected = None
        try:
            await self._call(protected=wanted)
        except Exception as error:  # boto3's have many bases
            if not self._stopping:
                self._failed(error)
            return
        self._protected, self._pause = wanted, FIRST_PAUSE_SECONDS
        log.info("The host %s is %s scale-in.", self._instance, "protected from" if wanted else "not protected from")

    def _failed(self, error: Exception) -> None:
        text = str(error).partition("\n")[0]
        log.warning(
            "Scale-in protection of the host %s can't be set, which is tried again in %.0f s; jobs continue: %s",
            self._instance, self._pause, text,
        )  # fmt: skip
        self._retry = self._clock() + self._pause
        self._pause = min(self._pause * 2, _LONGEST_PAUSE_SECONDS)

    async def _call(self, *, protected: bool) -> None:
        await in_daemon_thread("autoscaling", lambda: self._called(protected))

    def _called(self, protected: bool) -> None:
        import boto3
        from botocore.config import Config

        with self._one_call:
            # The end of the worker has the last word.
            if protected and self._stopping:
                return
            # A client of its own for each of the few calls: the file of credentials is renewed meanwhile.
            config = Config(
                connect_timeout=_CONNECT_SECONDS,
                read_timeout=_READ_SECONDS,
                retries={"total_max_attempts": 2, "mode": "standard"},
            )
            scaling: Any = boto3.session.Session().client("autoscaling", region_name=self._region, config=config)
            scaling.set_instance_protection(
                AutoScalingGroupName=self._group, InstanceIds=[self._instance], ProtectedFromScaleIn=protected
            )
