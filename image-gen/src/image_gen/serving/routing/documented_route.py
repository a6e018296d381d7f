"""A route that `/openapi.json` describes."""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

Endpoint = Callable[[Request], Awaitable[Response]]
Operation = Mapping[str, Any]
_ANY_JSON: Final[Operation] = {
    "responses": {"200": {"description": "Successful Response", "content": {"application/json": {"schema": {}}}}}
}


class DocumentedRoute(Route):
    """A route of exactly one method: one of Starlette's for GET answers HEAD too.

    `operation` is what OpenAPI's has beside the path, its parameters and the endpoint's name, with all responses. None
    leaves the route out of the document.
    """

    def __init__(self, method: str, path: str, endpoint: Endpoint, operation: Operation | None = _ANY_JSON) -> None:
        super().__init__(path, endpoint, methods=[method], include_in_schema=operation is not None)
        self.method, self.methods, self._operation = method, {method}, operation

    def as_operation(self) -> dict[str, Any]:
        """The whole operation. Only its top level is new: what is below belongs to the route."""
        method = self.method.lower()
        own: dict[str, Any] = {
            "summary": self.name.replace("_", " ").strip().title(),
            "operationId": re.sub(r"\W", "_", self.name + self.path_format) + f"_{method}",
        }
        if self.param_convertors:
            own["parameters"] = [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                for name in self.param_convertors
            ]
        return {**own, **(self._operation or {})}


class Routes(Protocol):
    """What has routes of its own."""

    def routes(self) -> Sequence[DocumentedRoute]:
        """They are in the document in this order."""


def paths_of(routes: Iterable[BaseRoute]) -> dict[str, dict[str, Any]]:
    """The document's `paths`, without the routes that are left out of it."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        if isinstance(route, DocumentedRoute) and route.include_in_schema:
            paths.setdefault(route.path_format, {})[route.method.lower()] = route.as_operation()
    return paths
