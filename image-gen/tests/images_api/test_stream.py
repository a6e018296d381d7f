"""`stream`: events in OpenAI's shapes, errors before and in them, and clients that leave."""

import asyncio
import base64
import contextlib
import json
import socket
from typing import Any

import openai
import pytest
from openai.types import ImageGenCompletedEvent, ImageGenPartialImageEvent

from image_gen.worker.protocol import preview_steps
from tests.serving.conftest import Server, StartServer
from tests.serving.test_generations import size_of
from tests.serving.test_queue import in_background, wait_metric

from .conftest import MakeClient


def raw_events(server: Server, body: dict[str, Any]) -> list[dict[str, Any]]:
    answer = server.post({"prompt": "x", "stream": True, **body})
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    blocks = [block for block in answer.body.decode().replace("\r\n", "\n").split("\n\n") if block]
    events = []
    for block in blocks:
        named, data = block.split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert named == f"event: {events[-1]['type']}"
    return events


@pytest.mark.parametrize(
    ("steps", "count", "expected"),
    [(30, 0, []), (30, 1, [15]), (30, 3, [7, 15, 22]), (4, 3, [1, 2, 3]), (2, 3, [1]), (1, 3, []), (3, 2, [1, 2])],
)
def test_previews_are_evenly_apart(steps: int, count: int, expected: list[int]) -> None:
    assert preview_steps(steps, count) == expected


@pytest.mark.parametrize("count", [None, 0, 1, 3])
def test_the_official_client_reads_previews_and_the_picture(
    server: Server, official: MakeClient, count: int | None
) -> None:
    plain = server.post({"prompt": "x", "seed": 9, "size": "128x64"}).json["data"][0]["b64_json"]
    stream = official(server).images.generate(
        prompt="x",
        stream=True,
        partial_images=count,
        size="128x64",
        quality="high",
        extra_body={"seed": 9},  # type: ignore[arg-type] # any size
    )
    *partial, last = list(stream)
    assert len(partial) == (count or 0)
    for index, event in enumerate(partial):
        assert isinstance(event, ImageGenPartialImageEvent)
        assert (event.partial_image_index, event.size, event.quality) == (index, "128x64", "high")
        assert size_of(event.b64_json) == (16, 8)
    assert isinstance(last, ImageGenCompletedEvent)
    assert (last.b64_json, last.output_format, last.background) == (plain, "png", "opaque")
    assert last.usage.total_tokens == 0


def test_the_asynchronous_client_reads_the_stream(server: Server) -> None:
    async def kinds() -> list[str]:
        client = openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{server.port}/v1", api_key="none")
        stream = await client.images.generate(prompt="x", stream=True, partial_images=1)
        return [event.type async for event in stream]

    assert asyncio.run(kinds()) == ["image_generation.partial_image", "image_generation.completed"]


def test_a_request_that_waits_says_its_place_and_then_its_steps(start_server: StartServer) -> None:
    server = start_server(FAKE_WORKER=json.dumps({"step_seconds": 0.4}))
    server.wait_phase("ready")
    first, _ = in_background(lambda: server.post({"prompt": "x", "steps": 8}))
    server._wait(lambda: server.get("/v1/queue").json["running"] == 1, 60)
    second, _ = in_background(lambda: server.post({"prompt": "x", "steps": 2}))
    wait_metric(server, "image_gen_queue_depth", 1)
    events = raw_events(server, {"steps": 2, "progress": True})
    kinds = [event["type"].partition(".")[2] for event in events]
    queued = [event for event in events if event["type"] == "image_generation.queued"]
    assert [event["position"] for event in queued] == [1, 0]
    assert all(event["forecast_seconds"] > 0 for event in queued)
    assert kinds[-3:] == ["progress", "progress", "completed"]
    assert "queued" not in {event["type"].partition(".")[2] for event in raw_events(server, {"progress": True})}
    first.join()
    second.join()


def test_each_of_several_pictures_has_its_events(server: Server) -> None:
    events = raw_events(server, {"n": 2, "partial_images": 1, "seed": 5})
    assert [(event["type"].partition(".")[2], event["seed"]) for event in events] == [
        ("partial_image", 5), ("completed", 5), ("partial_image", 6), ("completed", 6),
    ]  # fmt: skip
    alone = server.post({"prompt": "x", "seed": 6}).json["data"][0]["b64_json"]
    assert events[3]["b64_json"] == alone


def test_progress_has_an_event_for_each_step(server: Server) -> None:
    events = raw_events(server, {"steps": 3, "progress": True})
    assert [event.get("step") for event in events] == [1, 2, 3, None]
    assert events[0] == {
        "type": "image_generation.progress", "step": 1, "steps": 3, "seed": events[0]["seed"],
    }  # fmt: skip


def test_no_stream_begins_before_an_error_that_is_known(server: Server, official: MakeClient) -> None:
    for change, status in (({"n": 0}, 400), ({"model": "y"}, 404)):
        answer = server.post({"prompt": "x", "stream": True, **change})
        assert answer.status == status and answer.json["error"]["message"]
    with pytest.raises(openai.NotFoundError):
        official(server).images.generate(prompt="x", model="y", stream=True)


def test_a_full_queue_refuses_a_stream(start_server: StartServer) -> None:
    server = start_server(IMAGE_GEN_QUEUE_LIMIT=0, FAKE_WORKER={"step_seconds": 0.05})
    server.wait_phase("ready")
    thread, _ = in_background(lambda: server.post({"prompt": "x", "steps": 20}))
    wait_metric(server, "image_gen_busy", 1)
    refused = server.post({"prompt": "x", "stream": True})
    assert refused.status == 429 and int(refused.headers["retry-after"]) >= 1
    thread.join()


def test_an_error_in_the_stream_is_an_exception_of_the_client(server: Server, official: MakeClient) -> None:
    with pytest.raises(openai.APIError, match="too big"):
        list(official(server).images.generate(prompt="out of memory", stream=True))
    [event] = raw_events(server, {"prompt": "out of memory"})
    assert (event["type"], event["error"]["code"]) == ("error", "out_of_memory")
    assert set(event["error"]) == {"message", "type", "param", "code"}


def test_a_stream_ends_at_the_deadline(start_server: StartServer) -> None:
    server = start_server(IMAGE_GEN_REQUEST_TIMEOUT=1, FAKE_WORKER={"step_seconds": 0.05})
    server.wait_phase("ready")
    events = raw_events(server, {"steps": 150, "progress": True})
    assert events[0]["type"] == "image_generation.progress"
    assert (events[-1]["type"], events[-1]["error"]["code"]) == ("error", "timeout")
    assert server.post({"prompt": "x", "steps": 1}).status == 200


def test_a_client_that_leaves_its_stream_cancels_the_picture(start_server: StartServer) -> None:
    server = start_server(FAKE_WORKER={"step_seconds": 0.05})
    server.wait_phase("ready")
    body = json.dumps({"prompt": "secret garden", "steps": 150, "stream": True, "progress": True}).encode()
    head = (
        "POST /v1/images/generations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"X-Request-ID: gone\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with contextlib.closing(socket.create_connection(("127.0.0.1", server.port))) as client:
        client.sendall(head.encode() + body)
        received = b""
        while b"progress" not in received:
            received += client.recv(4096)
    server.wait_log("cancelled gone-0 at step")
    server.wait_log("Request gone: CLIENT_GONE")
    assert server.post({"prompt": "x", "steps": 1}).status == 200
    assert "garden" not in server.log and "Traceback" not in server.log


def test_a_model_without_previews_says_so(start_server: StartServer) -> None:
    server = start_server(FAKE_WORKER={"previews": False})
    server.wait_phase("ready")
    [event] = raw_events(server, {"partial_images": 2})
    assert event["notes"] == {"partial_images": "not used: this model has none."}
    assert base64.b64decode(event["b64_json"]).startswith(b"\x89PNG")


def test_a_stop_ends_streams_in_order(start_server: StartServer) -> None:
    server = start_server(FAKE_WORKER={"step_seconds": 0.05})
    server.wait_phase("ready")
    thread, answers = in_background(lambda: server.post({"prompt": "x", "steps": 20, "stream": True}))
    wait_metric(server, "image_gen_busy", 1)
    server.signal()
    thread.join(20)
    assert server.process.wait(60) == 0
    assert b"image_generation.completed" in answers[0].body
