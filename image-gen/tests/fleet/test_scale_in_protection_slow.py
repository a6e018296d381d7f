"""Workers with an engine that paints without torch, whose host is an instance of a group in the emulator."""

from __future__ import annotations

import signal
import socket
from typing import Any

import boto3
import pytest

from tests.fleet.conftest import Fleet, wait_for
from tests.serving.conftest import Server

SLOW = {"step_seconds": 0.3}
GROUP = "hosts"


class Group:
    """Two hosts, of which the worker is on the first."""

    def __init__(self, fleet: Fleet) -> None:
        keys: dict[str, Any] = {
            "aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "not-a-secret", "region_name": "us-east-1",
            "endpoint_url": fleet.endpoint,
        }  # fmt: skip
        self.scaling, ec2 = boto3.client("autoscaling", **keys), boto3.client("ec2", **keys)
        image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
        self.scaling.create_launch_configuration(LaunchConfigurationName="host", ImageId=image, InstanceType="t3.micro")
        self.scaling.create_auto_scaling_group(
            AutoScalingGroupName=GROUP, LaunchConfigurationName="host", MinSize=0, MaxSize=2, DesiredCapacity=2,
            AvailabilityZones=["us-east-1a"],
        )  # fmt: skip
        self.host, self.other = (str(each["InstanceId"]) for each in self.instances())

    def instances(self) -> list[dict[str, Any]]:
        [group] = self.scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[GROUP])["AutoScalingGroups"]
        return list(group["Instances"])

    @property
    def is_protected(self) -> bool:
        [host] = [each for each in self.instances() if each["InstanceId"] == self.host]
        return bool(host["ProtectedFromScaleIn"])

    def protect(self) -> None:
        """As a worker leaves it that is killed."""
        self.scaling.set_instance_protection(
            AutoScalingGroupName=GROUP, InstanceIds=[self.host], ProtectedFromScaleIn=True
        )

    @property
    def variables(self) -> dict[str, str]:
        return {"IMAGE_GEN_AUTO_SCALING_GROUP": GROUP, "IMAGE_GEN_INSTANCE_ID": self.host}


@pytest.fixture
def group(fleet: Fleet) -> Group:
    return Group(fleet)


def ready(fleet: Fleet, **env: object) -> Server:
    server = fleet.start(**env)
    server.wait_phase("ready")
    return server


def test_a_host_is_protected_while_it_makes_jobs_and_the_group_ends_the_idle_one(fleet: Fleet, group: Group) -> None:
    worker = ready(fleet, FAKE_WORKER=SLOW, PROTECTED_FOR=2, **group.variables)
    worker.wait_log(f"The host {group.host} is not protected from scale-in.")
    job_id = fleet.send(steps=20)
    wait_for(lambda: group.is_protected)
    group.scaling.set_desired_capacity(AutoScalingGroupName=GROUP, DesiredCapacity=1)
    wait_for(lambda: [each["InstanceId"] for each in group.instances()] == [group.host])
    wait_for(lambda: fleet.result(job_id))
    # The line comes after the call.
    wait_for(lambda: not group.is_protected and worker.log.count("scale-in") == 3)


def test_jobs_one_after_another_need_two_calls(fleet: Fleet, group: Group) -> None:
    worker = ready(fleet, PROTECTED_FOR=3, **group.variables)
    jobs = [fleet.send() for _ in range(20)]
    wait_for(lambda: all(fleet.result(each) for each in jobs))
    wait_for(lambda: not group.is_protected and worker.log.count("is not protected from scale-in") == 2)
    assert worker.log.count("is protected from scale-in") == 1


@pytest.mark.parametrize("end", ["sigterm", "drain"])
def test_a_worker_that_stops_or_is_drained_removes_the_protection(fleet: Fleet, group: Group, end: str) -> None:
    worker = ready(fleet, FAKE_WORKER=SLOW, DRAIN_ASKED_EVERY=0.2, **group.variables)
    job_id = fleet.send(steps=15)
    wait_for(lambda: group.is_protected)
    if end == "sigterm":
        worker.signal(signal.SIGTERM)
        assert worker.process.wait(30) == 0
        assert fleet.left() == (1, 0)
        assert not group.is_protected
        return
    fleet.put("drain.json", b"{}")
    worker.wait_log("The fleet is drained")
    assert group.is_protected
    assert wait_for(lambda: fleet.result(job_id)).status == "succeeded"
    # Long before the time that a job keeps it.
    wait_for(lambda: not group.is_protected, 10)


def test_the_next_worker_removes_the_protection_of_a_killed_one(fleet: Fleet, group: Group) -> None:
    first = ready(fleet, FAKE_WORKER=SLOW, **group.variables)
    fleet.send(steps=100)
    wait_for(lambda: group.is_protected)
    first.process.kill()
    first.process.wait(30)
    assert group.is_protected
    fleet.sqs.purge_queue(QueueUrl=fleet.queue_url)
    ready(fleet, **group.variables)
    wait_for(lambda: not group.is_protected)


@pytest.mark.parametrize("broken", ["no such group", "no answer"])
def test_jobs_are_made_and_given_back_as_ever_where_auto_scaling_fails(fleet: Fleet, group: Group, broken: str) -> None:
    about = group.variables
    if broken == "no such group":
        about["IMAGE_GEN_AUTO_SCALING_GROUP"] = "another"
    # As in a network without the endpoint: it accepts connections, and never answers.
    silent = socket.create_server(("127.0.0.1", 0))
    if broken == "no answer":
        about["AWS_ENDPOINT_URL_AUTO_SCALING"] = f"http://127.0.0.1:{silent.getsockname()[1]}"
    worker = ready(fleet, FAKE_WORKER=SLOW, **about)
    plain = [fleet.send(steps=2) for _ in range(3)]
    wait_for(lambda: all(fleet.result(each) for each in plain))
    if broken == "no such group":
        worker.wait_log("can't be set, which is tried again in 10 s; jobs continue")
        assert worker.log.count("can't be set") == 1
    job_id = fleet.send(steps=100)
    worker.wait_log(f"painting {job_id}")
    worker.signal(signal.SIGTERM)
    # Before the call's own time is over.
    wait_for(lambda: fleet.left() == (1, 0), 10)
    assert worker.process.wait(30) == 0
    silent.close()
