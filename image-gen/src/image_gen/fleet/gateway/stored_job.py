"""A job as the gateway reads it from the job store, and what it keeps there beside what workers need.

Comes in: objects of the job store. Goes out: jobs of the API. Must not: read or write anything.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from image_gen.fleet.fleet_job import VERSION, FleetJob, UnreadableError
from image_gen.serving.jobs.job import Job


@dataclass
class StoredJob(Job):
    """`before`: about how many jobs waited when it came. `pictures`: its `n`. `reservation`: the name of the object of
    its idempotency key; empty without one.
    """

    before: int = 0
    pictures: int = 1
    reservation: str = ""

    def as_fleet_job(self) -> FleetJob:
        """What workers read."""
        return FleetJob(self.id, self.key, json.loads(self.body), self.created, webhook_url=self.webhook_url)

    @classmethod
    def of(cls, job: Job, before: int, reservation: str) -> "StoredJob":
        """A new job of `POST /v1/jobs`."""
        return cls(
            job.id, job.key, job.body, job.created, 0, job.idempotency_key, job.fingerprint,
            job.webhook_url, before=before, pictures=json.loads(job.body).get("n") or 1, reservation=reservation,
        )  # fmt: skip

    @classmethod
    def from_json(cls, data: bytes) -> "StoredJob":
        """From the object of the job. Raises `UnreadableError`."""
        job, own = FleetJob.from_json(data), json.loads(data)
        return cls(
            job.id, job.key, json.dumps(dict(job.fields)), job.created, 0, webhook_url=job.webhook_url,
            before=_count(own.get("before"), 0), pictures=_count(job.fields.get("n"), 1),
            reservation=str(own.get("reservation") or ""),
        )  # fmt: skip


def _count(value: object, default: int) -> int:
    """Of a job that a program wrote and no gateway has checked: its worker says what is wrong with it."""
    return value if isinstance(value, int) and value > 0 else default


def job_json(job: FleetJob, before: int = 0, reservation: str = "") -> bytes:
    """The object of a job: a worker's fields, and the gateway's own."""
    kept: dict[str, Any] = json.loads(job.to_json())
    return json.dumps({**kept, "before": before, "reservation": reservation}).encode()


def reservation_name(key: str, idempotency_key: str) -> str:
    """The object by which all gateways agree on the job of an idempotency key."""
    text = f"{key}\n{idempotency_key}"
    return f"idempotency/{hashlib.sha256(text.encode()).hexdigest()}.json"


@dataclass(frozen=True)
class Reservation:
    """`sent`: whether the message of its job is known to be in the queue."""

    job: str
    fingerprint: str
    sent: bool = False

    def to_json(self) -> bytes:
        """What is kept."""
        kept = {"version": VERSION, "job": self.job, "fingerprint": self.fingerprint, "sent": self.sent}
        return json.dumps(kept).encode()

    @classmethod
    def from_json(cls, data: bytes) -> "Reservation":
        """Raises `UnreadableError`."""
        try:
            kept = json.loads(data)
            return cls(str(kept["job"]), str(kept["fingerprint"]), kept.get("sent") is True)
        except (ValueError, KeyError, TypeError):
            raise UnreadableError("the object of an idempotency key can't be read") from None
