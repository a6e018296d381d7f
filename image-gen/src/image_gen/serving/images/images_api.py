"""What the routes of pictures need of who makes them: an engine of this process, or a fleet of hosts.

Comes in: requests. Goes out: pictures, models. Must not: know who that is.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response


class ImagesApi(Protocol):
    """`Generations` is the one of an engine."""

    def models_json(self) -> Sequence[dict[str, object]]:
        """The models that are served, in OpenAI's shape: one at least."""

    def is_served(self, name: str) -> bool:
        """Whether a caller's name for a model means one of them."""

    def not_served(self, name: str) -> str:
        """The message for a caller who asks for another model."""

    def openapi(self, document: dict[str, Any]) -> dict[str, Any]:
        """The document, with what is known of the models now."""

    async def generate(self, request: Request) -> Response:
        """`POST /v1/images/generations`."""

    async def edit(self, request: Request) -> Response:
        """`POST /v1/images/edits`."""

    async def vary(self, request: Request) -> Response:
        """`POST /v1/images/variations`."""
