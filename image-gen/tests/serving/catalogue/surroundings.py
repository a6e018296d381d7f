"""What a case of the catalogue may use: a hub, a bucket that refuses, a small file system, and the service."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from conftest import SOURCES, MakeRepo

from image_gen_demo.hub import DemoHub

# Of the container; nobody on this machine.
USER = 10001
_NOTHING = b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code><Message>no</Message></Error>"
_EMPTY = b"<?xml version='1.0'?><ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated></ListBucketResult>"


class Bucket(ThreadingHTTPServer):
    """An empty S3 bucket, or one that refuses every request with `refusal`, a status and S3's code."""

    daemon_threads = True

    def __init__(self, refusal: tuple[int, str] | None = None, port: int = 0) -> None:
        self.refusal = refusal
        self.silent = False
        super().__init__(("127.0.0.1", port), _BucketHandler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _BucketHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Bucket

    def log_message(self, *_: object) -> None:
        """Nothing is of interest."""

    def do_GET(self) -> None:
        while self.server.silent:
            threading.Event().wait(0.1)
        status, body = (200, _EMPTY) if "list-type" in self.path else (404, _NOTHING)
        if self.server.refusal:
            status, code = self.server.refusal
            body = _NOTHING.replace(b"NoSuchKey", code.encode())
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_PUT = do_POST = do_GET  # noqa: N815 - the base class's names


class Surroundings:
    """`env` is the service's environment, `ended` is called at the end of the test."""

    def __init__(self, folder: Path, hub: DemoHub, make_repo: MakeRepo, model_dir: Path, ended: ExitStack) -> None:
        self.folder, self.hub, self.make_repo, self.model_dir, self.ended = folder, hub, make_repo, model_dir, ended
        self.home = folder / "data" / "huggingface"
        self.prefix: tuple[str, ...] = ()
        self.env: dict[str, Any] = {"MODEL_ID": "test/model", "HF_ENDPOINT": hub.url, "HF_HOME": str(self.home)}
        self.flag = folder / "fixed"

    def fake(self, **options: Any) -> None:
        """What the engine does until the flag is there."""
        self.env["FAKE_WORKER"] = json.dumps({"until_file": str(self.flag), **options})

    def bucket(self, refusal: tuple[int, str] | None) -> Bucket:
        """The service's mirror."""
        server = Bucket(refusal)
        self.ended.callback(server.server_close)
        self.ended.callback(server.shutdown)
        self.env |= {
            "IMAGE_GEN_MIRROR": "s3://models", "AWS_ENDPOINT_URL": server.url, "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        }  # fmt: skip
        return server

    def mount(self, options: str) -> Path:
        """A file system of its own for the cache; needs root."""
        place = self.folder / "data"
        place.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(place)], check=True)
        self.ended.callback(lambda: subprocess.run(["umount", "--lazy", str(place)], check=False))
        return place

    def inject(self, program: str) -> None:
        """A named fault: code that the service's interpreter runs first. `FIXED` is the flag's path in it."""
        place = self.folder / "inject"
        place.mkdir()
        head = f"import pathlib\nFIXED = pathlib.Path({str(self.flag)!r})\n"
        (place / "sitecustomize.py").write_text(head + program, encoding="utf-8")
        self.env["PYTHONPATH"] = f"{place}{os.pathsep}{SOURCES}"

    def fix(self) -> None:
        """The cause of an injected fault is gone."""
        self.flag.touch()

    def run_command(self, command: str) -> None:
        """A command of the package, as it is printed, against the service's own cache."""
        words = command.removeprefix("image-gen").split()
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCES), **{k: str(v) for k, v in self.env.items()}}
        env.pop("HF_HUB_OFFLINE", None)
        done = subprocess.run(
            [sys.executable, "-m", "image_gen", *words], env=env, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


def run_as_root(command: str) -> None:
    """A command line that a message prints for root."""
    subprocess.run(["bash", "-euc", command.replace("sudo ", "")], check=True)


def printed(message: str, pattern: str) -> str:
    """The part of a message that a fix is made of; it has to be there."""
    found = re.search(pattern, message)
    assert found, f"{pattern!r} is not printed: {message}"
    return found[1] if found.groups() else found[0]


Reach = Callable[[Surroundings], None]
Fix = Callable[[Surroundings, str], None]
