"""What a gateway says of the group that it asks for a host."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from image_gen.fleet.gateway.scale_from_zero import ScaleFromZero


class AutoScaling:
    """A group whose processes and count a test sets."""

    def __init__(self) -> None:
        self.group: dict[str, Any] = {"DesiredCapacity": 0, "MaxSize": 4, "SuspendedProcesses": []}
        self.error = ""

    def describe_auto_scaling_groups(self, **_: object) -> dict[str, Any]:
        if self.error:
            raise RuntimeError(self.error)
        return {"AutoScalingGroups": [self.group]}

    def set_desired_capacity(self, **about: Any) -> None:
        self.group["DesiredCapacity"] = about["DesiredCapacity"]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[AutoScaling]:
    made = AutoScaling()
    monkeypatch.setattr(boto3.session.Session, "client", lambda *_, **__: made)
    yield made


def test_each_state_of_the_group_is_one_line_however_long_it_lasts(
    aws: AutoScaling, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "image_gen")

    async def wake(times: int) -> list[str]:
        caplog.clear()
        for _ in range(times):
            await scaling._wake()
        return [record.getMessage().removeprefix("The Auto Scaling group fleet ") for record in caplog.records]

    async def check() -> None:
        aws.group["SuspendedProcesses"] = [{"ProcessName": "Launch"}]
        assert await wake(5) == ["is stopped: it starts no host, and jobs wait."]
        aws.error = "AccessDenied"
        assert await wake(5) == ["can't be set to 1: AccessDenied"]
        aws.error, aws.group["SuspendedProcesses"] = "", []
        assert await wake(5) == ["is set from 0 to 1, as a job waits and no worker lives."]
        aws.group["DesiredCapacity"] = 0
        assert await wake(1) == ["is set from 0 to 1, as a job waits and no worker lives."]
        assert scaling.starts == 2

    scaling = ScaleFromZero("fleet", "us-east-1")
    asyncio.run(check())
