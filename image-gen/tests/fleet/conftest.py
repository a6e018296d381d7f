"""Workers of a fleet with an engine that paints without torch, and a queue and a job store on loopback."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from fake_s3.fixtures import s3_server

from image_gen.fleet.fleet_job import FleetJob, FleetResult, job_name, message_of, new_job_id, result_name
from tests.serving.conftest import HERE, Server, _end, _start, model_dir

__all__ = ["model_dir", "s3_server"]
BUCKET, PREFIX = "fleet", "images"


@dataclass
class Fleet:
    """What a program without a gateway does: it writes jobs, sends messages and reads results."""

    endpoint: str
    folder: Path
    model: Path
    queue_url: str = ""
    dead_letters: str = ""
    workers: list[Server] = field(default_factory=list)

    def __post_init__(self) -> None:
        keys: dict[str, Any] = {
            "aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "not-a-secret", "region_name": "us-east-1",
            "endpoint_url": self.endpoint,
        }  # fmt: skip
        self.sqs, self.s3 = boto3.client("sqs", **keys), boto3.client("s3", **keys)
        self.s3.create_bucket(Bucket=BUCKET)
        self.queue_url = self.sqs.create_queue(QueueName="jobs")["QueueUrl"]
        self.dead_letters = self.sqs.create_queue(QueueName="dead-letters")["QueueUrl"]

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "not-a-secret", "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.endpoint, "IMAGE_GEN_QUEUE_URL": self.queue_url,
            "IMAGE_GEN_DEAD_LETTER_QUEUE_URL": self.dead_letters, "IMAGE_GEN_JOB_STORE": f"s3://{BUCKET}/{PREFIX}",
        }  # fmt: skip

    def start(self, worker: str = str(HERE / "fake_worker.py"), **env: object) -> Server:
        """A worker, which is not ready yet."""
        about = {"MODEL_DIR": self.model, "IMAGE_GEN_JOBS": "none", "WORK": 1, **self.environment, **env}
        self.workers.append(_start(self.folder, worker, about))
        return self.workers[-1]

    def send(self, prompt: str = "x", key: str = "", webhook_url: str | None = None, **fields: object) -> str:
        """The id of a new job."""
        job = FleetJob(new_job_id(), key, {"prompt": prompt, "steps": 2, **fields}, 0.0, webhook_url=webhook_url)
        return self.send_job(job)

    def send_job(self, job: FleetJob) -> str:
        self.put(job_name(job.id), job.to_json())
        self.message(message_of(job.id), job.key or "default")
        return job.id

    def message(self, body: str, group: str = "default") -> None:
        self.sqs.send_message(QueueUrl=self.queue_url, MessageBody=body, MessageGroupId=group)

    def put(self, name: str, data: bytes) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{name}", Body=data)

    def get(self, name: str) -> bytes | None:
        try:
            return bytes(self.s3.get_object(Bucket=BUCKET, Key=f"{PREFIX}/{name}")["Body"].read())
        except self.s3.exceptions.NoSuchKey:
            return None

    def names(self, folder: str = "") -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{PREFIX}/{folder}")
        return [each["Key"].removeprefix(f"{PREFIX}/") for page in pages for each in page.get("Contents", [])]

    def result(self, job_id: str) -> FleetResult | None:
        data = self.get(result_name(job_id))
        return None if data is None else FleetResult.from_json(data)

    def left(self, url: str | None = None) -> tuple[int, int]:
        """How many messages wait, and how many are hidden."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        about = self.sqs.get_queue_attributes(QueueUrl=url or self.queue_url, AttributeNames=names)["Attributes"]
        return int(about[names[0]]), int(about[names[1]])

    def buried(self) -> list[tuple[str, str]]:
        """Body and reason of each dead letter, which is deleted."""
        found = []
        while True:
            about = self.sqs.receive_message(
                QueueUrl=self.dead_letters, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
            )
            if not about.get("Messages"):
                return found
            for each in about["Messages"]:
                found.append((each["Body"], each["MessageAttributes"]["reason"]["StringValue"]))
                self.sqs.delete_message(QueueUrl=self.dead_letters, ReceiptHandle=each["ReceiptHandle"])


@pytest.fixture
def fleet(s3_server: tuple[str, int], tmp_path: Path, model_dir: Path) -> Iterator[Fleet]:
    """An empty queue and store."""
    endpoint = f"http://{s3_server[0]}:{s3_server[1]}"
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")).close()
    made = Fleet(endpoint, tmp_path, model_dir)
    yield made
    for server in made.workers:
        _end(server)


Wait = Callable[[], object]


def wait_for(done: Wait, seconds: float = 60) -> Any:
    """What `done` gives, once it is something."""
    import time

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := done():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")
