"""Pictures that are kept for `response_format: "url"`, in the file of the jobs and within its limits.

Comes in: pictures. Goes out: the same, to everyone who knows their name, until they expire. Must not: let a name be
guessed, or show a caller whose picture it is.
"""

import re
import secrets
import time
from collections.abc import Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from image_gen.errors import ImageGenError
from image_gen.serving.images.openai_errors import error_response
from image_gen.serving.images.picture_urls import PATH
from image_gen.serving.jobs.job_openapi import FILE
from image_gen.serving.jobs.job_runner import JobRunner
from image_gen.serving.routing.documented_route import DocumentedRoute
from image_gen.serving.worker_supervisor import GeneratedImage
from image_gen.settings import Settings

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{43}\.(png|jpeg|webp)")
_MISSING: Final = "No picture is kept under this address: it has expired, or never was."


class KeptPictures:
    """What `images.picture_urls.PictureKeeper` says, and the route."""

    def __init__(self, settings: Settings, runner: JobRunner) -> None:
        self._seconds, self._runner = settings.picture_url_seconds, runner

    async def require_room(self, size: int) -> None:
        """Raises JOBS_STORAGE_FULL and JOBS_UNAVAILABLE."""
        await self._runner.in_database(lambda database: self._runner.require_room(database, size))

    async def keep(self, pictures: Sequence[GeneratedImage], kind: str) -> list[str]:
        """Their names, once they are on disk. Raises JOBS_STORAGE_FULL and JOBS_UNAVAILABLE."""
        kept = {f"{secrets.token_urlsafe(32)}.{kind}": picture.data for picture in pictures}
        expires = time.time() + self._seconds
        await self._runner.in_database(lambda database: database.add_pictures(kept, expires))
        return list(kept)

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
                found = await self._runner.in_database(lambda database: database.picture(name, now))
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
