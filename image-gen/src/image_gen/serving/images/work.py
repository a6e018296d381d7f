"""The work for one request: its jobs in the queue, with a deadline, a client that may leave, metrics and the log.

Comes in: jobs. Goes out: pictures, or an error. Must not: log a prompt.
"""

import logging
import time

from starlette.requests import Request

from image_gen.errors import ClientGoneError, ImageGenError
from image_gen.serving.http.api_key_auth import KEY_NAME
from image_gen.serving.images.waiting import while_client_waits
from image_gen.serving.metrics import Metrics
from image_gen.serving.queue.request import ForwardingListener, Listener
from image_gen.serving.queue.request_queue import RequestQueue
from image_gen.serving.worker_supervisor import GeneratedImage
from image_gen.worker.protocol import ImageJob

log = logging.getLogger(__name__)
_INTERNAL = 500
OUTCOME_OF_CODE = {
    "QUEUE_FULL": "refused",
    "STOPPING": "refused",
    "CONTENT_POLICY_VIOLATION": "refused",
    "CLIENT_GONE": "cancelled",
    "TIMEOUT": "timeout",
}


class Work:
    """Where requests go. `timeout` is in seconds."""

    def __init__(self, queue: RequestQueue, metrics: Metrics, timeout: float) -> None:
        self._queue, self._metrics, self._timeout = queue, metrics, timeout

    async def do(
        self, http: Request, jobs: list[ImageJob], request_id: str, listener: Listener
    ) -> list[GeneratedImage] | ImageGenError:
        """The pictures, or an error. A client that disconnects cancels the job."""
        arrived = time.monotonic()
        outcome: list[GeneratedImage] | ImageGenError = ClientGoneError("The client did not wait.")
        try:
            outcome = await self._made(http, jobs, _Timed(listener, self._metrics, arrived))
        finally:
            self._report(outcome, jobs, request_id, time.monotonic() - arrived)
        return outcome

    async def _made(
        self, http: Request, jobs: list[ImageJob], listener: Listener
    ) -> list[GeneratedImage] | ImageGenError:
        work = self._queue.run(jobs, listener, attempt_of(http), key=http.scope.get(KEY_NAME, ""))
        return await while_client_waits(
            http, work, self._timeout, "ask for fewer steps, a smaller size or a smaller n."
        )

    def _report(
        self, outcome: list[GeneratedImage] | ImageGenError, jobs: list[ImageJob], request_id: str, seconds: float
    ) -> None:
        if isinstance(outcome, ImageGenError):
            self._metrics.not_made(OUTCOME_OF_CODE.get(outcome.code, "failed"), len(jobs))
            reason = f": {outcome.message}" if outcome.http_status == _INTERNAL else ""
            log.info("Request %s: %s after %.1f s%s", request_id, outcome.code, seconds, reason)
            return
        self._metrics.made(outcome, jobs[0].steps_made)
        first = jobs[0]
        log.info(
            "Request %s: %d of %dx%d, %d steps, seed %d, %.1f s, %.2f steps/s", request_id, len(jobs), first.width,
            first.height, first.steps, first.seed, seconds, outcome[0].steps_per_second,
        )  # fmt: skip
        for name, count in outcome[0].truncated_tokens.items():
            log.info(
                "Request %s: %s is too long for the model's text encoder: %d tokens not read", request_id, name, count
            )


class _Timed(ForwardingListener):
    """Measures the waiting."""

    def __init__(self, to: Listener, metrics: Metrics, arrived: float) -> None:
        super().__init__(to)
        self._metrics, self._arrived = metrics, arrived

    def on_turn(self) -> None:
        self._metrics.waited(time.monotonic() - self._arrived)
        super().on_turn()


def attempt_of(http: Request) -> int | None:
    """How often the client has tried before, as OpenAI's clients say in a header."""
    said = http.headers.get("x-stainless-retry-count", "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 5 else None
