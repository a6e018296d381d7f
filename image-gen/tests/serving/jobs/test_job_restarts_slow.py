"""Jobs outlast the engine, the server and its disk's faults."""

import contextlib
import os
import signal
import sqlite3
import stat

import pytest

from tests.serving.conftest import StartServer

from .conftest import folder_of, job_of, new_job, post_job, wait_status

SLOW = {"step_seconds": 0.05}


def test_jobs_survive_the_engine_and_the_server(start_server: StartServer) -> None:
    server = start_server(FAKE_WORKER=SLOW, FAST="0.2")
    server.wait_phase("ready")
    jobs = [new_job(server, steps=30, seed=3), *(new_job(server) for _ in range(4))]
    wait_status(server, jobs[0], "running")
    os.kill(server.engine_pid(), signal.SIGKILL)
    server._wait(lambda: server.log.count(f"engine: painting {jobs[0]}-0") == 2, 20)
    server.process.kill()
    server.process.wait(60)
    again = start_server(FAKE_WORKER=SLOW, FAST="0.2")
    again.wait_log("5 jobs of an earlier run are continued.")
    done = [wait_status(again, job, "succeeded") for job in jobs]
    assert done[0]["result"]["data"][0]["seed"] == 3
    assert [again.log.index(f"painting {job}-0") for job in jobs] == sorted(
        again.log.index(f"painting {job}-0") for job in jobs
    )


def test_an_orderly_stop_keeps_the_jobs_for_the_next_start(start_server: StartServer) -> None:
    server = start_server(FAKE_WORKER=SLOW, IMAGE_GEN_DRAIN_TIMEOUT=1)
    server.wait_phase("ready")
    jobs = [new_job(server, steps=150), new_job(server)]
    wait_status(server, jobs[0], "running")
    server.signal()
    assert server.process.wait(15) == 0
    again = start_server(FAKE_WORKER={})
    again.wait_phase("ready")
    for job in jobs:
        wait_status(again, job, "succeeded")


def test_jobs_are_taken_before_the_model_is_there(start_server: StartServer) -> None:
    server = start_server(FAKE_WORKER={"import_seconds": 8}, FAST="0.2")
    server.wait_log("the model is")
    server._wait(lambda: post_job(server, {}).status == 400, 20)
    server._wait(lambda: post_job(server, {"prompt": "x", "steps": 1}, {"Idempotency-Key": "a"}).status == 202, 5)
    job = post_job(server, {"prompt": "x", "steps": 1}, {"Idempotency-Key": "a"}).json
    assert (job["status"], job["position"], job["forecast_seconds"]) == ("queued", 0, None)
    wait_status(server, job["id"], "succeeded")


def test_a_job_that_ends_the_service_each_time_fails(start_server: StartServer) -> None:
    for _ in range(3):
        server = start_server(FAKE_WORKER={"step_seconds": 0.5})
        server.wait_phase("ready")
        if _ == 0:
            job = new_job(server, steps=100)
        wait_status(server, job, "running")
        server.wait_log(f"engine: painting {job}-0")
        server.process.kill()
        server.process.wait(60)
    last = start_server()
    last.wait_phase("ready")
    assert wait_status(last, job, "failed")["error"]["code"] == "job_not_made"


def test_the_file_is_for_this_user_alone(start_server: StartServer) -> None:
    server = start_server()
    server.wait_phase("ready")
    wait_status(server, new_job(server), "succeeded")
    assert stat.S_IMODE(folder_of(server).stat().st_mode) == 0o700
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder_of(server).iterdir()}
    assert modes["jobs.sqlite"] == 0o600 and set(modes.values()) == {0o600}


def test_a_second_service_on_the_same_volume_waits_for_the_first(start_server: StartServer) -> None:
    first = start_server()
    first.wait_phase("ready")
    job = new_job(first)
    wait_status(first, job, "succeeded")
    second = start_server(FAST="0.2")
    second.wait_log("another service has it")
    refused = post_job(second, {"prompt": "x"})
    assert (refused.status, refused.json["error"]["code"]) == (503, "jobs_unavailable")
    assert second.wait_phase("ready") and second.post({"prompt": "x"}).status == 200
    first.process.kill()
    first.process.wait(60)
    second._wait(lambda: post_job(second, {"prompt": "x"}).status == 202, 60)
    assert job_of(second, job)["status"] == "succeeded"
    assert second.log.count("another service has it") == 1


@pytest.mark.parametrize("how", ["not a database", "a damaged page"])
def test_a_damaged_file_is_kept_aside_and_reported_in_one_line(start_server: StartServer, how: str) -> None:
    server = start_server()
    server.wait_phase("ready")
    for _ in range(3):
        wait_status(server, new_job(server, size="256x256"), "succeeded")
    server.signal()
    server.process.wait(60)
    file = folder_of(server) / "jobs.sqlite"
    whole = file.read_bytes()
    file.write_bytes(b"nonsense" * 1000 if how == "not a database" else whole[:4096] + b"\xff" * 4096 + whole[8192:])
    again = start_server()
    again.wait_phase("ready")
    wait_status(again, new_job(again), "succeeded")
    assert again.log.count("was damaged, and is kept as") == 1
    assert (folder_of(server) / "jobs.damaged.sqlite").exists()


def test_a_folder_that_cannot_be_used_leaves_the_rest_of_the_service(start_server: StartServer) -> None:
    server = start_server(HF_HOME="/proc/self/hf")
    server.wait_phase("ready")
    server.wait_log("can't be opened")
    refused = post_job(server, {"prompt": "x"})
    assert (refused.status, refused.headers["retry-after"]) == (503, "15")
    assert server.post({"prompt": "x"}).status == 200
    assert server.log.count("Jobs: ") == 1


def test_limits_of_number_and_of_bytes(start_server: StartServer) -> None:
    server = start_server(FAKE_WORKER=SLOW, IMAGE_GEN_JOBS_LIMIT=2, IMAGE_GEN_JOBS_MAX_MB=1)
    server.wait_phase("ready")
    large = post_job(server, {"prompt": "x", "size": "1024x1024"})
    assert (large.status, large.json["error"]["code"]) == (507, "jobs_storage_full")
    assert int(large.headers["retry-after"]) >= 1
    jobs = [new_job(server, steps=20) for _ in range(2)]
    full = post_job(server, {"prompt": "x"})
    assert (full.status, full.json["error"]["code"], full.json["error"]["type"]) == (
        429,
        "jobs_full",
        "rate_limit_error",
    )
    wait_status(server, jobs[1], "succeeded")
    assert post_job(server, {"prompt": "x", "steps": 1}).status == 202


def test_jobs_in_memory_alone_leave_no_file_and_none_has_no_routes(start_server: StartServer) -> None:
    server = start_server(IMAGE_GEN_JOBS="memory")
    server.wait_phase("ready")
    wait_status(server, new_job(server), "succeeded")
    assert not folder_of(server).exists()
    none = start_server(IMAGE_GEN_JOBS="none")
    none.wait_phase("ready")
    assert post_job(none, {"prompt": "x"}).status == 404


def test_a_file_of_another_version_is_left_alone(start_server: StartServer) -> None:
    server = start_server()
    folder = folder_of(server)
    server.wait_phase("ready")
    wait_status(server, new_job(server), "succeeded")
    server.signal()
    server.process.wait(60)
    with contextlib.closing(sqlite3.connect(folder / "jobs.sqlite")) as connection:
        connection.execute("pragma user_version = 99")
    again = start_server()
    again.wait_log("is of another version")
    assert not (folder / "jobs.damaged.sqlite").exists()
