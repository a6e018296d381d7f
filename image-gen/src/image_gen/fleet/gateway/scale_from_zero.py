"""Sets a group's desired count from 0 to 1 when there is a job and no worker lives: the metrics of an idle queue come
minutes late, and a policy by them later still.

Comes in: that a worker is needed. Goes out: one call of Auto Scaling. Must not: make a client wait, or lower a count.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Final

from image_gen.threads import in_daemon_thread

log = logging.getLogger(__name__)
# A host needs minutes; what was asked for is there at once.
_EVERY_SECONDS: Final = 30.0
_CONNECT_SECONDS, _READ_SECONDS = 5, 10


class ScaleFromZero:
    """`group` is the name of an Auto Scaling group; empty: nobody is asked."""

    def __init__(self, group: str, region: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.group = group
        self._region, self._clock = region, clock
        self._asked = float("-inf")
        self._tasks: set[asyncio.Task[None]] = set()
        # How often the count was raised.
        self.starts = 0
        # A fleet that is stopped for weeks while a job waits is a line of the log, not two a minute.
        self._said = ""

    def wake(self) -> None:
        """Begins to ask for a worker, at most twice a minute."""
        if not self.group or self._clock() - self._asked < _EVERY_SECONDS:
            return
        self._asked = self._clock()
        task = asyncio.create_task(self._wake())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _wake(self) -> None:
        try:
            outcome = await in_daemon_thread("autoscaling", self._raise_count)
        except Exception as error:  # boto3's have many bases
            text = str(error).partition("\n")[0]
            self._say(logging.WARNING, f"can't be set to 1: {text}")
        else:
            self._say(logging.INFO, outcome)

    def _say(self, level: int, outcome: str) -> None:
        if outcome and outcome != self._said:
            log.log(level, "The Auto Scaling group %s %s", self.group, outcome)
        self._said = outcome

    def _raise_count(self) -> str:
        """What happened; empty where there was nothing to do."""
        import boto3
        from botocore.config import Config

        config = Config(connect_timeout=_CONNECT_SECONDS, read_timeout=_READ_SECONDS)
        scaling: Any = boto3.session.Session().client("autoscaling", region_name=self._region, config=config)
        groups = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[self.group])["AutoScalingGroups"]
        if not groups:
            return "does not exist. Fix: set IMAGE_GEN_AUTO_SCALING_GROUP to the name of one."
        if groups[0]["DesiredCapacity"] > 0:
            return ""
        suspended = {each.get("ProcessName") for each in groups[0].get("SuspendedProcesses", [])}
        if groups[0]["MaxSize"] == 0 or "Launch" in suspended:
            return "is stopped: it starts no host, and jobs wait."
        scaling.set_desired_capacity(AutoScalingGroupName=self.group, DesiredCapacity=1, HonorCooldown=False)
        self.starts += 1
        return "is set from 0 to 1, as a job waits and no worker lives."
