"""IMAGE_GEN_COMPILE is off by default, keeps its artefacts beside the cache, and says when it can't be done."""

from __future__ import annotations

import json
from pathlib import Path

from .conftest import StartServer


def test_compile_logs_the_artefact_directory(start_server: StartServer) -> None:
    server = start_server(IMAGE_GEN_COMPILE="1")
    server.wait_phase("ready")
    line = server.log.partition("Compiling at the first picture; kept below ")[2]
    assert Path(line.split()[0]).name == "compile"


def test_compile_logs_why_it_is_not_possible_and_serves(start_server: StartServer) -> None:
    server = start_server(
        IMAGE_GEN_COMPILE="1", FAKE_WORKER=json.dumps({"not_compiled": "Triton is not in this image"})
    )
    server.wait_phase("ready")
    assert "IMAGE_GEN_COMPILE is set, but Triton is not in this image. Serving uncompiled.\n" in server.log


def test_compile_is_off_by_default(start_server: StartServer) -> None:
    server = start_server()
    server.wait_phase("ready")
    assert "ompil" not in server.log
