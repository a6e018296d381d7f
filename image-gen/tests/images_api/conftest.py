"""OpenAI's own client against the real server; `official` makes one for a server."""

import threading
from collections.abc import Callable
from typing import Any

import openai
import pytest

from tests.serving.conftest import Server, model_dir, server, start_server

__all__ = ["model_dir", "server", "start_server"]

MakeClient = Callable[..., openai.OpenAI]


@pytest.fixture
def official() -> MakeClient:
    """The client as it comes: its default retries, and no option but the address and the key."""

    def make(of: Server, **options: Any) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"http://127.0.0.1:{of.port}/v1", **{"api_key": "none", **options})

    return make


def unanswered(server: Server, official: MakeClient, clients: int, each: int, **options: int) -> list[Exception]:
    """What failed of so many clients at once, each asking for so many pictures, one after another."""
    failures: list[Exception] = []

    def work() -> None:
        client = official(server, **options)
        for _ in range(each):
            try:
                assert client.images.generate(prompt="x", extra_body={"steps": 1}).data
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures
