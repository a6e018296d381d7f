"""Tells an address that a job has ended, until it answers with 2xx.

Comes in: jobs that have ended. Goes out: signed requests. Must not: log an address' path, which may be a secret.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from image_gen.serving.jobs import webhook_request
from image_gen.serving.jobs.job import Job
from image_gen.serving.jobs.webhook_address import parse_webhook_url
from image_gen.serving.jobs.webhook_request import GONE, MOST_AT_ONCE, WebhookSender, webhook_body

log = logging.getLogger(__name__)


class Webhooks:
    """`secret` signs; `allow_private` also allows plain http, and addresses of this machine and its networks."""

    def __init__(self, secret: bytes, *, allow_private: bool) -> None:
        self._sender = WebhookSender(secret, allow_private=allow_private)
        self._at_once = asyncio.Semaphore(MOST_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        # Called when nothing more is sent for a job.
        self.on_done: Callable[[Job], Awaitable[None]] | None = None

    def send(self, job: Job) -> None:
        """Begins to tell of a job that has ended."""
        if job.webhook_url is not None:
            task = asyncio.create_task(self._deliver(job))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        """What is not delivered is sent after the next start."""
        for task in self._tasks:
            task.cancel()

    async def _deliver(self, job: Job) -> None:
        try:
            url = parse_webhook_url(job.webhook_url, allow_private=self._sender.allow_private)
        except ValueError:  # of before a change of the settings
            log.warning("Webhook of job %s: given up, as its address is not allowed any more.", job.id)
            await self._done(job)
            return
        body = webhook_body(job)
        for pause in (*webhook_request.retry_delays(), None):
            async with self._at_once:
                outcome = await self._sender.attempt(url, job.id, body)
            if outcome is None or outcome == GONE or pause is None:
                break
            log.info("Webhook of job %s: %s from %s; next attempt in %.0f s.", job.id, outcome, url.host, pause)
            await asyncio.sleep(pause)
        if outcome is not None:
            log.warning("Webhook of job %s: given up after %s from %s.", job.id, outcome, url.host)
        await self._done(job)

    async def _done(self, job: Job) -> None:
        if self.on_done is not None:
            await self.on_done(job)
