"""`GET /v1/files/{name}`: a picture that is kept for `response_format: "url"`.

Comes in: a name. Goes out: the picture, to everyone who knows the name, until it expires. Must not: show a caller whose
picture it is, or know where it is kept.
"""

import re
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from image_gen.errors import ImageGenError
from image_gen.serving.images.openai_errors import error_response
from image_gen.serving.images.picture_urls import PATH
from image_gen.serving.jobs.job_openapi import FILE
from image_gen.serving.routing.documented_route import DocumentedRoute

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{43}\.(png|jpeg|webp)")
_MISSING: Final = "No picture is kept under this address: it has expired, or never was."
Find = Callable[[str, float], Awaitable[tuple[bytes, float] | None]]


def new_picture_name(kind: str) -> str:
    """Which nobody can guess. `kind`: png, jpeg or webp."""
    return f"{secrets.token_urlsafe(32)}.{kind}"


class PictureRoutes:
    """`find` gives a picture and when it expires, or None where none is kept at a time. May raise `ImageGenError`."""

    def __init__(self, find: Find) -> None:
        self._find = find

    def routes(self) -> list[DocumentedRoute]:
        """The route. It needs no key: the address is one, so that a page can show the picture."""
        path = PATH + "{name}"
        return [DocumentedRoute("GET", path, self._file, FILE), DocumentedRoute("HEAD", path, self._file, None)]

    async def _file(self, request: Request) -> Response:
        name = request.path_params["name"]
        now = time.time()
        found = None
        if _NAME.fullmatch(name):
            try:
                found = await self._find(name, now)
            except ImageGenError as error:
                return error_response(error.http_status, error.message, code=error.code.lower(), retry_after=15)
        if found is None:
            return error_response(404, _MISSING, code="picture_not_found")
        data, expires = found
        headers: dict[str, Any] = {
            "Cache-Control": f"private, max-age={max(0, int(expires - now))}, immutable",
            "X-Content-Type-Options": "nosniff",
        }
        return Response(data, headers=headers, media_type=f"image/{name.rpartition('.')[2]}")
