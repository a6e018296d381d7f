"""Serves directories on loopback as the Hugging Face hub serves models.

    python -m image_gen_demo.hub --root DIR [--host 127.0.0.1] [--port 0] [--log FILE] [--port-file FILE]

`DIR/<org>/<name>/…` is a model's main branch. Knobs (see `knobs.py`) make it misbehave: `--knob name=value` at the
start, `POST /_knobs` with JSON later. `GET /_log` tells what was asked, `DELETE /_log` forgets it.
"""

import argparse
import json
import os
import signal
import sys
import threading
import time
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, TextIO

from image_gen_demo.handler import HubHandler
from image_gen_demo.knobs import KnobPanel, Line
from image_gen_demo.repository import Repositories


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
