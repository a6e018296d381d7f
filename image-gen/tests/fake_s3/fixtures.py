"""An S3 server on loopback, a bucket in it, and a door in front that can misbehave."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from free_port import free_port

from fake_s3.proxy import S3Proxy

BUCKET = "models"


@pytest.fixture(scope="session")
def s3_server() -> Iterator[tuple[str, int]]:
    port = free_port()
    program = Path(sys.executable).with_name("moto_server")
    server = subprocess.Popen(
        [str(program), "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            assert server.poll() is None, "moto_server ended"
            time.sleep(0.05)
    yield "127.0.0.1", port
    server.terminate()
    server.wait()


@pytest.fixture
def proxy(s3_server: tuple[str, int]) -> Iterator[S3Proxy]:
    """An empty bucket behind a door."""
    for method, path in (("POST", "/moto-api/reset"), ("PUT", f"/{BUCKET}")):
        request = urllib.request.Request(f"http://127.0.0.1:{s3_server[1]}{path}", method=method)
        urllib.request.urlopen(request).close()
    with serve_proxy(s3_server) as server:
        yield server


@contextlib.contextmanager
def serve_proxy(upstream: tuple[str, int]) -> Iterator[S3Proxy]:
    """A door before a server."""
    server = S3Proxy(upstream)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def aws(proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of somebody who may use the bucket; nothing of this machine's own."""
    for name in [each for each in os.environ if each.startswith("AWS_")]:
        monkeypatch.delenv(name)
    return {
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": proxy.url,
    }
