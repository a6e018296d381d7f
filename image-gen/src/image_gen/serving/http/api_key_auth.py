"""Requires an API key, as OpenAI's clients send it: `Authorization: Bearer <key>`, and applies the key's limits.

The page and its files need no key: they contain no secrets, and ask for the key. Nor does the address of a picture,
which nobody can guess: pages show it in an <img>, which sends no key.
"""

from collections.abc import MutableMapping
from typing import Any, Final

from image_gen.log import REQUEST_FACTS
from image_gen.serving.http.api_keys import ApiKey, ApiKeys
from image_gen.serving.http.error_json import error_json
from image_gen.serving.http.key_limits import KeyLimits
from image_gen.serving.http.page_files import FILES, PAGE
from image_gen.serving.http.startup_app import App, Receive, Scope, Send, send_json

_PICTURES = "/v1/files/"
_REFUSAL: Final = error_json(
    401, "Send an API key of this service as `Authorization: Bearer <key>`.", code="invalid_api_key"
)
# Where the log and the metrics find the name of the request's key.
KEY_NAME: Final = "image_gen.key_name"
# Where the routes find what it may do; absent without keys.
KEY_PERMISSIONS: Final = "image_gen.key_permissions"
_CACHE: Final = "/v1/cache/"


def is_open(path: str) -> bool:
    """Whether a path needs no key."""
    return path == PAGE or path.startswith((FILES, _PICTURES))


class ApiKeyMiddleware:
    """An ASGI application in front of another."""

    def __init__(self, app: App, keys: ApiKeys, limits: KeyLimits) -> None:
        self._app = app
        self._keys = keys
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's entry."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        key = self._key_of(scope)
        if key is None and not is_open(scope["path"]):
            await send_json(scope, send, 401, _REFUSAL, (b"www-authenticate", b"Bearer"))
            return
        if key is not None:
            scope[KEY_NAME], scope[KEY_PERMISSIONS] = key.name, key.permissions
            REQUEST_FACTS.set({**(REQUEST_FACTS.get() or {}), "key": key.name})
        # Reading and cancelling cost next to nothing, and a client waits for its pictures by the one. The limits are
        # for pictures; the cache has one operation at a time.
        free = scope["method"] != "POST" or scope["path"].endswith("/cancel") or scope["path"].startswith(_CACHE)
        if key is None or free:
            await self._app(scope, receive, send)
        else:
            await self._limited(key, scope, receive, send)

    async def _limited(self, key: ApiKey, scope: Scope, receive: Receive, send: Send) -> None:
        if exceeded := self._limits.begin(key):
            error = error_json(429, exceeded.message, code="rate_limit_exceeded")
            wait = (b"retry-after", b"%d" % exceeded.retry_after)
            await send_json(scope, send, 429, error, wait, *self._limits.headers(key))
            return

        async def with_limits(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self._limits.headers(key)]
            await send(message)

        try:
            await self._app(scope, receive, with_limits)
        finally:
            self._limits.end(key)

    def _key_of(self, scope: Scope) -> ApiKey | None:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(given) != 1:
            return None
        kind, _, key = given[0].partition(b" ")
        return self._keys.find(key) if kind.lower() == b"bearer" else None
