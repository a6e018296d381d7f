"""Each error of `/readyz`: it is reached, only its printed fix is done, and the service gets ready."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from conftest import MakeRepo

from image_gen.errors import BY_CODE
from image_gen_demo.hub import DemoHub
from serving.conftest import StartServer

from .cases import CASES, IS_ROOT, NOT_SHOWN, Case, Way
from .surroundings import Surroundings

# Long enough for a slow machine; a look of the service's own would come after 30 s, if it were not shortened.
SECONDS = 25.0


@pytest.fixture
def around(tmp_path: Path, hub: DemoHub, make_repo: MakeRepo, model_dir: Path) -> Iterator[Surroundings]:
    with ExitStack() as ended:
        yield Surroundings(tmp_path, hub, make_repo, model_dir, ended)


def test_every_code_is_in_the_catalogue_or_has_a_reason_why_not() -> None:
    shown = {case.code for case in CASES}
    assert shown | NOT_SHOWN.keys() == BY_CODE.keys()
    assert not shown & NOT_SHOWN.keys()


@pytest.mark.parametrize(
    ("case", "way"), [pytest.param(case, way, id=f"{case.code}-{way}") for case in CASES for way in case.ways]
)
def test_the_printed_fix_ends_the_error(around: Surroundings, start_server: StartServer, case: Case, way: Way) -> None:
    if case.needs_root and not IS_ROOT:
        pytest.skip("mounting a file system, and giving up root's rights, need root")
    case.reach(around)
    if way in {"itself", "retry"}:
        around.env["FAST"] = "0.3"
    env = {name: value for name, value in around.env.items() if not name.startswith("_")}
    server = start_server(prefix=around.prefix, **env)
    state = server.wait_phase("failed", "ready", seconds=SECONDS)
    assert state["error"], server.log
    error = state["error"]
    assert error["code"] == case.code, error
    assert error["retryable"] is (way == "retry" or "retry" in case.ways), error
    assert server.get("/readyz").status == 503

    case.fix(around, error["message"])
    if way == "signal":
        server.signal(signal.SIGHUP)
    if way == "restart":
        server.signal()
        assert server.process.wait(60) == 0
        server = start_server(prefix=around.prefix, **around.env)
    state = server.wait_phase("ready", seconds=SECONDS)
    assert (state["error"], server.get("/readyz").status) == (None, 200)
    assert server.post({"prompt": "x"}).status == 200


def test_a_signal_shows_starting_at_once_and_the_error_that_is_there_then(
    around: Surroundings, start_server: StartServer
) -> None:
    around.env["MODEL_DIR"] = str(around.folder / "own-model")
    server = start_server(**around.env)
    server.wait_phase("failed")
    before = server.log.count("MODEL_DIR_INVALID")
    server.signal(signal.SIGHUP)
    server.wait_log("Retrying after SIGHUP.")
    server._wait(lambda: server.log.count("MODEL_DIR_INVALID") == before + 1, SECONDS)
    assert server.wait_phase("failed")["error"]["code"] == "MODEL_DIR_INVALID"


def test_a_signal_changes_nothing_while_nothing_has_failed(start_server: StartServer) -> None:
    server = start_server()
    server.wait_phase("ready")
    pid = server.engine_pid()
    server.signal(signal.SIGHUP)
    server.wait_log("SIGHUP: nothing has failed (phase ready).")
    assert server.state()["phase"] == "ready" and server.engine_pid() == pid
    assert server.post({"prompt": "x"}).status == 200


def test_a_look_that_finds_nothing_new_is_not_shown(around: Surroundings, start_server: StartServer) -> None:
    server = start_server(FAST="0.1", **around.env)
    server.wait_phase("failed")
    requests = len(around.hub.requests)
    phases = set()

    def looked() -> bool:
        phases.add(server.state()["phase"])
        return len(around.hub.requests) > requests + 4

    server._wait(looked, SECONDS)
    assert phases == {"failed"}
    assert server.log.count("MODEL_NOT_FOUND") == 1
