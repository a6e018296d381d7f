"""The life of a job over HTTP."""

import json
import time

import pytest

from tests.serving.conftest import Server, StartServer
from tests.serving.test_queue import in_background, wait_metric

from .conftest import folder_of, job_of, new_job, post_job, wait_status


@pytest.fixture
def server(start_server: StartServer) -> Server:
    running = start_server(FAKE_WORKER={"step_seconds": 0.05}, FAST="0.2")
    running.wait_phase("ready")
    return running


def test_a_job_is_accepted_shows_its_progress_and_has_the_answer_of_generations(server: Server) -> None:
    answer = post_job(server, {"prompt": "x", "steps": 40, "seed": 7, "n": 2})
    assert (answer.status, answer.headers["location"]) == (202, f"/v1/jobs/{answer.json['id']}")
    running = wait_status(server, answer.json["id"], "running")
    assert running["result"] is None and running["started_at"] >= running["created_at"]
    server._wait(lambda: job_of(server, answer.json["id"])["progress"]["step"] > 2, 60)
    progress = job_of(server, answer.json["id"])["progress"]
    assert (progress["steps"], progress["images"], progress["images_done"]) == (40, 2, 0)
    assert job_of(server, answer.json["id"])["forecast_seconds"] > 0
    done = wait_status(server, answer.json["id"], "succeeded")
    same = server.post({"prompt": "x", "steps": 40, "seed": 7, "n": 2}).json
    times = {"created", "seconds"}
    assert {k: v for k, v in done["result"].items() if k not in times} == {
        k: v for k, v in same.items() if k not in times
    }
    assert (done["position"], done["progress"], done["error"]) == (None, None, None)
    assert done["expires_at"] - done["ended_at"] == 86_400
    assert server.metric('image_gen_images_total{outcome="ok"}') == 4


def test_a_job_without_a_seed_has_one_that_is_kept(server: Server) -> None:
    done = wait_status(server, new_job(server), "succeeded")
    assert isinstance(done["result"]["data"][0]["seed"], int)


def test_position_and_forecast_count_down(server: Server) -> None:
    jobs = [new_job(server, steps=10) for _ in range(3)]
    server._wait(lambda: job_of(server, jobs[0])["status"] == "running", 60)
    waiting = [job_of(server, job) for job in jobs[1:]]
    assert [job["position"] for job in waiting] == [0, 1]
    assert waiting[0]["forecast_seconds"] < waiting[1]["forecast_seconds"]
    state = server.get("/v1/queue").json
    assert (state["running"], state["waiting_jobs"], state["waiting_requests"]) == (1, 2, 0)
    assert state["forecast_seconds"] > waiting[1]["forecast_seconds"]
    for job in jobs:
        wait_status(server, job, "succeeded")
    assert server.get("/v1/queue").json["running"] == 0


def test_an_idempotency_key_gives_the_same_job_and_refuses_another_request(server: Server) -> None:
    first = post_job(server, {"prompt": "x", "steps": 2}, {"Idempotency-Key": "order-1"})
    again = post_job(server, {"steps": 2, "prompt": "x"}, {"Idempotency-Key": "order-1"})
    assert (again.status, again.json["id"], again.headers["idempotent-replayed"]) == (202, first.json["id"], "true")
    other = post_job(server, {"prompt": "y", "steps": 2}, {"Idempotency-Key": "order-1"})
    assert (other.status, other.json["error"]["code"]) == (422, "idempotency_key_reused")
    wait_status(server, first.json["id"], "succeeded")
    late = post_job(server, {"prompt": "x", "steps": 2}, {"Idempotency-Key": "order-1"})
    assert late.json["status"] == "succeeded"
    assert server.log.count("engine: painting") == 1
    assert post_job(server, {"prompt": "x"}, {"Idempotency-Key": "a b"}).status == 400


def test_a_waiting_job_and_a_running_one_are_cancelled(server: Server) -> None:
    running, waiting = new_job(server, steps=150), new_job(server)
    wait_status(server, running, "running")
    assert server._ask("POST", f"/v1/jobs/{waiting}/cancel", None, {}).json["status"] == "cancelled"
    assert server._ask("POST", f"/v1/jobs/{running}/cancel", None, {}).json["status"] == "cancelled"
    server.wait_log(f"cancelled {running}-0 at step")
    assert job_of(server, running)["result"] is None
    assert server._ask("POST", f"/v1/jobs/{running}/cancel", None, {}).status == 200
    done = new_job(server)
    wait_status(server, done, "succeeded")
    late = server._ask("POST", f"/v1/jobs/{done}/cancel", None, {})
    assert (late.status, late.json["error"]["code"]) == (409, "job_has_ended")
    assert f"engine: painting {waiting}-0" not in server.log


def test_a_deleted_job_is_gone_with_its_prompt(server: Server) -> None:
    done = new_job(server, prompt="a very secret garden")
    wait_status(server, done, "succeeded")
    assert server._ask("DELETE", f"/v1/jobs/{done}", None, {}).status == 204
    assert server.get(f"/v1/jobs/{done}").status == 404
    assert server._ask("DELETE", f"/v1/jobs/{done}", None, {}).json["error"]["code"] == "job_not_found"
    for file in folder_of(server).iterdir():
        assert b"garden" not in file.read_bytes(), file
    assert "garden" not in server.log


def test_an_expired_job_is_gone_with_its_prompt(start_server: StartServer) -> None:
    server = start_server(IMAGE_GEN_JOBS_KEEP=1, FAST="0.2")
    server.wait_phase("ready")
    job = new_job(server, prompt="a very secret garden")
    wait_status(server, job, "succeeded")
    assert any(b"garden" in file.read_bytes() for file in folder_of(server).iterdir())
    time.sleep(1.1)
    assert server.get(f"/v1/jobs/{job}").status == 404
    server._wait(lambda: not any(b"garden" in file.read_bytes() for file in folder_of(server).iterdir()), 60)


def test_a_job_that_fails_has_the_error_of_generations(server: Server) -> None:
    failed = wait_status(server, new_job(server, prompt="raise something is odd"), "failed")
    assert (failed["error"]["code"], failed["result"]) == ("engine_error", None)
    assert failed["error"]["message"].startswith("RuntimeError")


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({}, 400, "prompt"), ({"prompt": "x", "size": "1x1"}, 400, "size"),
        ({"prompt": "x", "stream": True}, 400, "stream"),
        ({"prompt": "x", "model": "other"}, 404, "model"), (b"[1]", 400, None), (b"\xff", 400, None),
        ({"prompt": "x", "oops": 1}, 400, "oops"), (b"[" * 60_000, 400, None),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_request_is_answered_at_once(
    server: Server, body: object, status: int, param: str | None
) -> None:
    answer = post_job(server, body)
    assert (answer.status, answer.json["error"]["param"]) == (status, param)


def test_jobs_and_requests_take_turns(server: Server) -> None:
    jobs = [new_job(server, steps=steps) for steps in (60, 6, 6)]
    wait_status(server, jobs[0], "running")
    thread, answers = in_background(lambda: server.post({"prompt": "x", "steps": 2}, {"X-Request-ID": "request"}))
    wait_metric(server, "image_gen_queue_depth", 3)
    thread.join(20)
    assert answers[0].status == 200
    wait_status(server, jobs[2], "succeeded")
    log = server.log
    assert log.index(f"painting {jobs[1]}-0") < log.index("painting request-0") < log.index(f"painting {jobs[2]}-0")


def test_openapi_names_every_status_of_jobs(server: Server) -> None:
    paths = server.get("/openapi.json").json["paths"]
    assert set(paths["/v1/jobs"]["post"]["responses"]) == {
        "202",
        "400",
        "404",
        "408",
        "413",
        "415",
        "422",
        "429",
        "503",
        "507",
    }
    assert set(paths["/v1/jobs/{job_id}"]) == {"get", "delete"}
    assert json.dumps(paths["/v1/queue"]["get"])


def test_a_job_belongs_to_its_api_key(start_server: StartServer) -> None:
    server = start_server(IMAGE_GEN_API_KEY=json.dumps({"alice": "key-of-alice", "bob": "key-of-bob"}))
    server.wait_phase("ready")
    alice, bob = ({"Authorization": f"Bearer key-of-{name}"} for name in ("alice", "bob"))
    body = {"prompt": "x", "steps": 2, "seed": 1}
    made = post_job(server, body, {**alice, "Idempotency-Key": "one"})
    path = f"/v1/jobs/{made.json['id']}"
    for method, at in (("GET", path), ("POST", f"{path}/cancel"), ("DELETE", path)):
        refused = server._ask(method, at, None, bob)
        assert (refused.status, refused.json["error"]["code"]) == (404, "job_not_found")
        assert server._ask(method, at, None, {}).status == 401
    same_name = post_job(server, body, {**bob, "Idempotency-Key": "one"})
    assert same_name.status == 202 and same_name.json["id"] != made.json["id"]
    server._wait(lambda: server._ask("GET", path, None, alice).json["status"] == "succeeded", 20)
