"""What the job store and the queue keep, and that nothing else is taken for it."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from image_gen.errors import ImageGenError
from image_gen.fleet.fleet_job import (
    FleetJob,
    FleetResult,
    UnreadableError,
    is_job_id,
    job_id_in,
    message_of,
    new_job_id,
)
from image_gen.fleet.gateway.stored_job import StoredJob, job_json
from image_gen.fleet.settings import FleetSettings

ID = "job_0123456789abcdef01234567"
JOB = FleetJob(ID, "anna", {"prompt": "a cat", "n": 2}, 12.5, "edit", {"image": f"jobs/{ID}/image"})
ENVIRONMENT = {
    "IMAGE_GEN_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/jobs",
    "IMAGE_GEN_JOB_STORE": "s3://bucket/images",
}


def test_a_job_and_a_result_are_read_as_they_were_written() -> None:
    assert FleetJob.from_json(JOB.to_json()) == JOB
    result = FleetResult(ID, "failed", 20.0, started=13.0, worker="w", error={"message": "no"})
    assert FleetResult.from_json(result.to_json()) == result


def test_a_field_of_a_later_version_is_left_out() -> None:
    later = json.loads(JOB.to_json()) | {"priority": 7}
    assert FleetJob.from_json(json.dumps(later).encode()) == JOB


def test_counts_that_no_gateway_has_checked_are_none_that_it_reckons_with() -> None:
    kept = json.loads(JOB.to_json()) | {"fields": {"n": "2"}, "before": "many"}
    job = StoredJob.from_json(json.dumps(kept).encode())
    assert (job.pictures, job.before) == (1, 0)
    job = StoredJob.from_json(job_json(JOB, before=3))
    assert (job.pictures, job.before) == (2, 3)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"id": "../../x"},
        {"id": None},
        {"fields": ["a cat"]},
        {"kind": "video"},
        {"kind": ["edit"]},
        {"created": "today"},
        {"files": {"image": "jobs/job_ffffffffffffffffffffffff/image"}},
        {"files": {"secrets": f"jobs/{ID}/secrets"}},
        {"files": ["image"]},
    ],
)
def test_what_is_no_job_is_refused(change: dict[str, object]) -> None:
    kept = {"version": 1, **asdict(JOB)} | change
    with pytest.raises(UnreadableError):
        FleetJob.from_json(json.dumps(kept).encode())


@pytest.mark.parametrize("body", ["", "[" * 100_000, "{}", '{"version": 1}', '{"version": 1, "job": "job_x"}', "null"])
def test_what_is_no_message_is_refused(body: str) -> None:
    with pytest.raises(UnreadableError):
        job_id_in(body)


def test_ids_are_new_and_their_messages_are_read() -> None:
    ids = {new_job_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(is_job_id(each) and job_id_in(message_of(each)) == each for each in ids)


def test_the_region_is_that_of_the_queue_and_an_emulators_address_is_asked() -> None:
    settings = FleetSettings.from_env(ENVIRONMENT)
    assert (settings.region, settings.endpoint) == ("eu-west-1", "")
    emulated = FleetSettings.from_env({**ENVIRONMENT, "IMAGE_GEN_QUEUE_URL": "http://emulator:5000/123456789012/jobs"})
    assert emulated.endpoint == "http://emulator:5000"


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ImageGenError) as caught:
        FleetSettings.from_env({"IMAGE_GEN_JOB_STORE": "bucket"})
    assert "IMAGE_GEN_QUEUE_URL: expected the URL of an SQS queue, got nothing" in caught.value.message
    assert "IMAGE_GEN_JOB_STORE: expected s3://bucket" in caught.value.message
    assert "Fix: set IMAGE_GEN_QUEUE_URL and IMAGE_GEN_JOB_STORE" in caught.value.message
