"""The queue: its limit, those who do not wait, deadlines, and an engine that does not react."""

import json
import socket
import threading
from collections.abc import Callable

from .conftest import HttpResult, Server, StartServer


def in_background(work: Callable[[], HttpResult]) -> tuple[threading.Thread, list[HttpResult]]:
    answers: list[HttpResult] = []
    thread = threading.Thread(target=lambda: answers.append(work()), daemon=True)
    thread.start()
    return thread, answers


def wait_metric(server: Server, name: str, value: float) -> None:
    server._wait(lambda: server.metric(name) == value, 60)


def ask_and_leave(server: Server, request_id: str) -> socket.socket:
    """Sends a request for a long picture on a connection of its own."""
    body = json.dumps({"prompt": "x", "steps": 150}).encode()
    head = (
        "POST /v1/images/generations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"X-Request-ID: {request_id}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection = socket.create_connection(("127.0.0.1", server.port))
    connection.sendall(head.encode() + body)
    return connection


def test_full_queue_rejects_and_serves_the_others_in_order(start_server: StartServer) -> None:
    server = start_server(IMAGE_GEN_QUEUE_LIMIT=1, FAKE_WORKER={"step_seconds": 0.05})
    server.wait_phase("ready")
    first, first_answers = in_background(lambda: server.post({"prompt": "x", "steps": 20}, {"X-Request-ID": "one"}))
    wait_metric(server, "image_gen_busy", 1)
    second, second_answers = in_background(lambda: server.post({"prompt": "x", "steps": 1}, {"X-Request-ID": "two"}))
    wait_metric(server, "image_gen_queue_depth", 1)
    refused = server.post({"prompt": "x"})
    assert refused.status == 429
    assert refused.json["error"]["code"] == "queue_full"
    assert refused.json["error"]["type"] == "rate_limit_error"
    assert int(refused.headers["retry-after"]) >= 1
    first.join(60)
    second.join(60)
    assert [first_answers[0].status, second_answers[0].status] == [200, 200]
    assert server.log.index("painting one-0") < server.log.index("painting two-0")
    assert server.metric('image_gen_images_total{outcome="refused"}') == 1


def test_disconnected_client_cancels_its_job(start_server: StartServer) -> None:
    server = start_server(FAKE_WORKER={"step_seconds": 0.05})
    server.wait_phase("ready")
    connection = ask_and_leave(server, "gone")
    server.wait_log("painting gone-0")
    connection.close()
    server.wait_log("cancelled gone-0 at step")
    assert server.post({"prompt": "x", "steps": 1}).status == 200
    assert server.metric('image_gen_images_total{outcome="cancelled"}') == 1


def test_disconnected_waiting_client_starts_no_job(start_server: StartServer) -> None:
    server = start_server(FAKE_WORKER={"step_seconds": 0.05})
    server.wait_phase("ready")
    # Still at work when the other one has left, on a machine with other work as well.
    first, answers = in_background(lambda: server.post({"prompt": "x", "steps": 100}))
    wait_metric(server, "image_gen_busy", 1)
    connection = ask_and_leave(server, "impatient")
    wait_metric(server, "image_gen_queue_depth", 1)
    connection.close()
    wait_metric(server, "image_gen_queue_depth", 0)
    assert server.metric("image_gen_busy") == 1
    first.join(30)
    assert answers[0].status == 200
    assert server.post({"prompt": "x", "steps": 1}).status == 200
    assert "painting impatient-0" not in server.log


def test_request_timeout_cancels_the_job(start_server: StartServer) -> None:
    server = start_server(IMAGE_GEN_REQUEST_TIMEOUT=1, FAKE_WORKER={"step_seconds": 0.05})
    server.wait_phase("ready")
    late = server.post({"prompt": "x", "steps": 150}, {"X-Request-ID": "late"})
    assert late.status == 504
    assert late.json["error"]["code"] == "timeout"
    assert "within 1 s" in late.json["error"]["message"]
    server.wait_log("cancelled late-0 at step")
    assert server.post({"prompt": "x", "steps": 1}).status == 200
    assert server.metric('image_gen_images_total{outcome="timeout"}') == 1


def test_unsupported_negative_prompt_is_reported(start_server: StartServer) -> None:
    server = start_server(FAKE_WORKER={"accepts": ["prompt"]})
    server.wait_phase("ready")
    answer = server.post({"prompt": "x", "negative_prompt": "y"})
    assert answer.status == 400
    assert answer.json["error"]["param"] == "negative_prompt"
    assert "FakePipeline" in answer.json["error"]["message"]
