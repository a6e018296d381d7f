"""Refuses requests for other names than the service's own, which a page elsewhere can send through a name of its own
(DNS rebinding). The names of this machine are always allowed: nobody else's name server gives them.
"""

from collections.abc import Sequence
from typing import Final

from image_gen.serving.http.error_json import error_json
from image_gen.serving.http.startup_app import App, Receive, Scope, Send, send_json

_OWN: Final = ("localhost", "127.0.0.1", "[::1]")


class AllowedHosts:
    """An ASGI application in front of another. `*.example.com` stands for every name below example.com."""

    def __init__(self, app: App, names: Sequence[str]) -> None:
        self._app = app
        self._exact = frozenset((*_OWN, *(name.lower() for name in names)))
        self._below = tuple(name[1:].lower() for name in names if name.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's entry."""
        if scope["type"] != "http" or self._allows(scope):
            await self._app(scope, receive, send)
            return
        message = "The host that the request names is not one of this service's. Fix: IMAGE_GEN_ALLOWED_HOSTS"
        await send_json(scope, send, 421, error_json(421, message, code="host_not_allowed"))

    def _allows(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"host"]
        if len(given) != 1:
            return False
        host = given[0].decode("latin-1").lower()
        name = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
        return name in self._exact or name.endswith(self._below)
