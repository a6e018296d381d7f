"""Requests that wait when the engine ends are answered with pictures, and so is the one being made."""

import os
import signal

import pytest

from .conftest import StartServer
from .test_queue import in_background, wait_metric


def test_nine_requests_survive_a_sigkill_of_the_engine(start_server: StartServer) -> None:
    server = start_server(FAKE_WORKER={"step_seconds": 0.02})
    server.wait_phase("ready")
    painting = in_background(lambda: server.post({"prompt": "x", "steps": 20, "seed": 1}, {"X-Request-ID": "first"}))
    server.wait_log("painting first-0")
    waiting = [in_background(lambda n=n: server.post({"prompt": "x", "steps": 3, "seed": n})) for n in range(8)]
    wait_metric(server, "image_gen_queue_depth", 8)
    os.kill(server.engine_pid(), signal.SIGKILL)
    for thread, _ in (painting, *waiting):
        thread.join(30)
    answers = [answer for _, answers in (painting, *waiting) for answer in answers]
    assert [answer.status for answer in answers] == [200] * 9
    assert [answer.json["data"][0]["seed"] for answer in answers] == [1, *range(8)]
    assert server.log.count("engine: painting first-0") == 2
    assert "it is made again by the next engine" in server.log


def test_a_request_that_ends_every_engine_does_not_take_the_others_with_it(start_server: StartServer) -> None:
    server = start_server(FAST="0.05", FAKE_WORKER={"step_seconds": 0.05})
    server.wait_phase("ready")
    busy = in_background(lambda: server.post({"prompt": "x", "steps": 20}))
    wait_metric(server, "image_gen_busy", 1)
    bad = in_background(lambda: server.post({"prompt": "die"}, {"X-Request-ID": "bad"}))
    wait_metric(server, "image_gen_queue_depth", 1)
    good = [in_background(lambda: server.post({"prompt": "x", "steps": 2})) for _ in range(3)]
    for thread, _ in (busy, bad, *good):
        thread.join(30)
    assert [answers[0].status for _, answers in (busy, *good)] == [200] * 4
    assert (bad[1][0].status, bad[1][0].json["error"]["code"]) == (503, "engine_died")
    assert server.log.count("engine: painting bad-0") == 2


def test_requests_that_wait_for_an_engine_are_answered_when_there_will_be_none(start_server: StartServer) -> None:
    server = start_server(FAST="30")
    server.wait_phase("ready")
    current = in_background(lambda: server.post({"prompt": "die"}))
    server.wait_phase("failed")
    assert current[1] == []  # it waits for the next engine
    server.signal()  # and is answered when there will be none
    current[0].join(60)
    assert (current[1][0].status, current[1][0].json["error"]["code"]) == (503, "stopping")
    assert server.process.wait(60) == 0


def test_the_pictures_of_a_batch_during_which_the_engine_is_killed_are_made_one_by_one_and_later_batches_are_smaller(
    start_server: StartServer,
) -> None:
    # As by the kernel, where memory runs out: with four pictures, and with two.
    server = start_server(FAST="0.05", FAKE_WORKER={"most_at_once": 4, "batches_fail": "be killed"})
    server.wait_phase("ready")
    for seed in (10, 20, 30):
        answer = server.post({"prompt": "x", "n": 4, "seed": seed})
        assert answer.status == 200
        assert [picture["seed"] for picture in answer.json["data"]] == [seed, seed + 1, seed + 2, seed + 3]
    assert [server.log.count(f"engine: a batch of {count}") for count in (4, 2)] == [1, 1]
    assert "A batch of 4 pictures failed (ENGINE_DIED); each is made by itself." in server.log


@pytest.mark.parametrize(
    ("text", "code", "restarts"),
    [("CUDA out of memory", "OUT_OF_MEMORY", 0), ("no batches", "ENGINE_ERROR", 0), ("device lost", "GPU_FAULT", 1)],
)
def test_the_pictures_of_a_batch_that_a_pipeline_refuses_are_made_one_by_one(
    start_server: StartServer, text: str, code: str, restarts: int
) -> None:
    server = start_server(FAST="0.05", FAKE_WORKER={"most_at_once": 4, "batches_fail": text})
    server.wait_phase("ready")
    answer = server.post({"prompt": "x", "n": 3, "seed": 1})
    assert (answer.status, [picture["seed"] for picture in answer.json["data"]]) == (200, [1, 2, 3])
    assert f"A batch of 3 pictures failed ({code}); each is made by itself." in server.log
    assert server.log.count("Engine up in") == 1 + restarts
