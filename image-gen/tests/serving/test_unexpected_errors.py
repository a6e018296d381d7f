"""An exception that no route has expected, and what the log has of its request."""

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from image_gen.serving.app import OneLineErrors


def test_the_log_has_the_route_and_neither_the_path_nor_the_text(caplog: pytest.LogCaptureFixture) -> None:
    sent: list[Any] = []

    async def app(scope: Any, *_: object) -> None:
        scope["route"] = SimpleNamespace(path="/v1/files/{name}")
        raise RuntimeError("a very secret garden")

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    scope = {"type": "http", "method": "GET", "path": "/v1/files/unguessable.png", "headers": []}
    with caplog.at_level(logging.ERROR, "image_gen"):
        asyncio.run(OneLineErrors(app)(scope, receive, send))
    assert [message.get("status") for message in sent] == [500, None]
    assert "Internal error at /v1/files/{name}: RuntimeError" in caplog.messages
    assert "unguessable" not in caplog.messages[0] and "garden" not in caplog.messages[0]
