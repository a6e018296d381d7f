"""One worker with an engine that paints without torch: what becomes of a job and of its message."""

from __future__ import annotations

import io
import json
import signal
import time

import pytest
from PIL import Image

from image_gen.fleet.fleet_job import FleetJob, FleetResult, job_name, message_of, new_job_id, result_name
from tests.fleet.conftest import Fleet, wait_for
from tests.serving.conftest import Server

SLOW = {"step_seconds": 0.3}


def ready(fleet: Fleet, **env: object) -> Server:
    server = fleet.start(**env)
    server.wait_phase("ready")
    return server


def done(fleet: Fleet, job_id: str, seconds: float = 60) -> FleetResult:
    found: FleetResult = wait_for(lambda: fleet.result(job_id), seconds)
    return found


def picture(data: bytes | None) -> Image.Image:
    assert data is not None
    return Image.open(io.BytesIO(data))


def test_a_job_has_its_pictures_and_settings_and_leaves_nothing_in_the_queue(fleet: Fleet) -> None:
    worker = ready(fleet)
    job_id = fleet.send("a cat", n=2, seed=7, size="64x96")
    result = done(fleet, job_id)
    assert (result.status, result.error) == ("succeeded", None)
    assert result.answer is not None
    assert [each["seed"] for each in result.answer["data"]] == [7, 8]
    assert "b64_json" not in json.dumps(result.answer)
    for each in result.answer["data"]:
        assert picture(fleet.get(each["object"])).size == (64, 96)
    wait_for(lambda: fleet.left() == (0, 0))
    wait_for(lambda: fleet.names(f"jobs/{job_id}/attempts/") == [])
    alone = worker.post({"prompt": "a cat", "n": 2, "seed": 7, "size": "64x96", "steps": 2}).json
    import base64

    assert base64.b64decode(alone["data"][1]["b64_json"]) == fleet.get(result.answer["data"][1]["object"])


def test_an_edit_has_its_upload_from_the_job_store(fleet: Fleet) -> None:
    ready(fleet)
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(out, "PNG")
    job_id = new_job_id()
    path = f"jobs/{job_id}/image"
    fleet.put(path, out.getvalue())
    fleet.send_job(FleetJob(job_id, "", {"prompt": "x", "steps": 4}, 0.0, "edit", {"image": path}))
    assert done(fleet, job_id).status == "succeeded"


def test_an_edit_whose_upload_is_gone_fails_at_once(fleet: Fleet) -> None:
    ready(fleet)
    job_id = new_job_id()
    fleet.send_job(FleetJob(job_id, "", {"prompt": "x"}, 0.0, "edit", {"image": f"jobs/{job_id}/image"}))
    result = done(fleet, job_id)
    assert (result.status, (result.error or {})["code"]) == ("failed", "job_not_made")
    wait_for(lambda: fleet.left() == (0, 0))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"size": "1x1"}, "size"),
        ({"model": "another/one"}, "model"),
        ({"stream": True}, "stream"),
        ({"steps": "x"}, "steps"),
    ],
)
def test_a_wrong_field_is_a_failed_job_with_the_errors_of_the_api(
    fleet: Fleet, fields: dict[str, object], param: str
) -> None:
    ready(fleet)
    result = done(fleet, fleet.send(**fields))
    assert result.status == "failed"
    assert result.error is not None
    assert result.error["param"] == param
    wait_for(lambda: fleet.left() == (0, 0))
    assert fleet.buried() == []


@pytest.mark.parametrize(
    "body", ["", "{}", "no JSON", '{"version": 1, "job": "../x"}', '{"version": 2, "job": "x"}', "[]"]
)
def test_a_message_that_is_none_goes_to_the_dead_letters_with_the_reason(fleet: Fleet, body: str) -> None:
    ready(fleet)
    fleet.message(body or " ")
    [(buried, reason)] = wait_for(fleet.buried)
    assert (buried, "the message is" in reason) == (body or " ", True)
    wait_for(lambda: fleet.left() == (0, 0))


def test_a_job_that_is_damaged_or_reads_another_jobs_files_goes_to_the_dead_letters(fleet: Fleet) -> None:
    ready(fleet)
    damaged, other = new_job_id(), new_job_id()
    fleet.put(job_name(damaged), b"{")
    fleet.message(message_of(damaged))
    fleet.send_job(FleetJob(other, "", {"prompt": "x"}, 0.0, "edit", {"image": f"jobs/{damaged}/job.json"}))
    found: dict[str, str] = {}
    wait_for(lambda: found.update(fleet.buried()) or len(found) == 2)
    assert found == {
        message_of(damaged): "the job is of another version, or no JSON",
        message_of(other): "the job has fields that no job has",
    }


def test_a_job_that_was_deleted_is_forgotten(fleet: Fleet) -> None:
    worker = ready(fleet)
    fleet.message(message_of(new_job_id()))
    worker.wait_log(": gone after")
    wait_for(lambda: fleet.left() == (0, 0))


def test_a_second_delivery_of_a_job_that_is_done_makes_nothing(fleet: Fleet) -> None:
    worker = ready(fleet)
    job_id = fleet.send()
    first = done(fleet, job_id)
    fleet.message(message_of(job_id))
    wait_for(lambda: worker.log.count(f"{job_id}: ended after") == 1)
    assert fleet.result(job_id) == first
    pictures = fleet.names(f"jobs/{job_id}/pictures/")
    assert first.answer is not None
    assert pictures == [each["object"] for each in first.answer["data"]]


def test_a_cancelled_job_is_stopped_and_keeps_the_cancellation(fleet: Fleet) -> None:
    worker = ready(fleet, FAKE_WORKER=SLOW, VISIBLE_AFTER=2)
    job_id = fleet.send(steps=100)
    worker.wait_log(f"painting {job_id}")
    cancelled = FleetResult(job_id, "cancelled", time.time())
    fleet.put(result_name(job_id), cancelled.to_json())
    worker.wait_log(f"{job_id}: ended after")
    assert fleet.result(job_id) == cancelled
    wait_for(lambda: fleet.left() == (0, 0))
    assert fleet.names(f"jobs/{job_id}/pictures/") == []
    assert done(fleet, fleet.send()).status == "succeeded"


def test_sigterm_gives_the_job_back_at_once_and_it_counts_as_no_attempt(fleet: Fleet) -> None:
    first = ready(fleet, FAKE_WORKER=SLOW)
    job_id = fleet.send(steps=100)
    first.wait_log(f"painting {job_id}")
    first.signal(signal.SIGTERM)
    # Long before the queue itself would show it again.
    wait_for(lambda: fleet.left() == (1, 0), 10)
    assert first.process.wait(30) == 0
    assert fleet.names("workers/") == []
    assert fleet.names(f"jobs/{job_id}/attempts/") == []
    ready(fleet)
    assert done(fleet, job_id).status == "succeeded"


def test_a_drained_worker_ends_its_job_and_takes_no_other_one_until_it_is_over(fleet: Fleet) -> None:
    worker = ready(fleet, FAKE_WORKER=SLOW, DRAIN_ASKED_EVERY=0.2)
    job_id = fleet.send(steps=20)
    worker.wait_log(f"painting {job_id}")
    fleet.put("drain.json", b"{}")
    worker.wait_log("The fleet is drained: this worker takes no jobs.")
    waiting = fleet.send()
    [name] = fleet.names("workers/")
    record = lambda: json.loads(fleet.get(name) or b"{}")  # noqa: E731
    assert (record()["takes_jobs"], record()["drained"]) == (False, False)
    assert done(fleet, job_id).status == "succeeded"
    wait_for(lambda: record()["drained"])
    assert fleet.left() == (1, 0)
    # One that starts meanwhile takes none either.
    ready(fleet, DRAIN_ASKED_EVERY=0.2)
    time.sleep(1)
    assert fleet.left() == (1, 0)
    fleet.s3.delete_object(Bucket="fleet", Key="images/drain.json")
    assert done(fleet, waiting).status == "succeeded"
    wait_for(lambda: record()["takes_jobs"])


def test_sigterm_while_it_waits_for_a_job_leaves_none_hidden(fleet: Fleet) -> None:
    worker = ready(fleet)
    worker.wait_log("takes jobs from")
    worker.signal(signal.SIGTERM)
    assert worker.process.wait(30) == 0
    assert fleet.left() == (0, 0)


def test_a_message_stays_hidden_while_its_pictures_are_made(fleet: Fleet) -> None:
    ready(fleet, FAKE_WORKER=SLOW, VISIBLE_AFTER=3)
    second = ready(fleet, FAKE_WORKER=SLOW, VISIBLE_AFTER=3)
    job_id = fleet.send(steps=30)
    assert done(fleet, job_id).status == "succeeded"
    made = sum(f"painting {job_id}" in worker.log for worker in (fleet.workers[0], second))
    assert made == 1


def test_a_killed_workers_job_is_made_by_another_one(fleet: Fleet) -> None:
    first = ready(fleet, FAKE_WORKER=SLOW, VISIBLE_AFTER=3)
    job_id = fleet.send(steps=100)
    first.wait_log(f"painting {job_id}")
    first.signal(signal.SIGKILL)
    ready(fleet, VISIBLE_AFTER=3)
    result = done(fleet, job_id)
    assert result.status == "succeeded"
    # The killed one's; that of the other ended in order.
    wait_for(lambda: len(fleet.names(f"jobs/{job_id}/attempts/")) == 1)


def test_a_job_that_ends_every_engine_fails_with_the_reason_and_goes_to_the_dead_letters(fleet: Fleet) -> None:
    worker = ready(fleet, VISIBLE_AFTER=5, FAST=0.05)
    job_id = fleet.send("be killed")
    result = done(fleet, job_id, 120)
    assert result.status == "failed"
    assert result.error is not None
    assert result.error["code"] == "job_not_made"
    assert "3 attempts did not end in order. The last one: " in result.error["message"]
    [(body, reason)] = wait_for(fleet.buried)
    assert body == message_of(job_id)
    assert "3 attempts did not end in order" in reason
    wait_for(lambda: fleet.left() == (0, 0))
    assert done(fleet, fleet.send()).status == "succeeded"
    assert worker.process.poll() is None


def test_a_worker_says_what_it_serves(fleet: Fleet) -> None:
    worker = ready(fleet)
    [name] = wait_for(lambda: fleet.names("workers/"))
    wait_for(lambda: json.loads(fleet.get(name) or b"{}")["phase"] in {"starting", "loading", "warming", "ready"})
    record = json.loads(fleet.get(name) or b"")
    assert record["model"] == str(fleet.model)
    assert worker.get("/readyz").status == 200


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("IMAGE_GEN_QUEUE_URL", "", "expected the URL of an SQS queue, got nothing"),
        ("IMAGE_GEN_QUEUE_URL", "jobs", "expected the URL of an SQS queue, got 'jobs'"),
        ("IMAGE_GEN_JOB_STORE", "", "expected s3://bucket/prefix, got nothing"),
        ("IMAGE_GEN_JOB_STORE", "bucket", "expected s3://bucket or s3://bucket/prefix, got 'bucket'"),
    ],
)
def test_a_wrong_setting_is_one_line(fleet: Fleet, name: str, value: str, said: str) -> None:
    worker = fleet.start(**{name: value})
    assert worker.process.wait(60) == 2
    assert worker.log.count("\n") == 1
    assert f"{name}: {said}" in worker.log
    assert f"Fix: set {name}" in worker.log


def test_a_store_or_queue_that_can_not_be_reached_is_said_and_the_worker_stays(fleet: Fleet) -> None:
    worker = ready(fleet, AWS_ENDPOINT_URL_SQS="http://127.0.0.1:9")
    worker.wait_log("No job can be taken: The queue", 60)
    assert worker.get("/readyz").status == 200
