"""A server process for tests: the real one, with an engine that paints without torch."""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from free_port import free_port

_TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ")
HERE = Path(__file__).parent
SOURCES = HERE.parents[1] / "src"


@dataclass
class HttpResult:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    """A started server; `log` is all that it has written."""

    process: "subprocess.Popen[bytes]"
    port: int
    log_file: Path
    started: float = field(default_factory=time.monotonic)

    @property
    def log(self) -> str:
        """The log as Docker shows it. Each line of the file begins with its time, which is checked here."""
        text = self.log_file.read_text(encoding="utf-8")
        lines = text.splitlines(keepends=True)
        assert all(_TIME.match(line) for line in lines if "[image-gen] " in line), text
        return "".join(_TIME.sub("", line, count=1) for line in lines)

    def connect(self, timeout: float = 120) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def get(self, path: str, method: str = "GET") -> HttpResult:
        return self._ask(method, path, None, {})

    def post(self, body: object, headers: Mapping[str, str] | None = None) -> HttpResult:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._ask(
            "POST", "/v1/images/generations", data, {"Content-Type": "application/json", **(headers or {})}
        )

    def _ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> HttpResult:
        with contextlib.closing(self.connect()) as connection:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            return HttpResult(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def state(self) -> Any:
        return self.get("/readyz").json

    def wait_alive(self, seconds: float = 60) -> float:
        """Seconds from the process's start until /healthz answered."""
        return self._wait(lambda: self.get("/healthz").status == 200, seconds)

    def wait_phase(self, *phases: str, seconds: float = 60) -> Any:
        self._wait(lambda: self.state()["phase"] in phases, seconds)
        return self.state()

    def wait_log(self, text: str, seconds: float = 60) -> None:
        self._wait(lambda: text in self.log, seconds)

    def _wait(self, done: Callable[[], bool], seconds: float) -> float:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                if done():
                    return time.monotonic() - self.started
            assert self.process.poll() is None, f"the server has ended:\n{self.log}"
            time.sleep(0.01)
        raise AssertionError(f"not within {seconds} s; the server's log:\n{self.log}")

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def engine_pid(self) -> int:
        return children_of(self.process.pid, "--fd")[0]

    def metric(self, name: str) -> float:
        for line in self.get("/metrics").body.decode().splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[-1])
        raise AssertionError(f"no metric {name}")


def children_of(pid: int, text: str) -> list[int]:
    """Child processes whose command line holds `text`."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [int(child) for child in children if text in Path(f"/proc/{child}/cmdline").read_text(encoding="utf-8")]


StartServer = Callable[..., Server]


def _start(folder: Path, worker: str, env: Mapping[str, object], prefix: Sequence[str] = ()) -> Server:
    port = free_port()
    log_file = folder / f"server-{port}.log"
    variables = {key: json.dumps(value) if isinstance(value, dict) else str(value) for key, value in env.items()}
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [*prefix, sys.executable, str(HERE / "server_program.py"), worker],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(SOURCES),
                "HF_HOME": str(folder / "hf"),
                "IMAGE_GEN_BAKED_DIR": str(folder / "baked"),
                "HOST": "127.0.0.1",
                "PORT": str(port),
                **variables,
            },
        )
    return Server(process, port, log_file)


def _end(server: Server) -> None:
    if server.process.poll() is None:
        server.process.kill()
    server.process.wait(60)


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that looks like a pipeline; nothing in it can be loaded."""
    folder = tmp_path_factory.mktemp("model")
    index = {"_class_name": "StableDiffusionXLPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}
    (folder / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
    (folder / "unet").mkdir()
    (folder / "unet" / "config.json").write_text("{}", encoding="utf-8")
    (folder / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"no weights")
    return folder


@pytest.fixture
def start_server(tmp_path: Path, model_dir: Path) -> Iterator[StartServer]:
    """Starts servers with environment variables of the test's choice; all of them end with the test."""
    servers: list[Server] = []

    def start(*, worker: str = str(HERE / "fake_worker.py"), prefix: Sequence[str] = (), **env: object) -> Server:
        if not env.keys() & {"MODEL_ID", "MODEL_DIR"}:
            env["MODEL_DIR"] = model_dir
        servers.append(_start(tmp_path, worker, env, prefix))
        return servers[-1]

    yield start
    for server in servers:
        _end(server)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, model_dir: Path) -> Iterator[Server]:
    """One ready server for the tests of a module that leave it as it was."""
    running = _start(tmp_path_factory.mktemp("server"), str(HERE / "fake_worker.py"), {"MODEL_DIR": model_dir})
    running.wait_phase("ready")
    yield running
    _end(running)
