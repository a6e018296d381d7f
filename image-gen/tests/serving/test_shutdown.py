"""SIGTERM: no new pictures, the current one done or cancelled, exit code 0, no process left."""

import os
import signal
import time
from pathlib import Path

import pytest

from .conftest import Server, StartServer, children_of
from .test_queue import in_background, wait_metric


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").split()[2] == "Z"


def busy_server(start_server: StartServer, **env: object) -> Server:
    server = start_server(FAKE_WORKER={"step_seconds": 0.05}, **env)
    server.wait_phase("ready")
    return server


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_server_ends_at_once(start_server: StartServer, number: signal.Signals) -> None:
    server = busy_server(start_server)
    worker = server.engine_pid()
    started = time.monotonic()
    server.signal(number)
    assert server.process.wait(60) == 0
    # Far less than the time that a picture would have.
    assert time.monotonic() - started < 15
    assert is_gone(worker)


def test_shutdown_finishes_the_current_image_and_rejects_the_others(start_server: StartServer) -> None:
    server = busy_server(start_server)
    current, current_answers = in_background(lambda: server.post({"prompt": "x", "steps": 40}))
    wait_metric(server, "image_gen_busy", 1)
    waiting, waiting_answers = in_background(lambda: server.post({"prompt": "x"}))
    wait_metric(server, "image_gen_queue_depth", 1)
    server.signal()
    state = server.wait_phase("stopping")
    assert state["error"] is None
    assert server.get("/readyz").status == 503
    assert server.get("/healthz").status == 200
    late = server.post({"prompt": "x"})
    assert late.status == 503
    waiting.join(60)
    assert waiting_answers[0].status == 503
    assert waiting_answers[0].json["error"]["code"] == "stopping"
    current.join(60)
    assert current_answers[0].status == 200
    assert server.process.wait(60) == 0


def test_shutdown_cancels_a_slow_image(start_server: StartServer) -> None:
    server = busy_server(start_server, IMAGE_GEN_DRAIN_TIMEOUT=1)
    current, answers = in_background(lambda: server.post({"prompt": "x", "steps": 150}))
    wait_metric(server, "image_gen_busy", 1)
    server.signal()
    assert server.process.wait(60) == 0
    current.join(60)
    assert answers[0].status == 503
    assert answers[0].json["error"]["code"] == "cancelled"
    assert "The picture was not done in time, and is cancelled." in server.log


def test_second_signal_stops_at_once(start_server: StartServer) -> None:
    server = busy_server(start_server)
    in_background(lambda: server.post({"prompt": "hang"}))
    wait_metric(server, "image_gen_busy", 1)
    worker = server.engine_pid()
    server.signal()
    server.wait_phase("stopping")
    started = time.monotonic()
    server.signal()
    server.process.wait(60)
    assert time.monotonic() - started < 15
    assert is_gone(worker)


def test_shutdown_while_the_demo_model_is_being_made(start_server: StartServer) -> None:
    server = start_server(MODEL_ID="demo")
    server.wait_log("making it, and serving it")
    server._wait(lambda: bool(children_of(server.process.pid, "image_gen_demo")), 60)
    makers = children_of(server.process.pid, "image_gen_demo")
    started = time.monotonic()
    server.signal()
    assert server.process.wait(60) == 0
    assert time.monotonic() - started < 15
    assert all(is_gone(pid) for pid in makers)


def test_worker_does_not_outlive_a_killed_server(start_server: StartServer) -> None:
    server = busy_server(start_server)
    worker = server.engine_pid()
    server.process.kill()
    server.process.wait(60)
    deadline = time.monotonic() + 5
    while not is_gone(worker):
        assert time.monotonic() < deadline
        time.sleep(0.05)
