"""Jobs by gateways: one queue and one job store, whichever gateway a client asks."""

from __future__ import annotations

import json
import signal
from concurrent.futures import ThreadPoolExecutor

from image_gen.fleet.fleet_job import FleetResult, job_name, message_of, result_name
from tests.fleet.conftest import Fleet, wait_for
from tests.serving.conftest import Server

from .conftest import (
    StartGateway,
    ask,
    finish,
    job_of,
    messages,
    new_job,
    post_job,
    start_worker,
    wait_status,
)

ORDER = {"Idempotency-Key": "order-1"}


def test_a_job_has_the_answer_that_a_worker_gives_to_the_same_request(fleet: Fleet, gateway: Server) -> None:
    request = {"prompt": "a cat", "steps": 2, "seed": 7, "n": 2, "size": "64x96"}
    accepted = post_job(gateway, request)
    assert (accepted.status, accepted.headers["location"]) == (202, f"/v1/jobs/{accepted.json['id']}")
    job = accepted.json
    assert (job["status"], job["position"], job["forecast_seconds"], job["estimated"]) == ("queued", 0, None, True)
    worker = start_worker(fleet, gateway)
    done = wait_status(gateway, job["id"], "succeeded")
    alone = worker.post(request).json
    times = {"created", "seconds"}
    assert {k: v for k, v in done["result"].items() if k not in times} == {
        k: v for k, v in alone.items() if k not in times
    }
    assert (done["error"], done["position"], done["progress"]) == (None, None, None)
    assert done["created_at"] <= done["started_at"] <= done["ended_at"]
    wait_for(lambda: fleet.left() == (0, 0))


def test_a_running_job_is_shown_as_one_and_its_cancellation_ends_the_workers_work(
    fleet: Fleet, gateway: Server
) -> None:
    worker = start_worker(fleet, gateway, FAKE_WORKER={"step_seconds": 0.2}, VISIBLE_AFTER=3)
    job_id = new_job(gateway, steps=150)
    running = wait_status(gateway, job_id, "running")
    assert running["started_at"] >= running["created_at"]
    assert running["forecast_seconds"] is not None
    assert ask(gateway, "POST", f"/v1/jobs/{job_id}/cancel").json["status"] == "cancelled"
    worker.wait_log(f"cancelled {job_id}-0 at step", 20)
    assert job_of(gateway, job_id)["status"] == "cancelled"
    assert fleet.names(f"jobs/{job_id}/pictures/") == []


def test_two_gateways_have_the_same_jobs(fleet: Fleet, start_gateway: StartGateway) -> None:
    one, other = start_gateway(), start_gateway()
    first, second, third = (new_job(one) for _ in range(3))
    assert job_of(other, first)["status"] == "queued"
    assert ask(other, "POST", f"/v1/jobs/{first}/cancel").status == 200
    assert job_of(one, first)["status"] == "cancelled"
    assert ask(other, "DELETE", f"/v1/jobs/{second}").status == 204
    assert ask(one, "GET", f"/v1/jobs/{second}").status == 404
    assert finish(fleet, third, error={"message": "no", "code": "engine_error", "param": None, "type": "server_error"})
    error = job_of(one, third)["error"]
    assert error is not None
    assert job_of(other, third)["error"] == error


def test_an_idempotency_key_is_one_for_all_gateways(fleet: Fleet, start_gateway: StartGateway) -> None:
    gateways = [start_gateway(), start_gateway()]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda index: post_job(gateways[index % 2], **ORDER), range(24)))
    assert {each.status for each in answers} == {202}
    [job_id] = {each.json["id"] for each in answers}
    assert sum("idempotent-replayed" not in each.headers for each in answers) == 1
    assert len([name for name in fleet.names("jobs/") if name.endswith("/job.json")]) == 1
    assert {body for body, _ in messages(fleet)} == {message_of(job_id)}
    other = post_job(gateways[1], {"prompt": "another"}, **ORDER)
    assert (other.status, other.json["error"]["code"]) == (422, "idempotency_key_reused")
    assert post_job(gateways[0], **{"Idempotency-Key": "a b"}).status == 400


def test_a_job_that_was_deleted_frees_its_idempotency_key(fleet: Fleet, gateway: Server) -> None:
    first = post_job(gateway, **ORDER).json["id"]
    assert ask(gateway, "DELETE", f"/v1/jobs/{first}").status == 204
    again = post_job(gateway, **ORDER)
    assert (again.status, again.json["id"] != first, "idempotent-replayed" in again.headers) == (202, True, False)


def test_a_message_that_a_gateway_did_not_send_before_its_end_is_sent_with_the_same_request(
    fleet: Fleet, gateway: Server
) -> None:
    job_id = post_job(gateway, **ORDER).json["id"]
    wait_for(lambda: messages(fleet))
    [name] = fleet.names("idempotency/")
    wait_for(lambda: json.loads(fleet.get(name) or b"{}")["sent"])
    assert post_job(gateway, **ORDER).json["id"] == job_id
    assert messages(fleet) == []
    fleet.put(name, json.dumps({**json.loads(fleet.get(name) or b""), "sent": False}).encode())
    assert post_job(gateway, **ORDER).json["id"] == job_id
    assert [body for body, _ in messages(fleet)] == [message_of(job_id)]


def test_a_job_belongs_to_its_key_and_the_queue_gives_each_key_its_turn(
    fleet: Fleet, start_gateway: StartGateway
) -> None:
    gateway = start_gateway(IMAGE_GEN_API_KEY={"anna": "a-key", "bert": "b-key"})
    anna, bert = {"Authorization": "Bearer a-key"}, {"Authorization": "Bearer b-key"}
    own = post_job(gateway, **anna, **ORDER).json["id"]
    others = post_job(gateway, **bert, **ORDER).json["id"]
    assert own != others
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/cancel")):
        answer = ask(gateway, method, f"/v1/jobs/{own}{path}", **bert)
        assert (answer.status, answer.json["error"]["code"]) == (404, "job_not_found")
    assert job_of(gateway, own, **anna)["status"] == "queued"
    assert dict(messages(fleet)) == {message_of(own): "anna", message_of(others): "bert"}
    assert ask(gateway, "GET", f"/v1/jobs/{own}").status == 401


def test_of_a_cancellation_and_a_result_the_first_counts(fleet: Fleet, gateway: Server) -> None:
    won, lost = new_job(gateway), new_job(gateway)
    assert ask(gateway, "POST", f"/v1/jobs/{won}/cancel").json["status"] == "cancelled"
    assert not finish(fleet, won)
    assert ask(gateway, "POST", f"/v1/jobs/{won}/cancel").status == 200
    assert finish(fleet, lost)
    refused = ask(gateway, "POST", f"/v1/jobs/{lost}/cancel")
    assert (refused.status, refused.json["error"]["code"]) == (409, "job_has_ended")
    assert [job_of(gateway, each)["status"] for each in (won, lost)] == ["cancelled", "failed"]


def test_a_deleted_job_leaves_no_prompt_and_no_picture(fleet: Fleet, gateway: Server) -> None:
    waiting = new_job(gateway)
    start = post_job(gateway, {"prompt": "secret", "steps": 2}, **ORDER).json["id"]
    assert ask(gateway, "DELETE", f"/v1/jobs/{waiting}").status == 204
    # A worker that has the job finds that it is over.
    assert FleetResult.from_json(fleet.get(result_name(waiting)) or b"").status == "cancelled"
    assert fleet.names(f"jobs/{waiting}/") == [result_name(waiting)]
    start_worker(fleet, gateway)
    wait_status(gateway, start, "succeeded")
    assert ask(gateway, "DELETE", f"/v1/jobs/{start}").status == 204
    assert fleet.names(f"jobs/{start}/") == fleet.names("idempotency/") == []
    wait_for(lambda: fleet.left() == (0, 0))


def test_a_gateway_that_is_killed_loses_no_job(fleet: Fleet, start_gateway: StartGateway) -> None:
    before = start_gateway()
    jobs = [new_job(before, seed=number) for number in range(5)]
    before.signal(signal.SIGKILL)
    before.process.wait(10)
    after = start_gateway()
    start_worker(fleet, after)
    seeds = [wait_status(after, job, "succeeded")["result"]["data"][0]["seed"] for job in jobs]
    assert seeds == [0, 1, 2, 3, 4]


def test_a_job_without_a_seed_has_one_that_every_worker_uses(fleet: Fleet, gateway: Server) -> None:
    job_id = new_job(gateway)
    assert isinstance(json.loads(fleet.get(job_name(job_id)) or b"")["fields"]["seed"], int)


def test_what_a_job_of_a_fleet_can_not_have_is_refused_by_name(fleet: Fleet, gateway: Server) -> None:
    refused: dict[str, object] = {
        "webhook_url": "https://example.com/hook", "stream": True, "response_format": "url", "model": "another/model",
        "size": "1x1", "prompt": "",
    }  # fmt: skip
    for param, value in refused.items():
        answer = post_job(gateway, {"prompt": "x", param: value}, **ORDER)
        assert (answer.status, answer.json["error"]["param"]) == (404 if param == "model" else 400, param)
    assert fleet.names() == []


def test_position_and_waiting_time_are_estimates_that_say_so(fleet: Fleet, gateway: Server) -> None:
    jobs = [new_job(gateway) for _ in range(3)]
    wait_for(lambda: ask(gateway, "GET", "/v1/queue").json["waiting_jobs"] == 3)
    state = ask(gateway, "GET", "/v1/queue").json
    assert (state["running"], state["workers"], state["forecast_seconds"], state["estimated"]) == (0, 0, None, True)
    assert all(job_of(gateway, job)["position"] in range(3) for job in jobs)
    start_worker(fleet, gateway)
    for job in jobs:
        wait_status(gateway, job, "succeeded")
    wait_for(lambda: ask(gateway, "GET", "/v1/queue").json["waiting_jobs"] == 0)
    assert ask(gateway, "GET", "/v1/queue").json["forecast_seconds"] is not None
