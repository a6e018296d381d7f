"""A hub on loopback, in a process of its own: what the benches fetch from."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class BenchHub:
    """The hub as its clients see it, and what it saw of them."""

    def __init__(self, url: str) -> None:
        self.url = url

    def line(self, bytes_per_second: int | None) -> None:
        self._call("POST", "/_knobs", {"line_bytes_per_second": bytes_per_second})

    def forget(self) -> None:
        self._call("DELETE", "/_log")

    def requests(self) -> list[dict[str, Any]]:
        return list(self._call("GET", "/_log"))

    def warm_up(self, model: str) -> None:
        """Lets it hash its files, and the kernel hold them in memory."""
        self._call("GET", f"/api/models/{model}")

    def _call(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        with urllib.request.urlopen(request) as response:
            return json.load(response)


@contextmanager
def serving(root: Path, port_file: Path) -> Iterator[BenchHub]:
    command = [sys.executable, "-m", "image_gen_demo.hub", "--root", str(root), "--port-file", str(port_file)]
    with subprocess.Popen([*command, "--with-parent"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        while not port_file.exists():
            if process.poll() is not None:
                raise SystemExit("bench: the hub did not start")
            time.sleep(0.02)
        yield BenchHub(f"http://127.0.0.1:{port_file.read_text()}")
        process.terminate()
