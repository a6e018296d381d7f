"""What a gateway has of every HTTP service of this package, and how it starts a fleet that has no host."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from fake_s3.fixtures import serve_proxy
from fake_s3.proxy import S3Proxy
from free_port import free_port

from tests.fleet.conftest import BUCKET, Fleet, wait_for
from tests.serving.conftest import SOURCES, Server

from .conftest import StartGateway, ask, new_job, official, post_job, start_worker

GENERATE = ("POST", "/v1/images/generations", {"prompt": "x"})


@pytest.fixture
def door(fleet: Fleet) -> Iterator[S3Proxy]:
    """Before the job store alone; it can misbehave."""
    host, _, port = fleet.endpoint.rpartition("//")[2].partition(":")
    with serve_proxy((host, int(port))) as proxy:
        yield proxy


def closed_port() -> str:
    return f"http://127.0.0.1:{free_port()}"


def test_a_gateway_is_ready_without_a_worker_and_names_its_model(gateway: Server) -> None:
    assert gateway.get("/healthz").json == {"status": "alive"}
    state = gateway.state()
    assert (state["phase"], state["error"]) == ("ready", None)
    assert [state[name] for name in ("workers", "engines", "waiting_jobs", "running_jobs")] == [0] * 4
    [model] = gateway.get("/v1/models").json["data"]
    assert (model["id"], model["ready"]) == (state["model"], False)
    assert gateway.get(f"/v1/models/{model['id']}").json == model
    assert gateway.get("/v1/models/another").json["error"]["code"] == "model_not_found"
    assert gateway.get("/").status == 404


def test_a_gateway_that_expects_workers_is_ready_with_them_and_stays_so(
    fleet: Fleet, start_gateway: StartGateway
) -> None:
    gateway = start_gateway(wait=False, IMAGE_GEN_MIN_WORKERS=1)
    gateway.wait_phase("starting")
    failing = {"load_error": {"code": "NO_GPU", "message": "none", "retryable": False}}
    failed = fleet.start(RECORD_EVERY="0.2", FAKE_WORKER=failing)
    failed.wait_phase("failed")
    error = gateway.wait_phase("failed")["error"]
    assert (error["code"], error["retryable"]) == ("NO_GPU", False)
    assert error["message"].endswith("has failed: none")
    worker = fleet.start(RECORD_EVERY="0.2")
    assert gateway.wait_phase("ready")["workers"] == 1
    worker.signal()
    worker.process.wait(30)
    wait_for(lambda: gateway.state()["workers"] == 0)
    assert gateway.state()["phase"] == "ready"


def test_models_are_those_of_the_workers_also_after_the_last_one(fleet: Fleet, gateway: Server) -> None:
    worker = start_worker(fleet, gateway)
    [served] = worker.get("/v1/models").json["data"]
    assert gateway.get("/v1/models").json["data"] == [served]
    schema = gateway.get("/openapi.json").json["paths"]["/v1/images/generations"]["post"]["requestBody"]
    own = schema["content"]["application/json"]["schema"]["properties"]
    assert own["scheduler"]["anyOf"][0]["enum"] == served["schedulers"]
    worker.signal()
    worker.process.wait(30)
    wait_for(lambda: gateway.state()["workers"] == 0)
    assert gateway.get("/v1/models").json["data"] == [{**served, "ready": False}]


def test_metrics_count_requests_jobs_and_workers(fleet: Fleet, gateway: Server) -> None:
    for _ in range(2):
        new_job(gateway)
    ask(gateway, *GENERATE)
    wait_for(lambda: gateway.metric("image_gen_queue_depth") == 2)
    assert gateway.metric("image_gen_ready") == 1
    assert gateway.metric('image_gen_fleet_jobs_total{result="accepted"}') == 2
    assert gateway.metric('image_gen_http_requests_total{method="POST",route="/v1/jobs",status="202"}') == 2
    start_worker(fleet, gateway)
    wait_for(lambda: gateway.metric("image_gen_queue_depth") == 0)
    assert gateway.metric('image_gen_fleet_workers{phase="ready"}') == 1
    assert ask(gateway, *GENERATE).status == 200
    assert gateway.metric('image_gen_images_total{outcome="ok"}') == 1


def test_keys_limits_hosts_and_origins_are_those_of_one_host(start_gateway: StartGateway) -> None:
    gateway = start_gateway(
        IMAGE_GEN_API_KEY={"one": {"key": "a-key", "requests_per_minute": 2}}, IMAGE_GEN_ALLOWED_HOSTS="images.example",
        IMAGE_GEN_CORS_ORIGINS="https://app.example",
    )  # fmt: skip
    assert gateway.get("/v1/models").json["error"]["code"] == "invalid_api_key"
    assert gateway.get("/metrics").status == 401
    key = {"Authorization": "Bearer a-key"}
    assert ask(gateway, "GET", "/v1/queue", **key).status == 200
    assert ask(gateway, "GET", "/v1/queue", Host="evil.example", **key).status == 421
    allowed = ask(gateway, "GET", "/v1/queue", Origin="https://app.example", **key)
    assert allowed.headers["access-control-allow-origin"] == "https://app.example"
    answers = [post_job(gateway, **key, **{"X-Request-ID": "mine"}) for _ in range(3)]
    assert [each.status for each in answers] == [202, 202, 429]
    assert (answers[2].json["error"]["code"], answers[2].headers["x-request-id"]) == ("rate_limit_exceeded", "mine")
    gateway.wait_log("Request mine: 429 rate_limit_exceeded at POST")


def test_no_log_has_a_prompt(fleet: Fleet, gateway: Server) -> None:
    start_worker(fleet, gateway)
    assert ask(gateway, "POST", "/v1/images/generations", {"prompt": "a-very-secret-prompt"}).status == 200
    new_job(gateway, prompt="a-very-secret-prompt")
    assert "a-very-secret-prompt" not in gateway.log


@pytest.mark.parametrize(
    ("env", "text"),
    [
        ({"IMAGE_GEN_QUEUE_URL": ""}, "IMAGE_GEN_QUEUE_URL: expected the URL of an SQS queue, got nothing"),
        ({"IMAGE_GEN_JOB_STORE": "bucket"}, "IMAGE_GEN_JOB_STORE: expected s3://bucket"),
        ({"IMAGE_GEN_MAX_SIZE": "x"}, "IMAGE_GEN_MAX_SIZE: expected a whole number"),
    ],
)
def test_wrong_settings_end_it_with_one_line(start_gateway: StartGateway, env: dict[str, str], text: str) -> None:
    gateway = start_gateway(wait=False, **env)
    assert gateway.process.wait(60) == 2
    assert text in gateway.log
    assert len(gateway.log.splitlines()) == 1


def test_the_command_is_a_gateway_that_imports_nothing_slow_before_it_listens() -> None:
    code = (
        "import sys; from image_gen.cli.main import main; status = main(['gateway'], {}); "
        "heavy = {'torch', 'diffusers', 'starlette', 'pydantic', 'boto3', 'obstore', 'prometheus_client'}; "
        "sys.stdout.write(f'{status} {sorted(heavy & set(sys.modules))}')"
    )
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCES), "PORT": "0"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert "IMAGE_GEN_QUEUE_URL: expected the URL of an SQS queue, got nothing" in done.stdout
    assert done.stdout.endswith("2 []")


def test_a_queue_that_fails_accepts_nothing_and_says_when_to_try_again(
    fleet: Fleet, start_gateway: StartGateway
) -> None:
    gateway = start_gateway(wait=False, AWS_ENDPOINT_URL_SQS=closed_port())
    state = gateway.wait_phase("failed")
    assert state["error"]["code"] == "QUEUE_UNAVAILABLE"
    for answer in (post_job(gateway, **{"Idempotency-Key": "order-1"}), ask(gateway, *GENERATE)):
        assert (answer.status, answer.headers["retry-after"]) == (503, "15")
        error = answer.json["error"]
        assert (error["code"], error["type"]) == ("jobs_unavailable", "service_unavailable_error")
        assert "Nothing was accepted." in error["message"] and BUCKET not in error["message"]
    assert fleet.names() == []
    assert ask(gateway, "GET", "/v1/queue").status == 200  # an estimate: what was known last


def test_a_store_that_fails_accepts_nothing_and_the_gateway_recovers(
    fleet: Fleet, start_gateway: StartGateway, door: S3Proxy
) -> None:
    gateway = start_gateway(AWS_ENDPOINT_URL_S3=door.url)
    job_id = new_job(gateway)
    door.refusal = (503, "SlowDown")
    for answer in (
        post_job(gateway), ask(gateway, *GENERATE), ask(gateway, "GET", f"/v1/jobs/{job_id}"),
        ask(gateway, "POST", f"/v1/jobs/{job_id}/cancel"), ask(gateway, "DELETE", f"/v1/jobs/{job_id}"),
    ):  # fmt: skip
        assert (answer.status, answer.headers["retry-after"]) == (503, "15"), answer.body
        assert answer.json["error"]["code"] == "jobs_unavailable"
    assert fleet.left()[0] == 1
    gateway.wait_phase("failed")
    assert gateway.metric("image_gen_fleet_unavailable_total") == 5
    door.refusal = None
    gateway.wait_phase("ready")
    assert ask(gateway, "GET", f"/v1/jobs/{job_id}").json["status"] == "queued"
    assert post_job(gateway).status == 202
    assert "Traceback" not in gateway.log


def test_a_fault_of_the_store_while_a_request_waits_does_not_end_it(
    fleet: Fleet, start_gateway: StartGateway, door: S3Proxy
) -> None:
    gateway = start_gateway(AWS_ENDPOINT_URL_S3=door.url)
    worker = start_worker(fleet, gateway, FAKE_WORKER={"step_seconds": 0.1})
    with contextlib.closing(official(gateway)) as client:
        import threading

        def fail() -> None:
            worker.wait_log("engine: painting job_")
            door.times, door.refusal = 12, (503, "SlowDown")

        thread = threading.Thread(target=fail)
        thread.start()
        assert client.images.generate(prompt="x", extra_body={"steps": 40}).data
        thread.join()
    assert door.times is not None and door.times <= 0


def autoscaling(fleet: Fleet, desired: int, most: int) -> Any:
    """A group `fleet` in the emulator."""
    keys: dict[str, Any] = {
        "aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "not-a-secret", "region_name": "us-east-1",
        "endpoint_url": fleet.endpoint,
    }  # fmt: skip
    scaling, ec2 = boto3.client("autoscaling", **keys), boto3.client("ec2", **keys)
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    scaling.create_launch_configuration(LaunchConfigurationName="host", ImageId=image, InstanceType="t3.micro")
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="fleet", LaunchConfigurationName="host", MinSize=0, MaxSize=most, DesiredCapacity=desired,
        AvailabilityZones=["us-east-1a"],
    )  # fmt: skip
    return scaling


def desired_of(scaling: Any) -> int:
    return int(scaling.describe_auto_scaling_groups()["AutoScalingGroups"][0]["DesiredCapacity"])


@pytest.mark.parametrize("request_", [("POST", "/v1/jobs", {"prompt": "x"}), GENERATE], ids=["job", "request"])
def test_a_job_without_a_worker_sets_the_group_from_0_to_1(
    fleet: Fleet, start_gateway: StartGateway, request_: tuple[str, str, object]
) -> None:
    scaling = autoscaling(fleet, 0, 3)
    gateway = start_gateway(IMAGE_GEN_AUTO_SCALING_GROUP="fleet")
    assert desired_of(scaling) == 0
    answer = ask(gateway, *request_)
    wait_for(lambda: desired_of(scaling) == 1)
    wait_for(lambda: gateway.metric("image_gen_fleet_starts_total") == 1)
    assert answer.status == 202 or "one is being started" in answer.json["error"]["message"]
    gateway.wait_log("The Auto Scaling group fleet is set from 0 to 1")


def test_a_group_that_runs_or_is_stopped_or_missing_is_left_alone(fleet: Fleet, start_gateway: StartGateway) -> None:
    scaling = autoscaling(fleet, 2, 3)
    running = start_gateway(IMAGE_GEN_AUTO_SCALING_GROUP="fleet")
    missing = start_gateway(IMAGE_GEN_AUTO_SCALING_GROUP="another")
    assert [post_job(each).status for each in (running, missing)] == [202, 202]
    missing.wait_log("The Auto Scaling group another does not exist. Fix: set IMAGE_GEN_AUTO_SCALING_GROUP")
    assert desired_of(scaling) == 2
    scaling.update_auto_scaling_group(AutoScalingGroupName="fleet", MinSize=0, MaxSize=0, DesiredCapacity=0)
    # `imagegen stop` suspends what starts hosts; by hand, a maximum of 0 does the same.
    gateways = [running, missing]
    for change in ({"MaxSize": 0}, {"MaxSize": 3}):
        scaling.update_auto_scaling_group(AutoScalingGroupName="fleet", MinSize=0, DesiredCapacity=0, **change)
        if change["MaxSize"]:
            scaling.suspend_processes(AutoScalingGroupName="fleet", ScalingProcesses=["Launch", "AlarmNotification"])
        gateways.append(start_gateway(IMAGE_GEN_AUTO_SCALING_GROUP="fleet"))
        gateways[-1].wait_log("The Auto Scaling group fleet is stopped: it starts no host, and jobs wait")
        assert desired_of(scaling) == 0
    for each in gateways:
        assert urllib.request.urlopen(f"http://127.0.0.1:{each.port}/readyz").status == 200
