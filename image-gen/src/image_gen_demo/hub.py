"""Serves directories on loopback as the Hugging Face hub serves models.

    python -m image_gen_demo.hub --root DIR [--host 127.0.0.1] [--port 0] [--log FILE] [--port-file FILE]

`DIR/<org>/<name>/…` is a model's main branch. Knobs (see `knobs.py`) make it misbehave: `--knob name=value` at the
start, `POST /_knobs` with JSON later. `GET /_log` tells what was asked, `DELETE /_log` forgets it.
"""

import argparse
import hashlib
import json
import os
import re
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO, TextIO
from urllib.parse import parse_qs, unquote, urlsplit

from image_gen_demo.knobs import KnobPanel, Knobs, Line
from image_gen_demo.repository import MAIN, HubFile, Repositories, Repository

_CHUNK_BYTES = 64 << 10
_UNPACED_BYTES = 1 << 20
_SEND_BUFFER_BYTES = 128 << 10
_API = re.compile(r"/api/models/(?P<id>[^/]+(?:/[^/]+)??)(?:/(?P<what>revision|tree|paths-info)/(?P<revision>[^/]+))?")
_RESOLVE = re.compile(r"/(?P<id>[^/]+(?:/[^/]+)?)/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
_ERRORS = {
    401: ("", "Invalid username or password."),
    403: ("", "The token may not do that."),
    404: ("RepoNotFound", "Repository not found"),
    429: ("", "Too many requests"),
}


class HubHandler(BaseHTTPRequestHandler):
    """The addresses that huggingface_hub, its command and diffusers use, and the knobs."""

    protocol_version = "HTTP/1.1"
    server: "DemoHub"
    _status = 0
    _sent = 0

    def setup(self) -> None:
        # What waits in the kernel counts as sent; little of it keeps the log's count of bytes true.
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        super().setup()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the name is the base class's
        """The request log says it all."""

    def _answer(self) -> None:
        url = urlsplit(self.path)
        if url.path in {"/_knobs", "/_log"}:
            self._control(url.path)
            return
        self._status = self._sent = 0
        entry: dict[str, Any] = {
            "time": time.time(),
            "method": self.command,
            "path": self.path,
            "range": self.headers.get("Range"),
            "authorized": self.headers.get("Authorization") is not None,
            "status": 0,
            "bytes": 0,
        }
        # At once, so that a request that is never answered can be seen too.
        self.server.note(entry)
        try:
            self._serve(url.path, parse_qs(url.query))
        finally:
            self.server.finish(entry, self._status, self._sent)

    do_HEAD = do_GET = do_POST = do_DELETE = _answer  # noqa: N815 -- the names are the base class's

    def _control(self, path: str) -> None:
        body = self._body()
        if path == "/_knobs" and self.command == "POST":
            try:
                self._json(self.server.panel.turn(json.loads(body)))
            except (ValueError, TypeError, AttributeError) as error:
                self._error(400, "BadRequest", str(error))
        elif path == "/_log" and self.command == "GET":
            self._json(self.server.requests)
        elif path == "/_log" and self.command == "DELETE":
            self.server.forget()
            self._json([])
        else:
            self._error(405, "", "Method not allowed")

    def _serve(self, path: str, query: dict[str, list[str]]) -> None:
        body = self._body()
        if self.server.panel.now.silent:
            self._fall_silent()
            return
        api, resolve = _API.fullmatch(path), _RESOLVE.fullmatch(path)
        found = api or resolve
        if not found:
            self._error(404, "", "Not found")
            return
        refusing = self.server.panel.refuses()
        if refusing and refusing.status:
            code, message = _ERRORS.get(refusing.status, ("", "Internal error"))
            after = {"Retry-After": str(refusing.retry_after)} if refusing.retry_after is not None else {}
            self._error(refusing.status, code, message, after)
            return
        model_id, revision = unquote(found["id"]), unquote(found["revision"] or MAIN)
        repository = self.server.repositories.find(model_id, revision)
        if repository is None:
            missing = "Revision" if self.server.repositories.has(model_id) else "Repo"
            self._error(404, f"{missing}NotFound", f"{missing} not found: {model_id} {revision}")
        elif self._wrong_token():
            self._error(401, "", "Invalid username or password.")
        elif resolve:
            self._file(repository, unquote(resolve["path"]))
        elif api:
            self._api(repository, api["what"], query, body)

    def _api(self, repository: Repository, what: str | None, query: dict[str, list[str]], body: bytes) -> None:
        if what == "tree":
            self._tree(repository, int(query.get("cursor", ["0"])[0]))
        elif what == "paths-info":
            asked = json.loads(body) if body.startswith(b"{") else parse_qs(body.decode())
            paths = asked.get("paths", [])
            self._json([file.entry() for file in repository.files.values() if file.path in paths])
        else:
            self._json(repository.info(self.server.panel.now.gated))

    def _tree(self, repository: Repository, cursor: int) -> None:
        lines = [file.entry() for file in repository.files.values()]
        size = self.server.panel.now.page_size or len(lines)
        after = cursor + size
        here = f"http://{self.headers['Host']}{urlsplit(self.path).path}"
        link = f'<{here}?recursive=true&expand=false&cursor={after}>; rel="next"'
        self._json(lines[cursor:after], {"Link": link} if after < len(lines) else {})

    def _file(self, repository: Repository, path: str) -> None:
        knobs = self.server.panel.now
        file = repository.files.get(path)
        if file is None:
            self._error(404, "EntryNotFound", f"Entry not found: {path}")
            return
        if knobs.gated and not self.headers.get("Authorization"):
            self._error(401, "GatedRepo", f"Access to model {repository.model_id} is restricted.")
            return
        about = {"X-Repo-Commit": repository.commit, "ETag": f'"{file.etag}"', "Accept-Ranges": "bytes"}
        if file.sha256:
            about |= {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(file.size)}
        if knobs.redirect_to:
            about |= self._xet(repository, file) if knobs.xet and file.sha256 else {}
            self._head(302, 0, about | {"Location": f"{knobs.redirect_to}{self.path}"})
            return
        self._content(file, about)

    def _xet(self, repository: Repository, file: HubFile) -> dict[str, str]:
        """What a client of the Xet protocol needs next. Its hash is not the sha256."""
        xet_hash = hashlib.sha256(file.etag.encode()).hexdigest()
        here = f"http://{self.headers['Host']}"
        token = f"{here}/api/models/{repository.model_id}/xet-read-token/{repository.commit}"
        again = f"{here}/v1/reconstructions/{xet_hash}"
        links = f'<{token}>; rel="xet-auth", <{again}>; rel="xet-reconstruction-info"'
        return {"X-Xet-Hash": xet_hash, "Link": links}

    def _content(self, file: HubFile, about: dict[str, str]) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start, end = 0, file.size
        if asked and not self.server.panel.now.ignore_range:
            start = int(asked[1])
            end = min(file.size, int(asked[2]) + 1) if asked[2] else file.size
            if start >= end:
                self._head(416, 0, about | {"Content-Range": f"bytes */{file.size}"})
                return
            self._head(206, end - start, about | {"Content-Range": f"bytes {start}-{end - 1}/{file.size}"})
        else:
            self._head(200, end, about)
        if self.command != "HEAD":
            self._send(file, start, end, self.server.panel.spoils(file.path, end - start))

    def _send(self, file: HubFile, start: int, end: int, knobs: Knobs) -> None:
        began = time.monotonic()
        paced = knobs.rate_bytes_per_second or knobs.line_bytes_per_second
        # Small steps where a rate is kept, so that it is smooth, and one that drips does drip.
        step = min(_CHUNK_BYTES, max(1, paced // 20)) if paced else _UNPACED_BYTES
        with file.place.open("rb") as stream:
            while self._sent < end - start:
                count = min(step, end - start - self._sent, *self._room(knobs))
                if count and knobs.line_bytes_per_second:
                    self._pause(self.server.line.due(count, knobs.line_bytes_per_second))
                sent = self._pass_on(stream, start + self._sent, count, knobs) if count else 0
                if not sent:
                    self._stop_short(knobs)
                    return
                self._sent += sent
                if knobs.rate_bytes_per_second:
                    self._pause(began + self._sent / knobs.rate_bytes_per_second - time.monotonic())

    def _pass_on(self, stream: BinaryIO, offset: int, count: int, knobs: Knobs) -> int:
        """Sends a piece of a file; returns how much of it went. The kernel copies it where it goes out as it is."""
        if not knobs.corrupt and type(self.connection) is socket.socket:
            return os.sendfile(self.connection.fileno(), stream.fileno(), offset, count)
        stream.seek(offset)
        chunk = stream.read(count)
        if knobs.corrupt and chunk:
            chunk = bytes([chunk[0] ^ 0xFF]) + chunk[1:]
        self.wfile.write(chunk)
        return len(chunk)

    def _room(self, knobs: Knobs) -> list[int]:
        """How many bytes may still be sent before a knob acts."""
        limits = (knobs.drop_after_bytes, knobs.stall_after_bytes)
        return [max(0, limit - self._sent) for limit in limits if limit is not None]

    def _pause(self, seconds: float) -> None:
        # Shorter ones are made up for by the next: waking up costs about as much.
        if seconds > 0.001:
            self.server.closing.wait(seconds)

    def _stop_short(self, knobs: Knobs) -> None:
        self.wfile.flush()
        if knobs.stall_after_bytes is not None and self._sent >= knobs.stall_after_bytes:
            self._fall_silent()
        self.close_connection = True

    def _fall_silent(self) -> None:
        self.server.closing.wait()
        self.close_connection = True

    def _wrong_token(self) -> bool:
        token, given = self.server.panel.now.token, self.headers.get("Authorization")
        return None not in {token, given} and given != f"Bearer {token}"

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _json(self, value: object, headers: dict[str, str] | None = None, status: int = 200) -> None:
        content = json.dumps(value).encode()
        self._head(status, len(content), {"Content-Type": "application/json"} | (headers or {}))
        if self.command != "HEAD":
            self.wfile.write(content)

    def _error(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        about = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {}) | (headers or {})
        self._json({"error": message}, about, status)

    def _head(self, status: int, length: int, headers: dict[str, str]) -> None:
        self._status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()


class DemoHub(ThreadingHTTPServer):
    """The server, with what its handlers share."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, root: Path, host: str = "127.0.0.1", port: int = 0, log: TextIO | None = None) -> None:
        super().__init__((host, port), HubHandler)
        self.repositories = Repositories(root)
        self.panel = KnobPanel()
        self.line = Line()
        self.closing = threading.Event()
        self._log: list[dict[str, Any]] = []
        self._log_lock = threading.Lock()
        self._log_stream = log

    @property
    def url(self) -> str:
        return f"http://{self.server_address[0]!s}:{self.server_port}"

    @property
    def requests(self) -> list[dict[str, Any]]:
        """What was asked since the log was last emptied; status 0 means not answered yet."""
        with self._log_lock:
            return [dict(entry) for entry in self._log]

    def note(self, entry: dict[str, Any]) -> None:
        """A request began."""
        with self._log_lock:
            self._log.append(entry)

    def finish(self, entry: dict[str, Any], status: int, sent: int) -> None:
        """A request ended; now it goes to the log file too."""
        with self._log_lock:
            entry |= {"status": status, "bytes": sent, "ended": time.time()}
            if self._log_stream:
                self._log_stream.write(json.dumps(entry) + "\n")
                self._log_stream.flush()

    def forget(self) -> None:
        with self._log_lock:
            self._log.clear()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is nothing to report; anything else is."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        self.closing.set()
        super().server_close()


def _knob(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m image_gen_demo.hub", description="Serves directories as a Hugging Face hub, on loopback."
    )
    parser.add_argument("--root", type=Path, required=True, help="holds <org>/<name>/ for every model")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--log", type=Path, help="append one line of JSON per request")
    parser.add_argument("--port-file", type=Path, help="write the port here once requests are answered")
    parser.add_argument("--knob", type=_knob, action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input closes")
    arguments = parser.parse_args()
    log = arguments.log.open("a", encoding="utf-8") if arguments.log else None
    hub = DemoHub(arguments.root, arguments.host, arguments.port, log)
    try:
        hub.panel.turn(dict(arguments.knob))
    except ValueError as error:
        parser.error(str(error))
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    if arguments.with_parent:
        threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    if arguments.port_file:
        fresh = arguments.port_file.with_name(arguments.port_file.name + ".new")
        fresh.write_text(str(hub.server_port), encoding="ascii")
        fresh.replace(arguments.port_file)
    sys.stderr.write(f"serving {arguments.root} at {hub.url}\n")
    try:
        hub.serve_forever(poll_interval=0.1)
    except KeyboardInterrupt:
        hub.server_close()


if __name__ == "__main__":
    main()
