"""One request of a webhook, as the Standard Webhooks specification says.

Comes in: an address, a job that has ended. Goes out: a signed request, and what came of it. Must not: follow redirects,
connect to what was not checked, or log an address' path, which may be a secret.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import math
import socket
import ssl
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from image_gen.serving.jobs.job import Job
from image_gen.serving.jobs.webhook_address import WebhookUrl, addresses_of
from image_gen.threads import in_daemon_thread

MOST_AT_ONCE: Final = 4
WHOLE_SECONDS: Final = 30.0
# The outcome of an attempt after which there is no other one.
GONE: Final = str(http.HTTPStatus.GONE.value)
_TIMEOUT_SECONDS: Final = 10.0
# Their sum is about half a day.
_PAUSES: Final = (5.0, 30.0, 120.0, 600.0, 3600.0, 7200.0, 14_400.0, 18_000.0)
_Connect = Callable[[list[str]], socket.socket]


def retry_delays() -> tuple[float, ...]:
    """Seconds between the attempts."""
    return _PAUSES


class WebhookSender:
    """`secret` signs; `allow_private` also allows plain http, and addresses of this machine and its networks."""

    def __init__(self, secret: bytes, *, allow_private: bool) -> None:
        self._secret = secret
        self.allow_private = allow_private

    async def attempt(self, url: WebhookUrl, job_id: str, body: bytes) -> str | None:
        """None when it was delivered, else what came instead."""
        headers = signed_headers(self._secret, f"msg_{job_id}", int(time.time()), body)
        opened: list[socket.socket] = []
        ended = threading.Event()

        def connect(addresses: list[str]) -> socket.socket:
            found = _connected(url, addresses)
            opened.append(found)
            if ended.is_set():
                found.close()
                raise TimeoutError
            return found

        try:
            async with asyncio.timeout(WHOLE_SECONDS):
                status = await in_daemon_thread("webhook", lambda: self._post(url, headers, body, connect))
        except PermissionError:
            return "an address that is not public"
        except (OSError, ValueError, http.client.HTTPException) as error:
            return type(error).__name__
        finally:
            # Who answers byte by byte would keep the thread for hours.
            ended.set()
            for each in opened:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
        return None if 200 <= status < 300 else str(status)

    def _post(self, url: WebhookUrl, headers: dict[str, str], body: bytes, connect: _Connect) -> int:
        addresses = addresses_of(url, allow_private=self.allow_private)
        connection = http.client.HTTPConnection(url.host, url.port, timeout=_TIMEOUT_SECONDS)
        connection.sock = connect(addresses)
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


def webhook_body(job: Job) -> bytes:
    """Of a job that has ended: what became of it, without its prompt and its pictures."""
    ended = job.ended or 0.0
    message = {
        "type": f"job.{job.status}",
        "timestamp": datetime.fromtimestamp(ended, UTC).isoformat(),
        "data": {
            "id": job.id, "object": "image.job", "status": job.status, "created_at": math.floor(job.created),
            "ended_at": math.floor(ended), "error": None if job.error is None else json.loads(job.error),
        },
    }  # fmt: skip
    return json.dumps(message).encode()


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
