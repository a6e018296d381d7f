"""The body of a request, within a limit of bytes and of time. Raises `BadRequest`."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from fastapi import Request

from image_gen.serving.images.requests import BadRequest

MAX_BODY: Final = 64 * 1024
# For 64 KiB; a client that sends nothing for so long is gone or means no good.
_BODY_SECONDS: Final = 60.0


async def json_body(http: Request) -> bytes:
    """The body of a request in JSON."""
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for part in limited(http, MAX_BODY):
                body += part
    except TimeoutError:
        raise late(_BODY_SECONDS) from None
    # Asking for it also keeps other sites' pages from making pictures here: a browser asks before it sends this type.
    if media_type(http) != "application/json":
        raise BadRequest("Send the body as application/json.", status=415, code="unsupported_media_type")
    return bytes(body)


async def limited(http: Request, most: int) -> AsyncIterator[bytes]:
    """The parts of a body of at most so many bytes."""
    count = 0
    async for part in http.stream():
        count += len(part)
        if count > most:
            raise BadRequest(f"The body is larger than {most} bytes.", status=413, code="body_too_large")
        yield part


def late(seconds: float) -> BadRequest:
    """The body did not arrive in time."""
    return BadRequest(f"The body did not arrive within {seconds:.0f} s.", status=408, code="request_timeout")


def media_type(http: Request) -> str:
    """What the client says that it sends, without parameters."""
    return http.headers.get("content-type", "").partition(";")[0].strip().lower()
