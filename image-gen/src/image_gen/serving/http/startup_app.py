"""Answers `/healthz`, `/readyz` and the page, before Starlette is imported.

Other requests wait for the app's import.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from types import SimpleNamespace
from typing import Any

from image_gen.serving.http.error_json import error_json
from image_gen.serving.http.page_files import FILES_ROUTE, PAGE, PageFiles
from image_gen.serving.readiness import Readiness

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_ALIVE, _READY = "/healthz", "/readyz"
App = Callable[[Scope, Receive, Send], Awaitable[None]]
# Further fields of the body of `/readyz`.
MoreFields = Callable[[], Mapping[str, object]]


class StartupApp:
    """An ASGI application in front of another that comes later (its import takes a good part of a second).

    `page` is None where there is no page.
    """

    def __init__(self, readiness: Readiness, page: PageFiles | None, more: MoreFields) -> None:
        self._readiness, self._more = readiness, more
        self._page = page
        self._app: asyncio.Future[App] | None = None

    def mount(self, app: App) -> None:
        """From now on requests go through to `app`."""
        self._waiting().set_result(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's entry."""
        path = scope["path"] if scope["type"] == "http" else None
        if path in {_ALIVE, _READY}:
            allow: list[tuple[bytes, bytes]] = []
            answer: tuple[int, object] = (200, {"status": "alive"})
            if path == _READY:
                answer = 200 if self._readiness.is_ready else 503, ready_body(self._readiness, self._more)
            if scope["method"] not in {"GET", "HEAD"}:
                answer = 405, error_json(405, "Use GET.", code="method_not_allowed")
                allow = [(b"allow", b"GET, HEAD")]
            await send_json(scope, send, *answer, (b"cache-control", b"no-store"), *allow)
        elif not (path and not self._waiting().done() and await self._send_page(scope, send)):
            app = await asyncio.shield(self._waiting())
            await app(scope, receive, send)

    async def _send_page(self, scope: Scope, send: Send) -> bool:
        """Whether the request was for a file of the page, which is no secret: it is sent to any host, without a key."""
        if self._page is None or scope["method"] != "GET":
            return False
        answer = self._page.answer(scope["path"], dict(scope["headers"]))
        if answer is None:
            return False
        # Where Starlette's router puts it.
        scope["route"] = SimpleNamespace(path=PAGE if scope["path"] == PAGE else FILES_ROUTE)
        await send({"type": "http.response.start", "status": answer.status, "headers": list(answer.headers)})
        await send({"type": "http.response.body", "body": answer.body})
        return True

    def _waiting(self) -> asyncio.Future[App]:
        if self._app is None:
            self._app = asyncio.get_running_loop().create_future()
        return self._app


def ready_body(readiness: Readiness, more: MoreFields) -> dict[str, object]:
    """The body of `/readyz`."""
    return {**readiness.as_json(), **more()}


async def send_json(scope: Scope, send: Send, status: int, body: object, *headers: tuple[bytes, bytes]) -> None:
    """A whole response."""
    data = json.dumps(body).encode()
    about = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(data)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": about})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else data})
