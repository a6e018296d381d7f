"""The two that make pictures: the service, asked by HTTP, and a plain program of diffusers, asked by a pipe."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environment import environment
from models import MODEL_ID, snapshot_in

HERE = Path(__file__).resolve().parent
_START_SECONDS = 900.0


def prefer(*pids: int) -> None:
    """Gives the sessions of these processes the same, highest share of the processor, where this user may. The worker
    has a session of its own, and Linux shares a busy processor by sessions.
    """
    for pid in pids:
        with contextlib.suppress(OSError):
            Path(f"/proc/{pid}/autogroup").write_text("-20", encoding="ascii")


@dataclass(frozen=True)
class Job:
    """One picture: its size in pixels and its steps."""

    width: int
    height: int
    steps: int
    seed: int

    @property
    def body(self) -> dict[str, Any]:
        return {
            # Another one for each picture: the service keeps what its text encoders made of a prompt.
            "prompt": f"a lighthouse at night, oil on canvas, {self.seed}", "seed": self.seed, "steps": self.steps,
            "size": f"{self.width}x{self.height}",
        }  # fmt: skip


@dataclass(frozen=True)
class Made:
    """A picture (PNG) and the seconds from asking for it until it was here."""

    seconds: float
    picture: bytes


class Service:
    """`image-gen` on loopback. `phase_seconds` has its start-up by phase, once it is ready."""

    def __init__(self, home: Path, device: str, log: Path, more: Mapping[str, str]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port: int = probe.getsockname()[1]
        self._log = log
        self.phase_seconds: dict[str, float] = {}
        env = environment() | {
            "HF_HOME": str(home), "MODEL_ID": MODEL_ID, "IMAGE_GEN_DEVICE": device, "HOST": "127.0.0.1",
            "PORT": str(self._port),
        }  # fmt: skip
        with log.open("wb") as output:
            command = [sys.executable, "-m", "image_gen", "serve"]
            self.process = subprocess.Popen(command, env=env | more, stdout=output, stderr=output)

    def wait(self) -> None:
        """Until the service is ready. Raises SystemExit with the log's end when it ends or fails."""
        end = time.monotonic() + _START_SECONDS
        state: dict[str, Any] = {"phase": "starting"}
        while state["phase"] != "ready":
            if self.process.poll() is not None or time.monotonic() > end or state["phase"] == "failed":
                raise SystemExit(f"the service is not ready:\n{self._log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.2)
            try:
                state = json.loads(self._ask("GET", "/readyz"))
            except OSError:
                continue
        self.phase_seconds = dict(state["phases"])

    def make(self, job: Job) -> Made:
        begin = time.perf_counter()
        answer = json.loads(self._ask("POST", "/v1/images/generations", job.body))
        seconds = time.perf_counter() - begin
        if "data" not in answer:
            raise SystemExit(f"the service answered {answer}")
        return Made(seconds, base64.b64decode(answer["data"][0]["b64_json"]))

    @property
    def pids(self) -> list[int]:
        """The service and its worker."""
        pid = self.process.pid
        return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split())]

    def stream(self, job: Job, **fields: object) -> Made:
        """The same by events, whose last one has the picture."""
        begin = time.perf_counter()
        answer = self._ask("POST", "/v1/images/generations", {**job.body, "stream": True, **fields})
        seconds = time.perf_counter() - begin
        event = json.loads(answer.decode().rpartition("data: ")[2])
        if "b64_json" not in event:
            raise SystemExit(f"the service answered {event}")
        return Made(seconds, base64.b64decode(event["b64_json"]))

    def metric(self, name: str) -> float:
        lines = self._ask("GET", "/metrics").decode().splitlines()
        return next((float(line.split()[-1]) for line in lines if line.startswith(f"{name} ")), 0.0)

    def _ask(self, method: str, path: str, body: object = None) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_START_SECONDS)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, {"Content-Type": "application/json"})
            return connection.getresponse().read()
        finally:
            connection.close()

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(30)


class Plain:
    """`plain.py` in a process of its own. `about` tells its device and versions."""

    def __init__(self, home: Path, device: str, log: Path) -> None:
        env = environment() | {"BENCH_DEVICE": device, "BENCH_MODEL": str(snapshot_in(home)), "HF_HOME": str(home)}
        with log.open("wb") as output:
            command = [sys.executable, str(HERE / "plain.py")]
            self.process = subprocess.Popen(
                command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output, text=True
            )
        self._log = log
        self.about: dict[str, Any] = {}
        self.gpu_peak_bytes = 0
        self.steps_per_second = 0.0

    def wait(self) -> None:
        self.about = self._line()

    def make(self, job: Job) -> Made:
        assert self.process.stdin
        begin = time.perf_counter()
        order = {"prompt": job.body["prompt"], "width": job.width, "height": job.height}
        self.process.stdin.write(json.dumps(order | {"steps": job.steps, "seed": job.seed}) + "\n")
        self.process.stdin.flush()
        answer = self._line()
        seconds = time.perf_counter() - begin
        self.gpu_peak_bytes = int(answer["gpu_peak_bytes"])
        self.steps_per_second = float(answer["steps_per_second"])
        return Made(seconds, base64.b64decode(answer["picture"]))

    def _line(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the plain program ended:\n{self._log.read_text(errors='replace')[-3000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        self.process.kill()
        self.process.wait(30)
