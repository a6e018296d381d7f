"""IMAGE_GEN_COMPILE is off by default, keeps its artefacts beside the cache, and says when it can't be done."""

from __future__ import annotations

import json
from pathlib import Path

from .conftest import StartServer


def test_it_says_what_is_done_and_where_it_is_kept(start_server: StartServer) -> None:
    server = start_server(IMAGE_GEN_COMPILE="1")
    server.wait_phase("ready")
    line = server.log.partition("Compiling at the first picture; kept below ")[2]
    assert Path(line.split()[0]).name == "compile"


def test_it_says_why_not_and_serves(start_server: StartServer) -> None:
    server = start_server(
        IMAGE_GEN_COMPILE="1", FAKE_WORKER=json.dumps({"not_compiled": "Triton is not in this image"})
    )
    server.wait_phase("ready")
    assert "IMAGE_GEN_COMPILE is set, but Triton is not in this image. Serving uncompiled.\n" in server.log


def test_nothing_is_compiled_unasked(start_server: StartServer) -> None:
    server = start_server()
    server.wait_phase("ready")
    assert "ompil" not in server.log
