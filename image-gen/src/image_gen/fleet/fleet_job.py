"""A job and its result as the job store keeps them, and the names of their objects.

All names are relative to the job store's prefix. Times are seconds since 1970.
"""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, get_args

VERSION: Final = 1
Kind = Literal["generation", "edit", "variation"]
Outcome = Literal["succeeded", "failed", "cancelled"]
_ID: Final = re.compile(r"job_[0-9a-f]{24}")


class UnreadableError(ValueError):
    """A message or an object that no part of a fleet of this version wrote."""


def new_job_id() -> str:
    """Which nobody can guess."""
    return f"job_{secrets.token_hex(12)}"


def is_job_id(text: object) -> bool:
    """Whether it can be a part of an object's name."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def folder_of(job_id: str) -> str:
    """What the names of all objects of a job begin with."""
    return f"jobs/{job_id}/"


def job_name(job_id: str) -> str:
    """The object of the job itself."""
    return f"{folder_of(job_id)}job.json"


def result_name(job_id: str) -> str:
    """The object of its result."""
    return f"{folder_of(job_id)}result.json"


def webhook_name(job_id: str) -> str:
    """An object that is there once the job's webhook has been sent, or is kept to be."""
    return f"{folder_of(job_id)}webhook.json"


def handover_name(job_id: str) -> str:
    """An object by which gateways agree whether a job whose message is not known to be sent is sent or given up."""
    return f"{folder_of(job_id)}handover.json"


def attempts_folder(job_id: str) -> str:
    """Where each attempt that did not end in order has an object."""
    return f"{folder_of(job_id)}attempts/"


def picture_name(job_id: str, attempt: str, index: int, kind: str) -> str:
    """One picture of one attempt."""
    return f"{folder_of(job_id)}pictures/{attempt}-{index}.{kind}"


def message_of(job_id: str) -> str:
    """The body of the queue's message."""
    return json.dumps({"version": VERSION, "job": job_id})


def job_id_in(body: str) -> str:
    """The job that a message is about. Raises `UnreadableError`."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        raise UnreadableError("the message is no JSON") from None
    if not isinstance(message, dict) or message.get("version") != VERSION or not is_job_id(message.get("job")):
        raise UnreadableError('the message is not {"version": 1, "job": "job_…"}')
    return str(message["job"])


@dataclass(frozen=True)
class FleetJob:
    """`key` is the name of the API key. `fields` are the request's, `files` the names of the objects of its uploads.
    `webhook_url` is called when the job has ended.
    """

    id: str
    key: str
    fields: Mapping[str, Any]
    created: float
    kind: Kind = "generation"
    files: Mapping[str, str] = field(default_factory=dict)
    webhook_url: str | None = None

    def to_json(self) -> bytes:
        """What is kept."""
        return json.dumps({"version": VERSION, **asdict(self)}).encode()

    @classmethod
    def from_json(cls, data: bytes) -> "FleetJob":
        """Raises `UnreadableError`."""
        kept = _object(data, "job")
        try:
            job = cls(
                id=kept["id"], key=str(kept.get("key", "")), fields=kept["fields"], created=float(kept["created"]),
                kind=kept.get("kind", "generation"), files=kept.get("files") or {},
                webhook_url=kept.get("webhook_url"),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise UnreadableError(f"the job has no {error}") from None
        own = folder_of(job.id)
        fine = is_job_id(job.id) and isinstance(job.fields, dict) and isinstance(job.webhook_url, str | None)
        # Not a set: what somebody else wrote may have no hash.
        fine = fine and job.kind in get_args(Kind)
        files = job.files.items() if isinstance(job.files, dict) else [("", None)]
        # Another job's uploads, or anything else in the bucket, are no part of this one.
        if not fine or not all(name in {"image", "mask"} and path == f"{own}{name}" for name, path in files):
            raise UnreadableError("the job has fields that no job has")
        return job


@dataclass(frozen=True)
class FleetResult:
    """`answer` is OpenAI's, with the name of an object in place of each picture; `error` is OpenAI's `error`."""

    id: str
    status: Outcome
    ended: float
    started: float | None = None
    worker: str = ""
    seconds: float = 0.0
    answer: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None

    def to_json(self) -> bytes:
        """What is kept."""
        return json.dumps({"version": VERSION, **asdict(self)}).encode()

    @classmethod
    def from_json(cls, data: bytes) -> "FleetResult":
        """Raises `UnreadableError`."""
        kept = _object(data, "result")
        names = ("id", "status", "ended", "started", "worker", "seconds", "answer", "error")
        try:
            return cls(**{name: kept[name] for name in names if name in kept})
        except TypeError as error:
            raise UnreadableError(f"the result can't be read: {error}") from None


@dataclass(frozen=True)
class PendingWebhook:
    """What is to be sent. It has neither the prompt nor the pictures."""

    url: str
    body: str

    def to_json(self) -> bytes:
        """What is kept."""
        return json.dumps({"version": VERSION, **asdict(self)}).encode()

    @classmethod
    def from_json(cls, data: bytes) -> "PendingWebhook":
        """Raises `UnreadableError`."""
        kept = _object(data, "webhook")
        try:
            return cls(str(kept["url"]), str(kept["body"]))
        except KeyError as error:
            raise UnreadableError(f"the webhook has no {error}") from None


def _object(data: bytes, what: str) -> dict[str, Any]:
    try:
        kept = json.loads(data)
    except (ValueError, RecursionError):
        kept = None
    if not isinstance(kept, dict) or kept.get("version") != VERSION:
        raise UnreadableError(f"the {what} is of another version, or no JSON")
    return kept
