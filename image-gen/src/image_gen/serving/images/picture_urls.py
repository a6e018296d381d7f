"""Addresses of pictures, for `response_format: "url"`: who keeps them, and how an answer names them.

Comes in: pictures of a request. Goes out: addresses that cannot be guessed. Must not: know where pictures are kept.
"""

import re
from collections.abc import Sequence
from typing import Final, Protocol

from starlette.requests import Request

from image_gen.serving.images.requests import BadRequest, ImageRequest
from image_gen.serving.worker_supervisor import GeneratedImage
from image_gen.settings import Settings
from image_gen.worker.protocol import ImageJob

PATH: Final = "/v1/files/"
# The answer's own bytes, without base64; a picture that can't be compressed takes this much for each pixel.
_BYTES_PER_PIXEL: Final = 3
_HOST: Final = re.compile(r"[A-Za-z0-9._-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")


class PictureKeeper(Protocol):
    """Where pictures are kept for a time."""

    async def require_room(self, size: int) -> None:
        """Raises `ImageGenError` where so many bytes can't be kept now."""

    async def keep(self, pictures: Sequence[GeneratedImage], kind: str) -> list[str]:
        """The names by which anyone can read them, until they expire. Raises `ImageGenError`."""


def require_urls(request: ImageRequest, settings: Settings) -> None:
    """Raises `BadRequest` where addresses are asked for and not served."""
    if request.response_format != "url":
        return
    if settings.picture_url_seconds == 0:
        why = "no picture is kept here, as IMAGE_GEN_PICTURE_URL_SECONDS is 0"
    elif settings.jobs == "none":
        why = "no picture is kept here, as IMAGE_GEN_JOBS is none"
    else:
        return
    raise BadRequest(f'response_format: expected "b64_json": {why}.', "response_format")


def most_bytes(jobs: Sequence[ImageJob]) -> int:
    """What the pictures may take at most."""
    return sum(job.width * job.height * _BYTES_PER_PIXEL for job in jobs)


def addresses(http: Request, names: Sequence[str]) -> list[str]:
    """As the client has addressed the service. A load balancer that ends TLS says so in `X-Forwarded-Proto`."""
    said = http.headers.get("x-forwarded-proto", "").strip().lower()
    scheme = said if said in {"http", "https"} else http.url.scheme
    host = http.headers.get("host", "")
    if not _HOST.fullmatch(host):
        server = http.scope.get("server") or ("localhost", None)
        host = f"{server[0]}:{server[1]}"
    return [f"{scheme}://{host}{PATH}{name}" for name in names]
