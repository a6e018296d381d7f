"""The attempts of a job that did not end in order: each has an object, which an attempt that does deletes.

A message may be delivered again for many reasons: a host that was taken back says nothing about the job. An attempt
whose worker or engine ended does, and after three of them the job fails.
"""

import json
import secrets
import time
from dataclasses import dataclass
from typing import Final

from image_gen.fleet.fleet_job import attempts_folder
from image_gen.fleet.job_store import JobStore

MOST_ATTEMPTS: Final = 3


@dataclass(frozen=True)
class Attempt:
    """One attempt of one worker."""

    job_id: str
    id: str
    started: float

    @property
    def name(self) -> str:
        """Its object."""
        return f"{attempts_folder(self.job_id)}{self.id}.json"


class AttemptRecords:
    """Those of one worker, and what others left."""

    def __init__(self, store: JobStore, worker_id: str) -> None:
        self._store, self._worker_id = store, worker_id

    async def begin(self, job_id: str) -> Attempt:
        """From now on a worker that ends leaves a trace."""
        attempt = Attempt(job_id, f"{self._worker_id}-{secrets.token_hex(4)}", time.time())
        await self._write(attempt, None)
        return attempt

    async def failed(self, attempt: Attempt, reason: str) -> None:
        """It counts, with the reason."""
        await self._write(attempt, reason)

    async def end(self, attempt: Attempt) -> None:
        """It does not count."""
        await self._store.delete([attempt.name])

    async def reasons(self, job_id: str) -> list[str]:
        """Why each attempt that counts ended, the last one last."""
        reasons = []
        for name in await self._store.names(attempts_folder(job_id)):
            try:
                kept = json.loads(await self._store.read(name) or b"{}")
            except ValueError:
                kept = {}
            worker = kept.get("worker", "unknown")
            reason = kept.get("reason") or f"The worker {worker} ended while it made the job."
            reasons.append((float(kept.get("started") or 0.0), str(reason)))
        return [reason for _, reason in sorted(reasons)]

    async def _write(self, attempt: Attempt, reason: str | None) -> None:
        kept = {"worker": self._worker_id, "started": attempt.started, "reason": reason}
        await self._store.write(attempt.name, json.dumps(kept).encode())
