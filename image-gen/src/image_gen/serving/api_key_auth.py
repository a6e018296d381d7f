"""Lets only those through who know the API key: `Authorization: Bearer <key>`, as OpenAI's clients send it.

Comes in: any request that the door does not answer itself. Goes out: the app's answer, or 401. Must not: ask for the
key on the page, which tells nothing and lets people type it.
"""

import hmac
import json
from typing import Final

from image_gen.serving.startup_app import App, Receive, Scope, Send

_OPEN: Final = "/"
_REFUSAL: Final = {
    "error": {
        "message": "Send the API key of this service as `Authorization: Bearer <key>`.",
        "type": "authentication_error",
        "param": None,
        "code": "invalid_api_key",
    }
}


class ApiKeyMiddleware:
    """An ASGI application in front of another."""

    def __init__(self, app: App, key: str) -> None:
        self._app = app
        self._expected = f"Bearer {key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's entry."""
        if scope["type"] != "http" or scope["path"] == _OPEN or self._knows(scope):
            await self._app(scope, receive, send)
            return
        data = json.dumps(_REFUSAL).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(data)),
            (b"www-authenticate", b"Bearer"),
        ]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": data})

    def _knows(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        # The time that it takes must not tell how much of the key was right.
        return len(given) == 1 and hmac.compare_digest(given[0], self._expected)
