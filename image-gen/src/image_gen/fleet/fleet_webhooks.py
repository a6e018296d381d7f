"""Webhooks of a fleet's jobs: they are pending in the job store until they are delivered or given up.

Comes in: jobs that have ended. Goes out: the requests that one host sends, at least once. Must not: keep a message or
an engine for an address that is slow, or lose a webhook with the process that was to send it.
"""

import asyncio
import json
import logging
import time
from typing import Final

from image_gen.errors import ImageGenError
from image_gen.fleet.fleet_job import FleetJob, FleetResult, PendingWebhook, UnreadableError, result_name, webhook_name
from image_gen.fleet.job_store import JobStore
from image_gen.serving.jobs import webhook_request
from image_gen.serving.jobs.job import Job
from image_gen.serving.jobs.webhook_address import parse_webhook_url
from image_gen.serving.jobs.webhook_request import GONE, MOST_AT_ONCE, WebhookSender, webhook_body
from image_gen.settings import Settings

log = logging.getLogger(__name__)
_FOLDER: Final = "webhooks/"
_PENDING: Final = "pending.json"
# How often pending ones of other processes are looked for.
LOOK_SECONDS: Final = 20.0
# An attempt that is older than this has ended, with its process or without it; the next one's pause comes on top.
TAKEN_SECONDS: Final = webhook_request.WHOLE_SECONDS + 15.0


class FleetWebhooks:
    """Those of this worker or gateway, and pending ones that others left.

    `webhooks/<job>/pending.json` has what is to be sent. Attempt n is of whoever creates `webhooks/<job>/<n>.json`. The
    folder is deleted when nothing more is to be sent.
    """

    def __init__(self, store: JobStore, settings: Settings) -> None:
        self._store = store
        secret = settings.webhook_secret
        self._sender = WebhookSender(secret, allow_private=settings.webhook_private) if secret else None
        self._at_once = asyncio.Semaphore(MOST_AT_ONCE)
        # By job.
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._looking: asyncio.Task[None] | None = None

    async def add(self, job: FleetJob) -> None:
        """The job has ended: its webhook is kept, and sent beside everything else. A second call does nothing. Raises
        the errors of the store; until it returns, the job's message has to stay.
        """
        if job.webhook_url is None or await self._store.exists(webhook_name(job.id)):
            return
        data = await self._store.read(result_name(job.id))
        try:
            result = None if data is None else FleetResult.from_json(data)
        except UnreadableError as error:
            log.warning("Webhook of job %s: not sent: %s", job.id, error)
            return
        if result is None:  # it was deleted meanwhile
            return
        if not _is_address(job.webhook_url):  # why the job has failed
            return
        pending = PendingWebhook(job.webhook_url, webhook_body(_ended(job, result)).decode())
        is_new = await self._store.create(f"{_FOLDER}{job.id}/{_PENDING}", pending.to_json())
        # After what is to be sent: else it would be lost between the two, and so it may be sent twice.
        await self._store.create(webhook_name(job.id), b"{}")
        if self._sender is None:
            log.warning("Webhook of job %s: waits for a process that has IMAGE_GEN_WEBHOOK_SECRET.", job.id)
        elif is_new:
            self._begin(job.id, 1)

    def start(self) -> None:
        """From now on, pending ones of others are sent, too."""
        self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        while self._sender is not None:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self._take_over()
            except ImageGenError as error:
                log.warning("Pending webhooks could not be listed: %s", error.message)
            except Exception as error:
                log.error("Pending webhooks: %s", type(error).__name__, exc_info=error)

    def stop(self) -> None:
        """What is not delivered stays in the store, for others."""
        for task in filter(None, [self._looking, *self._tasks.values()]):
            task.cancel()

    async def _take_over(self) -> None:
        last: dict[str, tuple[int, float]] = {}
        for name, written in (await self._store.times(_FOLDER)).items():
            job_id, _, each = name.removeprefix(_FOLDER).partition("/")
            text = each.removesuffix(".json")
            attempt = (int(text) if text.isascii() and text.isdigit() else 0, written)
            last[job_id] = max(attempt, last.get(job_id, attempt))
        pauses = (0.0, *webhook_request.retry_delays(), 0.0)
        for job_id, (number, began) in last.items():
            pause = pauses[number] if number < len(pauses) else 0.0
            if job_id not in self._tasks and time.time() > began + TAKEN_SECONDS + pause:
                self._begin(job_id, number + 1)

    def _begin(self, job_id: str, number: int) -> None:
        task = asyncio.create_task(self._deliver(job_id, number))
        self._tasks[job_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(job_id, None))

    async def _deliver(self, job_id: str, number: int) -> None:
        try:
            await self._send(job_id, number)
        except ImageGenError as error:
            log.warning("Webhook of job %s: tried again later: %s", job_id, error.message)
        except UnreadableError as error:
            log.warning("Webhook of job %s: given up: %s", job_id, error)

    async def _send(self, job_id: str, number: int) -> None:
        """From one attempt to the last one, or until somebody else has the next."""
        pauses = webhook_request.retry_delays()
        place, outcome = "", "no answer to the last attempt"
        while number <= len(pauses) + 1:
            async with self._at_once:
                if not await self._store.create(f"{_FOLDER}{job_id}/{number}.json", b"{}"):
                    return
                data = await self._store.read(f"{_FOLDER}{job_id}/{_PENDING}")
                if data is None:  # it was delivered meanwhile
                    await self._delete(job_id)
                    return
                place, outcome = await self._attempt(job_id, PendingWebhook.from_json(data))
            if outcome in {"", GONE} or number > len(pauses):
                break
            pause = pauses[number - 1]
            log.info("Webhook of job %s: %s%s; next attempt in %.0f s.", job_id, outcome, place, pause)
            await asyncio.sleep(pause)
            number += 1
        if outcome:
            log.warning("Webhook of job %s: given up after %s%s.", job_id, outcome, place)
        await self._delete(job_id)

    async def _attempt(self, job_id: str, pending: PendingWebhook) -> tuple[str, str]:
        """Where it went, and what came in place of an answer that is fine; empty where one did."""
        assert self._sender is not None
        try:
            url = parse_webhook_url(pending.url, allow_private=self._sender.allow_private)
        except ValueError:
            return "", "an address that is not allowed here"
        outcome = await self._sender.attempt(url, job_id, pending.body.encode())
        return f" from {url.host}", outcome or ""

    async def _delete(self, job_id: str) -> None:
        await self._store.delete(await self._store.names(f"{_FOLDER}{job_id}/"))


def _is_address(url: str) -> bool:
    try:
        parse_webhook_url(url, allow_private=True)
    except ValueError:
        return False
    return True


def _ended(job: FleetJob, result: FleetResult) -> Job:
    error = None if result.error is None else json.dumps(result.error)
    return Job(job.id, job.key, "", job.created, 0, status=result.status, ended=result.ended, error=error)
