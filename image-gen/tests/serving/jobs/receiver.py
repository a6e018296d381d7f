"""Who gets webhooks: an HTTP server on loopback."""

import base64
import hashlib
import hmac
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

SECRET = "whsec_" + base64.b64encode(b"a key of at least 24 bytes").decode()


def signature_of(headers: dict[str, str], body: bytes) -> str:
    """What `webhook-signature` has to be."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.new(base64.b64decode(SECRET.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


class Receiver(ThreadingHTTPServer):
    """Remembers what comes, and answers with `statuses`, the last of them for ever."""

    def __init__(self) -> None:
        self.statuses = [204]
        # Answers wait while it is clear.
        self.answering = threading.Event()
        self.answering.set()
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook?token=hidden"

    def wait(self, count: int) -> None:
        end = time.monotonic() + 60
        while len(self.got) < count:
            assert time.monotonic() < end, self.got
            time.sleep(0.02)


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Receiver)
        body = self.rfile.read(int(self.headers["content-length"]))
        server.got.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        server.answering.wait(60)
        self.send_response(server.statuses.pop(0) if len(server.statuses) > 1 else server.statuses[0])
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
