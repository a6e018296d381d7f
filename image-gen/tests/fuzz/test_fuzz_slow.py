"""Ten thousand requests that no client should send: no 5xx, none without an answer, every error in OpenAI's shape."""

import asyncio
from pathlib import Path

import pytest

from tests.serving.conftest import _end

from .play import play
from .server import start


@pytest.mark.parametrize(("engine", "count"), [("fake", 10_000), ("demo", 300)])
def test_no_request_is_an_error_of_the_service(tmp_path: Path, engine: str, count: int) -> None:
    server = start(tmp_path, engine)
    try:
        worker = server.engine_pid()
        found = asyncio.run(play(server.port, 0, range(count)))
        print(found.statuses)  # noqa: T201 - a figure
        assert found.bad == []
        # Each kind of answer is among them: what all refuse proves nothing.
        assert {200, 202, 400, 401, 404, 405, 413, 415} <= set(found.statuses)
        assert server.engine_pid() == worker and server.get("/healthz").status == 200
        assert "Traceback" not in server.log
    finally:
        _end(server)
