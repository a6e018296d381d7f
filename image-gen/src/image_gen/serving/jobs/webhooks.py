"""Tells an address that a job has ended, as the Standard Webhooks specification says, until it answers with 2xx.

Comes in: jobs that have ended. Goes out: signed requests. Must not: follow redirects, connect to what was not checked,
or log an address' path, which may be a secret.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import logging
import math
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

from image_gen.serving.jobs.job import Job
from image_gen.serving.jobs.webhook_address import WebhookUrl, addresses_of, parse_webhook_url
from image_gen.threads import in_daemon_thread

log = logging.getLogger(__name__)
_TIMEOUT_SECONDS: Final = 10.0
_WHOLE_SECONDS: Final = 30.0
_AT_ONCE: Final = 4
# Their sum is about half a day.
_PAUSES: Final = (5.0, 30.0, 120.0, 600.0, 3600.0, 7200.0, 14_400.0, 18_000.0)
_GONE: Final = str(http.HTTPStatus.GONE.value)


def retry_delays() -> tuple[float, ...]:
    """Seconds between the attempts."""
    return _PAUSES


class Webhooks:
    """`secret` signs; `allow_private` also allows plain http, and addresses of this machine and its networks."""

    def __init__(self, secret: bytes, *, allow_private: bool) -> None:
        self._secret = secret
        self._allow_private = allow_private
        self._at_once = asyncio.Semaphore(_AT_ONCE)
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
        url = parse_webhook_url(job.webhook_url, allow_private=self._allow_private)
        body = json.dumps(_message(job)).encode()
        for pause in (*retry_delays(), None):
            async with self._at_once:
                outcome = await self._attempt(url, job.id, body)
            if outcome is None or outcome == _GONE or pause is None:
                break
            log.info("Webhook of job %s: %s from %s; next attempt in %.0f s.", job.id, outcome, url.host, pause)
            await asyncio.sleep(pause)
        if outcome is not None:
            log.warning("Webhook of job %s: given up after %s from %s.", job.id, outcome, url.host)
        if self.on_done is not None:
            await self.on_done(job)

    async def _attempt(self, url: WebhookUrl, job_id: str, body: bytes) -> str | None:
        """None when it was delivered, else what came instead."""
        headers = signed_headers(self._secret, f"msg_{job_id}", int(time.time()), body)
        try:
            async with asyncio.timeout(_WHOLE_SECONDS):
                status = await in_daemon_thread("webhook", lambda: self._post(url, headers, body))
        except PermissionError:
            return "an address that is not public"
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__
        return None if 200 <= status < 300 else str(status)

    def _post(self, url: WebhookUrl, headers: dict[str, str], body: bytes) -> int:
        addresses = addresses_of(url, allow_private=self._allow_private)
        connection = http.client.HTTPConnection(url.host, url.port, timeout=_TIMEOUT_SECONDS)
        connection.sock = _connected(url, addresses)
        with contextlib.closing(connection):
            connection.request("POST", url.target, body, {"Host": url.authority, **headers})
            return connection.getresponse().status


def signed_headers(secret: bytes, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """As Standard Webhooks' libraries verify them."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode("ascii")
    return {
        "Content-Type": "application/json",
        "User-Agent": "image-gen",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }


def _message(job: Job) -> dict[str, object]:
    ended = job.ended or 0.0
    return {
        "type": f"job.{job.status}",
        "timestamp": datetime.fromtimestamp(ended, UTC).isoformat(),
        "data": {
            "id": job.id, "object": "image.job", "status": job.status, "created_at": math.floor(job.created),
            "ended_at": math.floor(ended), "error": None if job.error is None else json.loads(job.error),
        },
    }  # fmt: skip


def _connected(url: WebhookUrl, addresses: list[str]) -> socket.socket:
    error: OSError = OSError("no address")
    for address in addresses:
        try:
            plain = socket.create_connection((address, url.port), timeout=_TIMEOUT_SECONDS)
        except OSError as failure:
            error = failure
            continue
        if not url.is_tls:
            return plain
        try:
            return ssl.create_default_context().wrap_socket(plain, server_hostname=url.host)
        except OSError:
            plain.close()
            raise
    raise error
