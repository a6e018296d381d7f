"""A door in front of an S3 server on loopback: passes requests on, counts them, and misbehaves on demand."""

from __future__ import annotations

import http.client
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_CHUNK = 64 << 10


@dataclass
class Seen:
    method: str
    path: str
    range: str | None
    signed: bool
    bytes: int = 0


@dataclass(eq=False)
class S3Proxy(ThreadingHTTPServer):
    """`drop_after`: answers to GET end after so many bytes, `times` times. `refusal`: status and S3's code."""

    upstream: tuple[str, int]
    drop_after: int | None = None
    times: int | None = None
    refusal: tuple[int, str] | None = None
    requests: list[Seen] = field(default_factory=list)
    bytes_per_second: int | None = None

    def __post_init__(self) -> None:
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.daemon_threads = True
        ThreadingHTTPServer.__init__(self, ("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        """A client that went away is what the tests are about."""

    def spend(self) -> bool:
        with self.lock:
            if self.times is None:
                return True
            self.times -= 1
            return self.times >= 0

    def reads(self, ending: str = "") -> list[Seen]:
        return [each for each in self.requests if each.method == "GET" and each.path.endswith(ending)]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: S3Proxy

    def log_message(self, *_: object) -> None:
        """The list of requests says it all."""

    def _pass(self) -> None:
        proxy = self.server
        path, _, query = self.path.partition("?")
        signed = "X-Amz-Signature" in query or "Authorization" in self.headers
        seen = Seen(self.command, path, self.headers.get("Range"), signed)
        with proxy.lock:
            proxy.requests.append(seen)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if proxy.refusal and proxy.spend():
            self._refuse(*proxy.refusal)
            return
        client = http.client.HTTPConnection(*proxy.upstream)
        client.request(self.command, self.path, body, dict(self.headers))
        answer = client.getresponse()
        content = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"connection", "transfer-encoding", "content-length", "date", "server"}:
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        if self.command != "HEAD":
            self._send(content, seen)
        client.close()

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass  # noqa: N815 -- names of the base class

    def _send(self, content: bytes, seen: Seen) -> None:
        limit = self.server.drop_after
        short = seen.method == "GET" and limit is not None and len(content) > limit and self.server.spend()
        if short:
            content = content[:limit]
        for start in range(0, len(content), _CHUNK):
            piece = content[start : start + _CHUNK]
            self.wfile.write(piece)
            seen.bytes += len(piece)
            if self.server.bytes_per_second:
                self.server.closing.wait(len(piece) / self.server.bytes_per_second)
        self.close_connection = self.close_connection or short

    def _refuse(self, status: int, code: str) -> None:
        text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>".encode()
        self.send_response(status)
        if code == "PermanentRedirect":
            self.send_header("x-amz-bucket-region", "eu-west-1")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)
