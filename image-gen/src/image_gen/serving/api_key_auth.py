"""Requires the API key, as OpenAI's clients send it: `Authorization: Bearer <key>`.

The page needs no key: it contains no secrets, and has a field for the key.
"""

import hmac
from typing import Final

from image_gen.serving.startup_app import App, Receive, Scope, Send, send_json

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
        await send_json(scope, send, 401, _REFUSAL, (b"www-authenticate", b"Bearer"))

    def _knows(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        # In constant time, so that the response time reveals nothing about the key.
        return len(given) == 1 and hmac.compare_digest(given[0], self._expected)
