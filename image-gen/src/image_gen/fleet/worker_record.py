"""What a worker says of itself in the job store, so that a gateway knows which workers live, and what they serve."""

import asyncio
import json
import time
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from image_gen.fleet.fleet_job import VERSION, UnreadableError
from image_gen.fleet.job_store import JobStore

FOLDER: Final = "workers/"
WRITTEN_EVERY_SECONDS: Final = 20.0
LIVES_SECONDS: Final = 60.0
# The record of a worker that was killed stays until it expires. Records that are older than this are not read, as there
# may be thousands of them. It is longer than a worker lives without writing, as clocks differ from the store's.
_READ_SECONDS: Final = 10 * LIVES_SECONDS
_READ_AT_ONCE: Final = 16


@dataclass(frozen=True)
class WorkerRecord:
    """`busy`: how many of its engines make a picture. `model_json` is what `GET /v1/models` says there; `pipeline` is
    `PipelineReady` as JSON, None until it is loaded. `seconds_per_picture` is that of one engine, of late; `error` is
    that of `/readyz`. `drained`: it takes no more jobs, and has none left.
    """

    id: str
    written: float
    phase: str
    model: str
    revision: str | None = None
    device: str | None = None
    engines: int = 0
    busy: int = 0
    seconds_per_picture: float | None = None
    error: dict[str, Any] | None = None
    model_json: dict[str, Any] = field(default_factory=dict)
    pipeline: dict[str, Any] | None = None
    takes_jobs: bool = True
    drained: bool = False

    @property
    def name(self) -> str:
        """Its object."""
        return f"{FOLDER}{self.id}.json"

    @property
    def lives(self) -> bool:
        """Whether it was written of late."""
        return time.time() - self.written < LIVES_SECONDS

    def to_json(self) -> bytes:
        """What is kept."""
        return json.dumps({"version": VERSION, **asdict(self)}).encode()

    @classmethod
    def from_json(cls, data: bytes) -> "WorkerRecord":
        """Raises `UnreadableError`."""
        try:
            kept = json.loads(data)
            if kept.pop("version") != VERSION:
                raise UnreadableError("the worker is of another version")
            return cls(**{name: kept[name] for name in cls.__dataclass_fields__ if name in kept})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UnreadableError(f"the worker's record can't be read: {error}") from None


async def read_workers(store: JobStore) -> list[WorkerRecord]:
    """Those that live."""
    oldest, some = time.time() - _READ_SECONDS, asyncio.Semaphore(_READ_AT_ONCE)

    async def read(name: str) -> WorkerRecord | None:
        async with some:
            data = await store.read(name)
        try:
            return WorkerRecord.from_json(data or b"")
        except UnreadableError:
            return None

    times = await store.times(FOLDER)
    records = await asyncio.gather(*(read(name) for name, written in times.items() if written > oldest))
    return [record for record in records if record is not None and record.lives]
