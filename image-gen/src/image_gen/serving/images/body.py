"""The body of a request, within a limit of bytes and of time. Raises `BadRequest`."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Final

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from image_gen.serving.images.requests import BadRequest

MAX_BODY: Final = 64 * 1024
# For 64 KiB; a client that sends nothing for so long is gone or means no good.
_BODY_SECONDS: Final = 60.0
# Of an image and its mask, as OpenAI's own limit; a slow line needs minutes for it.
MAX_FORM: Final = 50 * 1024 * 1024
_FORM_SECONDS: Final = 300.0
# Of files a few more than are accepted, so that the answer can say which is too many.
_MOST_FILES, _MOST_FIELDS = 17, 64


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


async def form_body(
    http: Request, origins: Sequence[str] = ()
) -> tuple[list[tuple[str, str]], list[tuple[str, bytes]]]:
    """The fields and the files of a form, by their names. `origins` are the other sites whose pages may send one."""
    _require_own_site(http, origins)
    if media_type(http) != "multipart/form-data":
        raise BadRequest("Send the body as multipart/form-data.", status=415, code="unsupported_media_type")
    parser = MultiPartParser(
        http.headers, limited(http, MAX_FORM), max_files=_MOST_FILES, max_fields=_MOST_FIELDS, max_part_size=MAX_BODY
    )
    try:
        async with asyncio.timeout(_FORM_SECONDS):
            form = await parser.parse()
    except TimeoutError:
        raise late(_FORM_SECONDS) from None
    except (MultiPartException, KeyError, ValueError):
        raise BadRequest("The body is not a form as its Content-Type says.", code="invalid_form") from None
    try:
        fields = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
        files = [(name, await value.read()) for name, value in form.multi_items() if isinstance(value, UploadFile)]
    finally:
        await form.close()
    return fields, files


def _require_own_site(http: Request, origins: Sequence[str]) -> None:
    """A browser sends forms of other sites' pages without asking, but says whose page it is."""
    origin = http.headers.get("origin")
    if origin is None or origin in origins or "*" in origins:
        return
    if origin.partition("://")[2] != http.headers.get("host"):
        raise BadRequest("A page of another site sent this form.", status=403, code="cross_origin")


async def limited(http: Request, most: int) -> AsyncGenerator[bytes, None]:
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
