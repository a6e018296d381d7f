"""Work on the cache in the background: one operation at a time, with its progress, its result or its error.

Comes in: a function that does the work in a thread. Goes out: the operation, for as long as it is among the latest.
Must not: know HTTP. Operations are kept in memory: what they have done shows in the cache.
"""

import asyncio
import logging
import math
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from image_gen.errors import CacheBusyError, CancelledError, ImageGenError, InternalError, StoppingError
from image_gen.model_cache import Progress, ProgressCallbacks
from image_gen.threads import in_daemon_thread, post
from image_gen.worker.failures import one_line

log = logging.getLogger(__name__)
Kind = Literal["prefetch", "verify", "delete"]
Status = Literal["running", "succeeded", "failed", "cancelled"]
Work = Callable[[ProgressCallbacks], dict[str, object]]
# A person looks at the last few.
_MOST_KEPT: Final = 20
# What a stop waits for a thread. One that takes longer ends with the process: a download is resumed when it is asked
# for again, and a deletion leaves an incomplete model, which can be deleted again.
_CLOSE_SECONDS: Final = 5.0


@dataclass
class Operation:
    """One operation. Times are in seconds since 1970; `key` is the name of the API key that asked for it."""

    kind: Kind
    model: str | None
    revision: str | None
    key: str = ""
    id: str = field(default_factory=lambda: f"cacheop_{secrets.token_hex(12)}")
    status: Status = "running"
    created_at: float = field(default_factory=time.time)
    ended_at: float | None = None
    progress: Progress | None = None
    result: dict[str, object] | None = None
    error: ImageGenError | None = None
    callbacks: ProgressCallbacks = field(default_factory=ProgressCallbacks)

    @property
    def can_be_cancelled(self) -> bool:
        """A deletion continues to its end: half a model is of no use."""
        return self.kind != "delete"

    def as_json(self) -> dict[str, object]:
        """What the API shows."""
        progress = self.progress
        return {
            "id": self.id,
            "object": "cache.operation",
            "kind": self.kind,
            "status": self.status,
            "model": self.model,
            "revision": self.revision,
            "created_at": math.floor(self.created_at),
            "ended_at": None if self.ended_at is None else math.floor(self.ended_at),
            "progress": None
            if progress is None
            else {
                "phase": progress.phase,
                "bytes_done": progress.bytes_done,
                "bytes_total": progress.bytes_total,
                "bytes_per_second": round(progress.bytes_per_second),
                "eta_seconds": None if progress.eta_seconds is None else round(progress.eta_seconds, 1),
                "file": progress.file,
            },
            "result": self.result,
            "error": None if self.error is None else self.error.as_json(),
        }


class Operations:
    """The one that runs and the latest that have ended. Everything here is called on the event loop."""

    def __init__(self) -> None:
        self._kept: dict[str, Operation] = {}
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False

    @property
    def all(self) -> list[Operation]:
        """The latest first."""
        return list(reversed(self._kept.values()))

    @property
    def running(self) -> Operation | None:
        """The one that runs."""
        return next((each for each in self.all if each.status == "running"), None)

    def get(self, operation_id: str) -> Operation | None:
        """None for one that is not kept."""
        return self._kept.get(operation_id)

    def require_idle(self) -> None:
        """Raises CACHE_BUSY while one runs, and STOPPING."""
        if self._is_closed:
            raise StoppingError("The service is stopping, and begins no operation. Fix: send it again in a moment.")
        if (other := self.running) is not None:
            raise CacheBusyError(
                f"The operation {other.id} ({other.kind}) is running, and the cache has one at a time. Fix: wait until "
                f"it has ended: GET /v1/cache/operations/{other.id}"
            )

    def begin(self, operation: Operation, work: Work) -> None:
        """Raises as `require_idle`."""
        self.require_idle()
        self._kept[operation.id] = operation
        while len(self._kept) > _MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._task = asyncio.create_task(self._run(operation, work))

    def cancel(self, operation: Operation) -> None:
        """Ends one that runs as soon as it can; what it has downloaded is kept."""
        operation.callbacks.cancel.set()

    def stop(self) -> None:
        """The service is about to end: nothing new begins, and what runs is cancelled."""
        self._is_closed = True
        if (running := self.running) is not None and running.can_be_cancelled:
            self.cancel(running)

    async def close(self) -> None:
        """Waits a little for the end of what runs."""
        self.stop()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=_CLOSE_SECONDS)

    async def _run(self, operation: Operation, work: Work) -> None:
        loop = asyncio.get_running_loop()

        def note(progress: Progress) -> None:
            operation.progress = progress

        operation.callbacks = ProgressCallbacks(
            lambda progress: post(loop, lambda: note(progress)), operation.callbacks.cancel
        )
        asked_by = f", asked for by the API key {operation.key}" if operation.key else ""
        what = f"{operation.kind} of {_target(operation)}"
        log.info("Cache: %s has begun%s (%s)", what, asked_by, operation.id)
        try:
            operation.result = await in_daemon_thread("cache-operation", lambda: work(operation.callbacks))
            operation.status = "succeeded"
        except CancelledError:
            operation.status = "cancelled"
        except Exception as problem:
            operation.status, operation.error = "failed", _to_user_error(problem)
        operation.ended_at = time.time()
        why = f": {operation.error.message} ({operation.error.code})" if operation.error else ""
        seconds = operation.ended_at - operation.created_at
        log.info("Cache: %s has %s after %.1f s%s (%s)", what, _ENDED[operation.status], seconds, why, operation.id)


_ENDED: Final[dict[Status, str]] = {
    "running": "not ended", "succeeded": "succeeded", "failed": "failed", "cancelled": "been cancelled",
}  # fmt: skip


def _target(operation: Operation) -> str:
    at = f" at {operation.revision}" if operation.revision else ""
    return f"{operation.model or 'all models'}{at}"


def _to_user_error(problem: Exception) -> ImageGenError:
    if isinstance(problem, ImageGenError):
        return problem
    log.error("Unexpected: %s", one_line(problem), exc_info=problem)
    return InternalError(f"Unexpected: {type(problem).__name__}. Fix: `imagegen logs` shows where.")
