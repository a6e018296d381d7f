"""The first thing that answers. `/healthz` needs nothing but this, so it is there before FastAPI is imported (0.8 s).

Comes in: any request. Goes out: `/healthz` at once and always; everything else from the app, waiting for its import
if need be.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Door:
    """An ASGI application in front of another that comes later."""

    def __init__(self) -> None:
        self._app: asyncio.Future[App] | None = None

    def open(self, app: App) -> None:
        """From now on requests go through to `app`."""
        self._waiting().set_result(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/healthz":
            await _answer_alive(scope, send)
            return
        app = await asyncio.shield(self._waiting())
        await app(scope, receive, send)

    def _waiting(self) -> asyncio.Future[App]:
        if self._app is None:
            self._app = asyncio.get_running_loop().create_future()
        return self._app


async def _answer_alive(scope: Scope, send: Send) -> None:
    body = b'{"status":"alive"}' if scope["method"] in {"GET", "HEAD"} else b'{"status":"use GET"}'
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    status = 200 if scope["method"] in {"GET", "HEAD"} else 405
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
