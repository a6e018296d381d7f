"""Sends requests to a service, and says what it should not have answered."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from .cache_requests import cache_request
from .forms import form_request
from .json_bodies import json_request
from .paths import path_request
from .request import Request, on_the_wire

HANG_SECONDS = 60.0
AT_ONCE = 6
KINDS: tuple[Callable[[Random], Request], ...] = (
    json_request, json_request, form_request, form_request, path_request, cache_request,
)  # fmt: skip


@dataclass
class Findings:
    """`bad` has the number of each request that ended as none may, and how."""

    statuses: Counter[int] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)


def request_of(seed: int, number: int) -> Request:
    """The same for the same numbers."""
    random = Random(f"{seed}-{number}")
    return on_the_wire(random, random.choice(KINDS)(random))


async def play(port: int, seed: int, numbers: range) -> Findings:
    """All of them, a few at once."""
    findings, rest = Findings(), iter(numbers)

    async def work() -> None:
        for number in rest:
            request = request_of(seed, number)
            try:
                status, head, body = await asyncio.wait_for(answer_of(port, request), HANG_SECONDS)
            except TimeoutError:
                findings.bad.append(f"{seed}-{number}: no answer to {request.method} {request.path[:80]}")
                continue
            findings.statuses[status] += 1
            if why := fault(request, status, head, body):
                about = f"{request.method} {request.path[:80]}"
                findings.bad.append(f"{seed}-{number}: {status} to {about}: {why} {body[:200]!r}")

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return findings


def fault(request: Request, status: int, head: bytes, body: bytes) -> str | None:
    """What is wrong with an answer."""
    if status >= 500:
        return "an error of the service."
    if status == 0:
        return "closed without an answer." if request.is_http else None
    if status < 400 or not request.is_http or request.method == "HEAD" or status == 499:
        return None
    if b"content-type: application/json" not in head.lower():
        return "an error without OpenAI's shape."
    try:
        error = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        return "an error without OpenAI's shape."
    return None if set(error) == {"message", "type", "param", "code"} else "an error without OpenAI's shape."


async def answer_of(port: int, request: Request) -> tuple[int, bytes, bytes]:
    """Status, headers and body; the status is 0 where the connection was closed without an answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**26)
    received = b""
    try:
        writer.write(request.encoded())
        await writer.drain()
        if not request.is_http:  # it will not come to its end
            writer.write_eof()
        received = await reader.read(-1)
    except OSError:  # closed by the service, which may have answered before
        pass
    finally:
        writer.transport.abort()
    while received.startswith(b"HTTP/1.1 100"):
        received = received.partition(b"\r\n\r\n")[2]
    head, _, body = received.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" in head.lower():
        body = body.partition(b"\r\n")[2].rpartition(b"\r\n0\r\n")[0]
    status = head.split(b" ", 2)[1] if head.startswith(b"HTTP/") else b"0"
    return int(status), head, body
