"""Requests that wait for a worker's pictures, by OpenAI's own client, and the ends of the waiting."""

from __future__ import annotations

import base64
import io
import json
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
from openai.types import ImageGenCompletedEvent
from PIL import Image

from tests.fleet.conftest import Fleet, wait_for
from tests.images_api.conftest import unanswered
from tests.images_api.test_edits import encoded, halves, mask_of, post, received
from tests.serving.conftest import Server
from tests.serving.test_queue import in_background

from .conftest import StartGateway, ask, finish, messages, official, post_job, start_worker

LONG = {"prompt": "x", "steps": 150}
SLOW = {"step_seconds": 0.2}


def results(fleet: Fleet) -> dict[str, str]:
    """The status of each result, by job."""
    names = [name for name in fleet.names("jobs/") if name.endswith("result.json")]
    found = [json.loads(fleet.get(name) or b"{}") for name in names]
    return {each["id"]: each["status"] for each in found}


def test_the_official_client_has_pictures_edits_and_variations(fleet: Fleet, gateway: Server) -> None:
    worker = start_worker(fleet, gateway)
    client = official(gateway)
    made = client.images.generate(
        prompt="x",
        n=2,
        size="64x96",
        extra_body={"seed": 3, "steps": 2},  # type: ignore[arg-type] # any size
    )
    assert made.data is not None
    assert [Image.open(io.BytesIO(base64.b64decode(each.b64_json or ""))).size for each in made.data] == [(64, 96)] * 2
    alone = worker.post({"prompt": "x", "n": 2, "size": "64x96", "seed": 3, "steps": 2}).json
    assert [each.b64_json for each in made.data] == [each["b64_json"] for each in alone["data"]]
    # The fake engine gives back the pixels that it gets.
    edited = client.images.edit(
        image=encoded(halves()), prompt="x", mask=encoded(mask_of()), extra_body={"strength": 1}
    )
    assert received(edited).size == (64, 128)
    varied = client.images.create_variation(image=encoded(halves()))
    assert received(varied).getpixel((2, 2)) == (255, 0, 0)
    assert {each.id for each in client.models.list()} == {worker.get("/v1/models").json["data"][0]["id"]}
    wait_for(lambda: fleet.left() == (0, 0))
    wait_for(lambda: fleet.names("jobs/") == [])


def test_a_stream_is_one_event_for_each_picture_as_of_openai_without_previews(fleet: Fleet, gateway: Server) -> None:
    start_worker(fleet, gateway)
    stream = official(gateway).images.generate(prompt="x", n=2, stream=True, partial_images=2, extra_body={"seed": 4})
    events = list(stream)
    assert all(isinstance(event, ImageGenCompletedEvent) for event in events)
    plain = ask(gateway, "POST", "/v1/images/generations", {"prompt": "x", "n": 2, "seed": 4}).json
    assert [event.b64_json for event in events] == [each["b64_json"] for each in plain["data"]]
    assert [event.usage.total_tokens for event in events] == [0, 0]  # type: ignore[union-attr] # completed ones
    notes: Any = events[0].model_extra
    assert notes["notes"]["partial_images"] == "not used: behind a gateway a picture comes when it is done."


def test_an_error_in_a_stream_is_an_event_and_before_it_an_answer(fleet: Fleet, gateway: Server) -> None:
    start_worker(fleet, gateway, FAKE_WORKER={"batches_fail": None})
    body = {"prompt": "raise no luck", "stream": True}
    answer = ask(gateway, "POST", "/v1/images/generations", body)
    assert (answer.status, b"event: error" in answer.body) == (200, True)
    refused = ask(gateway, "POST", "/v1/images/generations", {**body, "size": "1x1"})
    assert (refused.status, refused.json["error"]["param"]) == (400, "size")


def test_errors_are_those_of_one_host(fleet: Fleet, gateway: Server) -> None:
    worker = start_worker(fleet, gateway)
    refused: list[dict[str, object]] = [
        {"prompt": 1}, {"prompt": ""}, {}, {"prompt": "x", "n": 99}, {"prompt": "x", "size": "1x1"},
        {"prompt": "x", "scheduler": "unipc"}, {"prompt": "x", "loras": [{"name": "none"}]},
        {"prompt": "x", "model": "another/model"}, {"prompt": "x", "unknown": 1},
    ]  # fmt: skip
    failed: list[dict[str, object]] = [{"prompt": "raise no luck", "steps": 1}, {"prompt": "withhold it", "steps": 1}]
    for fields in (*refused, *failed):
        own, alone = ask(gateway, "POST", "/v1/images/generations", fields), worker.post(fields)
        assert own.status >= 400
        assert (own.status, own.json) == (alone.status, alone.json)
    # What is refused was refused by the gateway.
    assert gateway.metric('image_gen_fleet_jobs_total{result="accepted"}') == len(failed)


def test_uploads_are_refused_as_by_one_host(fleet: Fleet, gateway: Server) -> None:
    worker = start_worker(fleet, gateway)
    for path, files in (
        ("edits", []), ("edits", [("image", b"no image")]), ("variations", [("mask", encoded(mask_of()))]),
        ("edits", [("image", encoded(halves())), ("mask", encoded(mask_of((128, 64))))]),
    ):  # fmt: skip
        fields = {"prompt": "x"} if path == "edits" else {}
        answers = [post(server, f"/v1/images/{path}", fields, files) for server in (gateway, worker)]
        assert answers[0].status == 400
        assert answers[0].json == answers[1].json
    assert fleet.names("jobs/") == []


def test_many_clients_at_once_have_their_pictures_by_two_gateways_and_two_workers(
    fleet: Fleet, start_gateway: StartGateway
) -> None:
    gateways = [start_gateway(), start_gateway()]
    workers = [start_worker(fleet, gateways[0]) for _ in range(2)]
    wait_for(lambda: gateways[1].state()["engines"] > 0)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda each: unanswered(each, official, 8, 2), gateways)) == [[], []]
    assert sum(each.metric('image_gen_images_total{outcome="ok"}') for each in gateways) == 32
    wait_for(lambda: (fleet.left(), fleet.names("jobs/")) == ((0, 0), []))
    assert all("Traceback" not in each.log for each in (*gateways, *workers))


def test_without_a_worker_a_request_is_refused_at_once_and_sent_to_the_jobs(fleet: Fleet, gateway: Server) -> None:
    answer = ask(gateway, "POST", "/v1/images/generations", {"prompt": "x"})
    assert (answer.status, answer.headers["retry-after"]) == (503, "60")
    error = answer.json["error"]
    assert (error["code"], error["type"]) == ("no_worker", "service_unavailable_error")
    assert "POST /v1/jobs" in error["message"]
    assert (fleet.names(), fleet.left()) == ([], (0, 0))
    with pytest.raises(openai.InternalServerError, match="POST /v1/jobs"):
        official(gateway, max_retries=0).images.generate(prompt="x")


def test_a_client_that_leaves_cancels_its_job(fleet: Fleet, gateway: Server) -> None:
    worker = start_worker(fleet, gateway, FAKE_WORKER=SLOW, VISIBLE_AFTER=3)
    body = json.dumps(LONG).encode()
    head = "POST /v1/images/generations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    connection = socket.create_connection(("127.0.0.1", gateway.port))
    connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    worker.wait_log("engine: painting job_")
    connection.close()
    worker.wait_log("engine: cancelled job_", 20)
    assert set(results(fleet).values()) == {"cancelled"}
    wait_for(lambda: fleet.left() == (0, 0))


def test_a_stream_whose_client_leaves_cancels_its_job(fleet: Fleet, gateway: Server) -> None:
    worker = start_worker(fleet, gateway, FAKE_WORKER=SLOW, VISIBLE_AFTER=3)
    stream = official(gateway).images.generate(prompt="x", stream=True, extra_body={"steps": 150})
    worker.wait_log("engine: painting job_")
    stream.close()
    worker.wait_log("engine: cancelled job_", 20)
    assert set(results(fleet).values()) == {"cancelled"}


def test_the_end_of_the_time_cancels_the_job(fleet: Fleet, start_gateway: StartGateway) -> None:
    gateway = start_gateway(IMAGE_GEN_REQUEST_TIMEOUT=6)
    worker = start_worker(fleet, gateway, FAKE_WORKER=SLOW, VISIBLE_AFTER=3)
    answer = ask(gateway, "POST", "/v1/images/generations", LONG)
    assert (answer.status, answer.json["error"]["code"]) == (504, "timeout")
    assert "POST /v1/jobs" in answer.json["error"]["message"]
    worker.wait_log("engine: cancelled job_", 20)
    wait_for(lambda: set(results(fleet).values()) == {"cancelled"})


def test_a_request_that_would_wait_longer_than_its_time_is_refused(fleet: Fleet, start_gateway: StartGateway) -> None:
    gateway = start_gateway(IMAGE_GEN_REQUEST_TIMEOUT=30)
    start_worker(fleet, gateway, FAKE_WORKER=SLOW)
    for _ in range(20):
        assert post_job(gateway, LONG).status == 202
    wait_for(lambda: gateway.state()["waiting_jobs"] > 10)
    answer = ask(gateway, "POST", "/v1/images/generations", {"prompt": "x"})
    assert (answer.status, answer.json["error"]["code"]) == (429, "queue_full")
    assert 1 <= int(answer.headers["retry-after"]) <= 60


def test_a_gateway_that_stops_answers_who_waits_and_cancels_their_jobs(
    fleet: Fleet, start_gateway: StartGateway
) -> None:
    gateway, other = start_gateway(IMAGE_GEN_DRAIN_TIMEOUT=1), start_gateway()
    start_worker(fleet, gateway, FAKE_WORKER=SLOW)
    kept = post_job(gateway, LONG).json["id"]
    thread, answers = in_background(lambda: ask(gateway, "POST", "/v1/images/generations", LONG))
    wait_for(lambda: len(fleet.names("jobs/")) >= 3)
    gateway.signal(signal.SIGTERM)
    thread.join(20)
    [answer] = answers
    assert (answer.status, answer.json["error"]["code"]) == (503, "stopping")
    assert gateway.process.wait(20) == 0
    wait_for(lambda: "cancelled" in results(fleet).values())
    assert ask(other, "GET", f"/v1/jobs/{kept}").json["status"] in {"queued", "running"}


def test_a_worker_that_fails_a_job_and_one_whose_pictures_are_gone_are_errors(fleet: Fleet, gateway: Server) -> None:
    # A record without a worker: the test answers in its place.
    record = {"version": 1, "id": "w", "written": 2e9, "phase": "ready", "model": "m", "engines": 1}
    fleet.put("workers/w.json", json.dumps(record).encode())
    wait_for(lambda: gateway.state()["engines"] == 1)
    error = {"message": "no room", "code": "out_of_memory", "param": None, "type": "server_error"}
    gone = {"created": 1, "data": [{"object": "jobs/{}/pictures/w-0.png", "seed": 1}]}
    others = {"created": 1, "data": [{"object": "jobs/job_other/pictures/w-0.png", "seed": 1}]}
    for about, expected in (
        ({"error": error}, (500, "out_of_memory")),
        ({"error": {**error, "code": "of_tomorrow", "type": "invalid_request_error"}}, (400, "of_tomorrow")),
        ({"status": "cancelled"}, (503, "cancelled")),
        ({"status": "succeeded", "answer": gone}, (500, "job_not_made")),
        ({"status": "succeeded", "answer": others}, (503, "jobs_unavailable")),
    ):  # fmt: skip
        thread, answers = in_background(lambda: ask(gateway, "POST", "/v1/images/generations", {"prompt": "x"}))
        body = wait_for(lambda: messages(fleet))[0][0]
        job_id = json.loads(body)["job"]
        assert finish(fleet, job_id, **json.loads(json.dumps(about).replace("{}", job_id)))
        thread.join(20)
        assert (answers[0].status, answers[0].json["error"]["code"]) == expected
