"""Servers with half a feature: a mirror in front of the hub of the tests, which changes requests and answers."""

from __future__ import annotations

import base64
import gzip
import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass
class MirrorResponse:
    """One answer, before it is sent. A body without a length is sent in chunks."""

    status: int
    headers: dict[str, str]
    body: bytes
    has_length: bool = True


@dataclass
class Mirror:
    """`asked` are the requests that arrived: path, range and authorization."""

    url: str
    asked: list[tuple[str, str | None, str | None]] = field(default_factory=list)


Change = Callable[[Any, MirrorResponse], MirrorResponse]


@contextmanager
def mirror(hub_url: str, change: Change, prefix: str = "") -> Iterator[Mirror]:
    """Below `prefix`, everything that the hub has, changed by `change(handler, answer)`."""
    upstream = urlsplit(hub_url)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None: ...

        def do_GET(self) -> None:
            seen.asked.append((self.path, self.headers.get("Range"), self.headers.get("Authorization")))
            connection = http.client.HTTPConnection(upstream.hostname or "", upstream.port)
            passed = {each: value for each in ("Range", "Authorization") if (value := self.headers.get(each))}
            connection.request("GET", self.path.removeprefix(prefix), headers=passed)
            found = connection.getresponse()
            dropped = {"content-length", "connection", "transfer-encoding", "date", "server"}
            headers = {name: value for name, value in found.getheaders() if name.lower() not in dropped}
            self.send(change(self, MirrorResponse(found.status, headers, found.read())))
            connection.close()

        def send(self, answer: MirrorResponse) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.has_length:
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)
            else:
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(answer.body), answer.body))

    with _serving(Handler) as url:
        seen = Mirror(f"{url}{prefix}")
        yield seen


@contextmanager
def forward_proxy(login: str = "", status: int = 0) -> Iterator[Mirror]:
    """A proxy for http:// addresses and CONNECT. With `login` it requires that; `status` is its only answer."""
    wanted = f"Basic {base64.b64encode(login.encode()).decode()}" if login else None

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None: ...

        def refuses(self) -> bool:
            given = self.headers.get("Proxy-Authorization")
            seen.asked.append((self.path, None, given))
            refusal = status or (407 if wanted and given != wanted else 0)
            if refusal:
                self.send_response(refusal)
                self.send_header("Content-Length", "0")
                self.end_headers()
            return bool(refusal)

        def do_CONNECT(self) -> None:
            if not self.refuses():
                self.send_error(501)

        def do_GET(self) -> None:
            if self.refuses():
                return
            url = urlsplit(self.path)
            connection = http.client.HTTPConnection(url.hostname or "", url.port)
            connection.request("GET", f"{url.path}?{url.query}", headers={"Range": self.headers.get("Range", "")})
            found = connection.getresponse()
            body = found.read()
            self.send_response(found.status)
            for name, value in found.getheaders():
                if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with _serving(Handler) as url:
        seen = Mirror(url)
        yield seen


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def is_file(handler: Any) -> bool:
    """Whether a file's content was asked for."""
    return "/resolve/" in handler.path


def compressed(answer: MirrorResponse) -> MirrorResponse:
    """A content with gzip on it, whatever was asked."""
    headers = {name: value for name, value in answer.headers.items() if name != "Content-Range"}
    return MirrorResponse(answer.status, headers | {"Content-Encoding": "gzip"}, gzip.compress(answer.body))
