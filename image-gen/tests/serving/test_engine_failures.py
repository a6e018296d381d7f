"""An engine that can make no more pictures is started again, is given up after some times, and says why. No prompt is
in the log.
"""

import asyncio
import signal
import sys
import time

import pytest

from image_gen.errors import EngineError, OutOfMemoryError, RequestTimeoutError
from image_gen.serving.engine_failures import (
    FAILED_REQUESTS_BEFORE_TEST,
    MOST_AT_ALL,
    MOST_IN_A_ROW,
    EngineFailures,
    given_up_delay,
    restart_delay,
)
from image_gen.serving.readiness import Readiness
from image_gen.serving.worker_supervisor import WorkerSupervisor

from .conftest import Server, StartServer

FAULT = "CUDA error: an illegal memory access was encountered"


def wait_other_engine(server: Server, pid: int) -> None:
    def other() -> bool:
        try:
            return server.engine_pid() != pid
        except (IndexError, FileNotFoundError):
            return False

    server._wait(other, 20)


@pytest.mark.parametrize("text", [FAULT, "CUDA error: device-side assert triggered", "UR_RESULT_ERROR_DEVICE_LOST"])
def test_after_a_fault_of_the_device_the_engine_is_started_again(start_server: StartServer, text: str) -> None:
    server = start_server()
    server.wait_phase("ready")
    pid = server.engine_pid()
    answer = server.post({"prompt": f"raise {text}"})
    assert (answer.status, answer.json["error"]["code"]) == (503, "gpu_fault")
    state = server.wait_phase("failed")
    assert (state["error"]["code"], state["error"]["retryable"]) == ("GPU_FAULT", True)
    server.wait_phase("ready")
    assert server.engine_pid() != pid
    assert server.metric("image_gen_engine_restarts_total") == 2  # the request was tried with another one
    assert server.post({"prompt": "x"}).status == 200


def test_the_log_has_the_reason_of_a_fault(start_server: StartServer) -> None:
    server = start_server(FAKE_WORKER={"raise_after": [1, FAULT]})
    server.wait_phase("ready")
    assert server.post({"prompt": "a very secret garden"}).status == 503
    server.wait_log("Next attempt in 1 s.")
    assert (
        f"ERROR: The GPU reported a fault, after which no call of the process succeeds: RuntimeError: {FAULT}"
        in server.log
    )
    assert "garden" not in server.log


def test_a_fault_that_stays_ends_in_failed_and_not_in_a_loop(start_server: StartServer) -> None:
    server = start_server(FAKE_WORKER={"raise_after": [0, FAULT]}, FAST="0.05")
    server._wait(lambda: "It failed too often to be started again at once" in server.log, 60)
    begun = server.log.count("Next attempt in")
    assert begun == MOST_IN_A_ROW - 1


def test_a_fault_with_every_request_ends_in_failed_and_a_signal_starts_it_again(start_server: StartServer) -> None:
    server = start_server(FAKE_WORKER={"raise_after": [1, FAULT]})
    for _ in range(2):
        server.wait_phase("ready")
        server.post({"prompt": "x"})
        server.wait_phase("failed")
    server.wait_log("Next attempt in 2 s.")
    server.signal(signal.SIGHUP)
    server.wait_log("Retrying after SIGHUP.")
    server.wait_phase("ready")


def test_engine_that_answers_only_errors_is_tested_and_started_again(start_server: StartServer) -> None:
    server = start_server(FAKE_WORKER={"raise_after": [2, "something is odd"]})
    server.wait_phase("ready")
    pid = server.engine_pid()
    assert server.post({"prompt": "x"}).status == 200
    for _ in range(FAILED_REQUESTS_BEFORE_TEST):
        answer = server.post({"prompt": "a very secret garden"})
        assert (answer.status, answer.json["error"]["code"]) == (500, "engine_error")
    wait_other_engine(server, pid)
    server.wait_log("and with a test picture: RuntimeError: something is odd")
    assert "ENGINE_ERROR after" in server.log and "s: RuntimeError: something is odd" in server.log
    server.wait_phase("ready")
    assert server.post({"prompt": "x"}).status == 200
    assert "garden" not in server.log


def test_requests_that_always_fail_do_not_end_an_engine_that_makes_pictures(start_server: StartServer) -> None:
    server = start_server()
    server.wait_phase("ready")
    pid = server.engine_pid()
    for _ in range(2 * FAILED_REQUESTS_BEFORE_TEST):
        assert server.post({"prompt": "raise something is odd"}).status == 500
    server.wait_log("painting engine-test")
    assert server.post({"prompt": "x"}).status == 200
    assert server.engine_pid() == pid
    assert server.state()["phase"] == "ready"


def test_a_request_of_several_pictures_of_which_one_fails_is_an_error(start_server: StartServer) -> None:
    server = start_server(FAKE_WORKER={"raise_after": [2, "something is odd"]})
    server.wait_phase("ready")
    answer = server.post({"prompt": "x", "n": 3})
    assert (answer.status, answer.json["error"]["code"]) == (500, "engine_error")
    assert "data" not in answer.json


def test_an_engine_that_aborts_for_memory_is_out_of_memory(start_server: StartServer) -> None:
    server = start_server()
    server.wait_phase("ready")
    text = "terminate called after throwing an instance of 'std::bad_alloc'"
    answer = server.post({"prompt": f"abort {text}"})
    assert answer.json["error"]["code"] == "engine_died"  # the last line quotes the prompt, and is not shown
    server.wait_phase("ready")
    assert "bad_alloc" not in server.log


def test_out_of_memory_in_any_words_is_one_code_and_the_engine_stays(start_server: StartServer) -> None:
    server = start_server()
    server.wait_phase("ready")
    pid = server.engine_pid()
    for text in ("MPS backend out of memory", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED", "CUDA error: out of memory"):
        answer = server.post({"prompt": f"raise {text}"})
        assert (answer.status, answer.json["error"]["code"]) == (500, "out_of_memory")
    assert server.engine_pid() == pid


def test_failures_are_counted_in_a_row_and_in_a_while() -> None:
    now = [0.0]
    row = EngineFailures(clock=lambda: now[0])
    assert [row.ended() for _ in range(MOST_IN_A_ROW)] == [True] * (MOST_IN_A_ROW - 1) + [False]
    assert (row.times_given_up, row.ended(), row.times_given_up) == (1, False, 2)
    row.made_picture()
    assert row.ended()

    often = EngineFailures(clock=lambda: now[0])
    results = []
    for _ in range(MOST_AT_ALL):
        often.made_picture()
        now[0] += 60
        results.append(often.ended())
    assert results == [True] * (MOST_AT_ALL - 1) + [False]

    seldom = EngineFailures(clock=lambda: now[0])
    for _ in range(3 * MOST_AT_ALL):
        seldom.made_picture()
        now[0] += 600
        assert seldom.ended()


def test_only_failures_that_may_be_the_engines_own_lead_to_a_test() -> None:
    failures = EngineFailures(clock=time.monotonic)
    assert not any(failures.failed_request(RequestTimeoutError("x")) for _ in range(10))
    assert [failures.failed_request(EngineError("x")) for _ in range(3)] == [False, False, True]
    failures.tested()
    assert not failures.failed_request(OutOfMemoryError("x"))


def test_delays_grow_to_a_limit() -> None:
    assert [restart_delay(n) for n in (1, 2, 3, 7, 30)] == [1, 2, 4, 60, 60]
    assert [given_up_delay(n) for n in (1, 2, 3, 9)] == [600, 1200, 2400, 3600]


def test_a_look_that_is_asked_for_while_the_failed_engine_still_ends_is_not_lost() -> None:
    async def engine_is_started_again() -> bool:
        readiness = Readiness("m", None, "1")
        # One that ends as slowly as it likes, so that the failure is public before the process is gone.
        worker = WorkerSupervisor(readiness, {}, "cpu", command=[sys.executable, "-c", "import time; time.sleep(60)"])
        supervision = asyncio.create_task(worker.supervise(None))
        while worker.pid is None:
            await asyncio.sleep(0.01)
        worker._end(OutOfMemoryError("x", retryable=False))
        assert readiness.phase == "failed"
        readiness.clear_failure()
        assert worker.retry()
        while worker.restarts == 0:
            await asyncio.sleep(0.01)
        supervision.cancel()
        await worker.stop()
        return readiness.phase != "failed"

    assert asyncio.run(asyncio.wait_for(engine_is_started_again(), 20))
