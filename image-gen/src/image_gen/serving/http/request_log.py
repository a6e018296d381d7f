"""Around all other parts of the app: a request's id, its line in the log and its count.

Comes in: requests and their answers. Goes out: `X-Request-ID`, a line for each 4xx and 5xx, statistics by route. Must
not: show what a client has sent but its id, nor read a body. Probes of health are counted and never logged.
"""

import json
import logging
import re
import secrets
import time
from collections.abc import MutableMapping
from typing import Any, Final

from image_gen.errors import BY_CODE
from image_gen.log import REQUEST_FACTS
from image_gen.serving.http.api_key_auth import KEY_NAME
from image_gen.serving.http.request_statistics import RequestStatistics
from image_gen.serving.http.startup_app import App, Receive, Scope, Send

log = logging.getLogger(__name__)
# Where the routes find it.
REQUEST_ID: Final = "image_gen.request_id"
PROBES: Final = frozenset({"/healthz", "/readyz"})
_CLIENT_GONE: Final = 499
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Longer than any error of this service.
_MOST_ERROR_BYTES: Final = 8192


class RequestLog:
    """An ASGI application in front of another."""

    def __init__(self, app: App, statistics: RequestStatistics) -> None:
        self._app = app
        self._statistics = statistics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's entry."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope[REQUEST_ID] = _request_id(scope)
        facts = {"request_id": request_id}
        REQUEST_FACTS.set(facts)
        answer = _Answer(request_id, send)
        started = time.monotonic()
        try:
            await self._app(scope, receive, answer.send)
        finally:
            self._end(scope, answer, time.monotonic() - started)

    def _end(self, scope: Scope, answer: "_Answer", seconds: float) -> None:
        route, key, status = route_of(scope), scope.get(KEY_NAME), answer.status or _CLIENT_GONE
        self._statistics.count(scope["method"], route, status, seconds, key)
        # Of a client that is gone, and of the engine's errors, the routes say more.
        if status < 400 or status == _CLIENT_GONE or route in PROBES or (answer.code or "").upper() in BY_CODE:
            return
        where = "an unknown path" if route == "unknown" else route
        log.info(
            "Request %s: %d %s at %s %s, %.0f ms%s", answer.request_id, status, answer.code or "error", scope["method"],
            where, seconds * 1000, f", key {key}" if key else "", extra={"limited": f"{status} {answer.code}"},
        )  # fmt: skip


class _Answer:
    """Passes an answer on, and remembers its status and the code of its error."""

    def __init__(self, request_id: str, send: Send) -> None:
        self.request_id = request_id
        self.status = 0
        self.code: str | None = None
        self._send = send

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """ASGI's."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [pair for pair in message.get("headers", ()) if pair[0].lower() != b"x-request-id"]
            message = {**message, "headers": [*headers, (b"x-request-id", self.request_id.encode())]}
        elif self.status >= 400 and self.code is None:
            self.code = _code(message.get("body", b""))
        await self._send(message)


def _request_id(scope: Scope) -> str:
    given = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-request-id"]
    return given[0] if len(given) == 1 and _ID.fullmatch(given[0]) else secrets.token_hex(6)


def route_of(scope: Scope) -> str:
    """The route's template, which no client can choose."""
    if scope["path"] in PROBES:
        return str(scope["path"])
    return str(getattr(scope.get("route"), "path", "unknown"))


def _code(body: bytes) -> str | None:
    if not 0 < len(body) <= _MOST_ERROR_BYTES:
        return None
    try:
        code = json.loads(body)["error"]["code"]
    except (ValueError, KeyError, TypeError):
        return None
    return code if isinstance(code, str) else None
