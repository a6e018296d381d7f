"""The small scripts of the image: `rm` with a star below /data, and the health check."""

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

DOCKER = Path(__file__).parents[2] / "docker"


@pytest.fixture
def rm(tmp_path: Path) -> Path:
    """The wrapper, with /data and /bin/rm elsewhere, as no test may touch those of this machine."""
    data = tmp_path / "data"
    for name in ("hub/model/blob", "hub/with space/blob", "other", ".hidden"):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text("x", encoding="utf-8")
    text = (DOCKER / "bin" / "rm").read_text(encoding="utf-8")
    script = tmp_path / "rm"
    script.write_text(text.replace("/data/*'*'*)", f"{data}/*'*'*)"), encoding="utf-8")
    return script


def run(script: Path, *arguments: str) -> int:
    return subprocess.run(["sh", str(script), *arguments], check=False, cwd=script.parent).returncode


def test_rm_script_deletes_a_pattern_below_data(rm: Path) -> None:
    data = rm.parent / "data"
    assert run(rm, "-rf", f"{data}/*") == 0
    assert [path.name for path in data.iterdir()] == [".hidden"]


def test_rm_script_handles_spaces_and_inner_stars(rm: Path) -> None:
    data = rm.parent / "data"
    assert run(rm, "-r", f"{data}/hub/w*", f"{data}/oth*") == 0
    assert sorted(path.name for path in data.rglob("*")) == [".hidden", "blob", "hub", "model"]


def test_rm_script_does_not_expand_patterns_elsewhere(rm: Path) -> None:
    data, outside = rm.parent / "data", rm.parent / "outside"
    outside.mkdir()
    (outside / "file").write_text("x", encoding="utf-8")
    assert run(rm, "-rf", f"{outside}/*", f"{data}/../outside/*") == 0
    assert (outside / "file").exists()


def test_rm_script_without_a_pattern_is_rm(rm: Path) -> None:
    data = rm.parent / "data"
    assert run(rm, str(data / "nothing")) != 0
    assert run(rm, "-rf", str(data / "hub" / "model"), str(data / "hub" / "with space")) == 0
    assert list((data / "hub").iterdir()) == []


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_health_check_reflects_readyz(status: int, code: int) -> None:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b'{"phase":"p"}')

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        done = check({"PORT": str(server.server_port), "HOST": "0.0.0.0"})
    assert (done.returncode, done.stdout, asked) == (code, '{"phase":"p"}', ["/readyz"])


def test_health_check_fails_without_a_server() -> None:
    done = check({"PORT": "1"})
    assert done.returncode == 1
    assert done.stderr.startswith("no answer: ")


def check(env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-I", "-S", str(DOCKER / "healthcheck.py")]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"], **env})
