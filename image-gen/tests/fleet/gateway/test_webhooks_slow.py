"""Webhooks of a fleet: one for each job that ends, however it does, and whoever has to send it."""

from __future__ import annotations

import json
import signal
import time

import pytest

from image_gen.fleet.fleet_job import FleetJob, FleetResult, message_of, new_job_id, result_name, webhook_name
from tests.fleet.conftest import Fleet, wait_for
from tests.serving.conftest import Server
from tests.serving.jobs.receiver import SECRET, Receiver, receiver, signature_of

from .conftest import StartGateway, ask, finish, job_of, new_job, post_job, start_worker, wait_status

__all__ = ["receiver"]
SET: dict[str, object] = {
    "IMAGE_GEN_WEBHOOK_SECRET": SECRET, "IMAGE_GEN_WEBHOOK_PRIVATE": 1, "WEBHOOKS_TAKEN_AFTER": 0.5,
}  # fmt: skip


def ready(fleet: Fleet, **env: object) -> Server:
    worker = fleet.start(**{**SET, **env})
    worker.wait_phase("ready")
    return worker


def sent_to(receiver: Receiver, count: int = 1) -> list[tuple[str, str]]:
    """The type and the job of what came, of which there are so many and no more."""
    receiver.wait(count)
    time.sleep(1)
    assert len(receiver.got) == count, receiver.got
    messages = [json.loads(body) for _, _, body in receiver.got]
    return [(each["type"], each["data"]["id"]) for each in messages]


def nothing_owed(fleet: Fleet) -> bool:
    return bool(wait_for(lambda: fleet.names("webhooks/") == [] and fleet.left() == (0, 0)))


def test_the_webhook_of_a_gateways_job_has_the_signature_of_one_host(
    fleet: Fleet, start_gateway: StartGateway, receiver: Receiver
) -> None:
    gateway = start_gateway(**SET)
    worker = start_worker(fleet, gateway, **SET)
    request = {"prompt": "a very secret garden", "steps": 2, "webhook_url": receiver.url}
    job_id = post_job(gateway, request, **{"Idempotency-Key": "a"}).json["id"]
    assert sent_to(receiver) == [("job.succeeded", job_id)]
    path, headers, body = receiver.got[0]
    assert (path, headers["webhook-id"]) == ("/hook?token=hidden", f"msg_{job_id}")
    assert headers["webhook-signature"] == signature_of(headers, body)
    assert b"garden" not in body and len(body) < 1000
    job = job_of(gateway, job_id)
    message = json.loads(body)["data"]
    assert {name: job[name] for name in message} == message
    assert nothing_owed(fleet)
    other = post_job(gateway, {**request, "webhook_url": "https://example.com/"}, **{"Idempotency-Key": "a"})
    assert other.json["error"]["code"] == "idempotency_key_reused"
    assert "hidden" not in worker.log + gateway.log and SECRET not in worker.log + gateway.log


def test_a_receiver_that_fails_first_gets_the_same_message_again_and_stops_no_engine(
    fleet: Fleet, receiver: Receiver
) -> None:
    receiver.statuses = [500, 302, 204]
    receiver.answering.clear()
    worker = ready(fleet, FAST="0.1", WEBHOOKS_TAKEN_AFTER=60)
    job_id = fleet.send(webhook_url=receiver.url)
    receiver.wait(1)
    following = fleet.send()
    wait_for(lambda: fleet.result(following))
    wait_for(lambda: fleet.left() == (0, 0))
    assert "500 from" not in worker.log
    receiver.answering.set()
    assert sent_to(receiver, 3) == [("job.succeeded", job_id)] * 3
    assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 1
    worker.wait_log("500 from 127.0.0.1")
    worker.wait_log("302 from 127.0.0.1")
    assert nothing_owed(fleet)


def test_one_that_never_answers_well_is_given_up_after_nine_attempts_and_410_after_one(
    fleet: Fleet, receiver: Receiver
) -> None:
    receiver.statuses = [500]
    worker = ready(fleet, FAST="0.05", WEBHOOKS_TAKEN_AFTER=30)
    fleet.send(webhook_url=receiver.url)
    assert len(sent_to(receiver, 9)) == 9
    worker.wait_log("given up after 500 from 127.0.0.1")
    assert nothing_owed(fleet)
    receiver.statuses = [410]
    fleet.send(webhook_url=receiver.url)
    assert len(sent_to(receiver, 10)) == 10
    worker.wait_log("given up after 410 from 127.0.0.1")
    assert nothing_owed(fleet)


def test_a_worker_that_is_killed_between_the_result_and_the_webhook_leaves_it_to_the_next_one(
    fleet: Fleet, receiver: Receiver
) -> None:
    job = FleetJob(new_job_id(), "", {"prompt": "x"}, 0.0, webhook_url=receiver.url)
    fleet.put(result_name(job.id), FleetResult(job.id, "succeeded", 7.5, answer={"data": []}).to_json())
    fleet.send_job(job)
    ready(fleet)
    assert sent_to(receiver) == [("job.succeeded", job.id)]
    assert json.loads(receiver.got[0][2])["data"]["ended_at"] == 7
    assert nothing_owed(fleet)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_that_ends_while_the_address_is_slow_leaves_it_to_a_gateway(
    fleet: Fleet, start_gateway: StartGateway, receiver: Receiver, number: signal.Signals
) -> None:
    receiver.answering.clear()
    worker = ready(fleet, FAST="0.1")
    job_id = fleet.send(webhook_url=receiver.url)
    receiver.wait(1)
    assert fleet.left() == (0, 0)
    worker.signal(number)
    assert worker.process.wait(30) in {0, -signal.SIGKILL}
    assert f"webhooks/{job_id}/pending.json" in fleet.names("webhooks/")
    before, receiver.got = receiver.got, []
    receiver.answering.set()
    for _ in range(2):
        start_gateway(**SET)
    assert sent_to(receiver) == [("job.succeeded", job_id)]
    assert {headers["webhook-id"] for _, headers, _ in [*before, *receiver.got]} == {f"msg_{job_id}"}
    assert nothing_owed(fleet)


def test_several_messages_of_one_job_are_one_webhook(fleet: Fleet, receiver: Receiver) -> None:
    for _ in range(2):
        ready(fleet)
    job_id = fleet.send(webhook_url=receiver.url)
    for _ in range(5):
        fleet.message(message_of(job_id))
    assert sent_to(receiver) == [("job.succeeded", job_id)]
    assert nothing_owed(fleet)
    fleet.message(message_of(job_id))
    assert nothing_owed(fleet)
    assert sent_to(receiver) == [("job.succeeded", job_id)]


def test_jobs_that_are_wrong_and_jobs_that_end_engines_have_a_webhook(fleet: Fleet, receiver: Receiver) -> None:
    ready(fleet, VISIBLE_AFTER=5, FAST=0.05)
    wrong = fleet.send(size="1x1", webhook_url=receiver.url)
    assert sent_to(receiver) == [("job.failed", wrong)]
    assert json.loads(receiver.got[0][2])["data"]["error"]["param"] == "size"
    dead = fleet.send("be killed", webhook_url=receiver.url)
    wait_for(fleet.buried, 120)
    assert sent_to(receiver, 2)[1] == ("job.failed", dead)
    assert json.loads(receiver.got[1][2])["data"]["error"]["code"] == "job_not_made"
    assert nothing_owed(fleet)


def test_a_job_that_is_cancelled_or_deleted_without_a_worker_has_a_webhook(
    fleet: Fleet, start_gateway: StartGateway, receiver: Receiver
) -> None:
    one, other = start_gateway(**SET), start_gateway(**SET)
    cancelled = new_job(one, webhook_url=receiver.url)
    assert ask(other, "POST", f"/v1/jobs/{cancelled}/cancel").status == 200
    assert sent_to(receiver) == [("job.cancelled", cancelled)]
    deleted = new_job(one, webhook_url=receiver.url)
    assert ask(other, "DELETE", f"/v1/jobs/{deleted}").status == 204
    assert sent_to(receiver, 2)[1] == ("job.cancelled", deleted)
    # What stays has no address.
    assert sorted(fleet.names(f"jobs/{deleted}/")) == [result_name(deleted), webhook_name(deleted)]
    assert b"hidden" not in (fleet.get(webhook_name(deleted)) or b"")
    # A worker that gets their messages sends nothing more, nor does the end of one that was deleted after its end.
    start_worker(fleet, one, **SET)
    assert nothing_owed(fleet)
    assert ask(one, "DELETE", f"/v1/jobs/{cancelled}").status == 204
    assert len(sent_to(receiver, 2)) == 2


def test_a_job_that_is_deleted_while_a_worker_has_it_has_one_webhook(
    fleet: Fleet, start_gateway: StartGateway, receiver: Receiver
) -> None:
    gateway = start_gateway(**SET)
    worker = start_worker(fleet, gateway, FAKE_WORKER={"step_seconds": 0.2}, VISIBLE_AFTER=3, **SET)
    job_id = new_job(gateway, steps=150, webhook_url=receiver.url)
    wait_status(gateway, job_id, "running")
    assert ask(gateway, "DELETE", f"/v1/jobs/{job_id}").status == 204
    worker.wait_log(f"{job_id}: ended after", 20)
    assert sent_to(receiver) == [("job.cancelled", job_id)]
    assert nothing_owed(fleet)


def test_a_gateway_that_ends_between_a_cancellation_and_its_webhook_leaves_it_to_the_worker(
    fleet: Fleet, start_gateway: StartGateway, receiver: Receiver
) -> None:
    gateway = start_gateway(**SET)
    job_id = new_job(gateway, webhook_url=receiver.url)
    assert finish(fleet, job_id, "cancelled")
    time.sleep(1)
    assert receiver.got == []
    start_worker(fleet, gateway, **SET)
    assert sent_to(receiver) == [("job.cancelled", job_id)]
    assert nothing_owed(fleet)


def test_private_addresses_are_refused_when_the_job_comes_and_when_it_has_ended(
    fleet: Fleet, start_gateway: StartGateway, receiver: Receiver
) -> None:
    public = {**SET, "IMAGE_GEN_WEBHOOK_PRIVATE": 0}
    gateway = start_gateway(**public)
    worker = start_worker(fleet, gateway, **public)
    refused = post_job(gateway, {"prompt": "x", "webhook_url": receiver.url})
    assert (refused.status, refused.json["error"]["param"]) == (400, "webhook_url")
    port = receiver.server_address[1]
    named = new_job(gateway, webhook_url=f"https://localhost:{port}/")
    assert wait_status(gateway, named, "succeeded")["result"] is not None
    worker.wait_log("an address that is not public from localhost")
    # A program that sends its jobs past the gateway gets no further.
    fleet.send(webhook_url=receiver.url)
    worker.wait_log("an address that is not allowed here")
    assert receiver.got == []


def test_an_address_that_is_none_fails_its_job_with_the_error_of_the_api(fleet: Fleet) -> None:
    ready(fleet)
    job_id = fleet.send(webhook_url="ftp://example.com/")
    result = wait_for(lambda: fleet.result(job_id))
    assert (result.status, result.error["param"]) == ("failed", "webhook_url")
    assert nothing_owed(fleet)


def test_without_a_secret_a_gateway_refuses_and_a_worker_leaves_it_to_those_that_have_it(
    fleet: Fleet, start_gateway: StartGateway, receiver: Receiver
) -> None:
    without = {**SET, "IMAGE_GEN_WEBHOOK_SECRET": ""}
    gateway = start_gateway(**without)
    refused = post_job(gateway, {"prompt": "x", "webhook_url": "https://example.com/"})
    assert (refused.status, refused.json["error"]["param"]) == (400, "webhook_url")
    assert "as IMAGE_GEN_WEBHOOK_SECRET is not set" in refused.json["error"]["message"]
    worker = ready(fleet, **without)
    job_id = fleet.send(webhook_url=receiver.url)
    worker.wait_log(f"Webhook of job {job_id}: waits for a process that has IMAGE_GEN_WEBHOOK_SECRET.")
    start_gateway(**SET)
    assert sent_to(receiver) == [("job.succeeded", job_id)]
