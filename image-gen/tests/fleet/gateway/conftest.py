"""Gateways before a queue, a job store and workers on loopback, and OpenAI's own client for them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import openai
import pytest

from image_gen.fleet.fleet_job import FleetResult, result_name
from tests.fleet.conftest import Fleet, wait_for
from tests.serving.conftest import HttpResult, Server, _end, _start

StartGateway = Callable[..., Server]
# Records and counts are read so often, that no test waits for them.
FAST = "0.2"


@pytest.fixture
def start_gateway(fleet: Fleet) -> Iterator[StartGateway]:
    """Starts gateways; all of them end with the test."""
    gateways: list[Server] = []

    def start(*, wait: bool = True, **env: object) -> Server:
        about = {"GATEWAY": 1, "FAST": FAST, "MODEL_DIR": fleet.model, **fleet.environment, **env}
        gateways.append(_start(fleet.folder, "-", about))
        if wait:
            gateways[-1].wait_phase("ready")
        return gateways[-1]

    yield start
    for gateway in gateways:
        _end(gateway)


@pytest.fixture
def gateway(start_gateway: StartGateway) -> Server:
    """One that is ready; no worker lives."""
    return start_gateway()


def start_worker(fleet: Fleet, gateway: Server, **env: object) -> Server:
    """A worker that is ready, and that the gateway knows."""
    worker = fleet.start(RECORD_EVERY=FAST, **env)
    worker.wait_phase("ready")
    wait_for(lambda: gateway.state()["engines"] > 0)
    return worker


def official(of: Server, **options: Any) -> openai.OpenAI:
    """The client as it comes: its default retries, and no option but the address and the key."""
    return openai.OpenAI(base_url=f"http://127.0.0.1:{of.port}/v1", **{"api_key": "none", **options})


def ask(server: Server, method: str, path: str, body: object = None, **headers: str) -> HttpResult:
    data = None if body is None else json.dumps(body).encode()
    about: Mapping[str, str] = {"Content-Type": "application/json"} if data else {}
    return server._ask(method, path, data, {**about, **headers})


def post_job(server: Server, body: object = None, **headers: str) -> HttpResult:
    return ask(server, "POST", "/v1/jobs", body or {"prompt": "x", "steps": 2}, **headers)


def new_job(server: Server, **fields: object) -> str:
    answer = post_job(server, {"prompt": "x", "steps": 2, **fields})
    assert answer.status == 202, answer.body
    return str(answer.json["id"])


def job_of(server: Server, job_id: str, **headers: str) -> Any:
    answer = ask(server, "GET", f"/v1/jobs/{job_id}", **headers)
    assert answer.status == 200, answer.body
    return answer.json


def wait_status(server: Server, job_id: str, *statuses: str, seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while (job := job_of(server, job_id))["status"] not in statuses:
        assert time.monotonic() < end, (job, server.log)
        time.sleep(0.05)
    return job


def finish(fleet: Fleet, job_id: str, status: str = "failed", **fields: Any) -> bool:
    """What a worker does at the end, without a picture. Whether this is the job's result."""
    result = FleetResult(job_id, status, time.time(), started=time.time(), worker="w", **fields)  # type: ignore[arg-type] # any
    try:
        fleet.s3.put_object(Bucket="fleet", Key=f"images/{result_name(job_id)}", Body=result.to_json(), IfNoneMatch="*")
    except fleet.s3.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "PreconditionFailed"
        return False
    return True


def messages(fleet: Fleet) -> list[tuple[str, str]]:
    """Body and group of all messages that wait, which are hidden from now on."""
    found: list[tuple[str, str]] = []
    while True:
        about = fleet.sqs.receive_message(
            QueueUrl=fleet.queue_url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["MessageGroupId"]
        )
        if not about.get("Messages"):
            return found
        found += [(each["Body"], each["Attributes"]["MessageGroupId"]) for each in about["Messages"]]
