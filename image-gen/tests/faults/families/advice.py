"""Whom a failure blames, and what it advises."""

from __future__ import annotations

import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.faults.commands import FaultError
from tests.faults.families import family
from tests.faults.stage import MODEL, PIECE, Stage


@contextmanager
def _cdn(status: int, body: bytes, kind: str) -> Iterator[str]:
    """A server that gives one answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@family("content network that refuses", cause=11, slow=True)
def refusing_cdn(stage: Stage) -> str:
    status = stage.noise.choice([401, 403, 404, 451, 503])
    with _cdn(status, b"<Error><Code>AccessDenied</Code></Error>", "application/xml") as host:
        stage.hub.panel.turn({"redirect_to": f"http://{host}"})
        said = (
            stage.prefetch(env=stage.noise.choice([{}, {"HF_TOKEN": "hf_abcdefghijklmnopqrstuvwxyz"}])).failed().error
        )
    if host not in said or str(status) not in said or "token" in said.lower():
        raise FaultError(f"status {status} of {host}: {said[-300:]!r}")
    return f"status {status}"


@family("web page instead of a file", cause=11)
def captive_page(stage: Stage) -> str:
    page = b"<!DOCTYPE html><html><body>Log in to use this network</body></html>"
    if stage.noise.random() < 0.5:
        stage.write_model(MODEL, **{"model_index.json": page})
        said, what, stage.after = stage.prefetch().failed().error, "with no type", "any"
    else:
        with _cdn(200, page, "text/html; charset=utf-8") as host:
            stage.hub.panel.turn({"redirect_to": f"http://{host}"})
            said, what = stage.prefetch().failed().error, "of a host that the hub's answer names"
        if host not in said:
            raise FaultError(f"{host} is not named: {said[-300:]!r}")
    if "web page" not in said or "pipeline" in said:
        raise FaultError(f"a login page: {said[-300:]!r}")
    return what


@family("directory as the model's id", cause=11)
def directory_as_id(stage: Stage) -> str:
    place = shutil.copytree(stage.repo(), stage.folder / "own" / "models" / "sdxl")
    given = stage.noise.choice([str(place), f"{place}/", "./sdxl", "~/sdxl", "../sdxl"])
    said = stage.prefetch(given).failed().error
    if "MODEL_DIR" not in said:
        raise FaultError(f"{given}: {said[-300:]!r}")
    return given


@family("whole cache without refs", cause=11)
def no_refs(stage: Stage) -> str:
    stage.prefetch().succeeded()
    shutil.rmtree(stage.home / "image-gen")
    ref = stage.cached() / "refs" / "main"
    how = stage.noise.choice(["no refs", "no main", "empty", "blanks"])
    if how == "no refs":
        shutil.rmtree(ref.parent)
    elif how == "no main":
        ref.unlink()
    else:
        ref.write_text("" if how == "empty" else " \n")
    stage.prefetch(env={"HF_HUB_OFFLINE": "1"}).succeeded()
    stage.served()
    return how


@family("wait for a stopped process", cause=11, slow=True)
def stopped(stage: Stage) -> str:
    stage.impatient()
    stage.piece_bytes = stage.noise.choice([0, PIECE])
    stage.hub.panel.turn({"line_bytes_per_second": 200_000})
    first = stage.start("prefetch")
    while not any(each["path"].endswith(".safetensors") for each in stage.hub.requests):
        time.sleep(0.02)
    first.signal(signal.SIGSTOP)
    second, until = stage.start("prefetch"), time.monotonic() + 25
    while str(first.pid) not in second.error_text() and time.monotonic() < until:
        time.sleep(0.1)
    said = second.error_text()
    second.signal(signal.SIGTERM)
    ended = second.wait()
    first.signal(signal.SIGCONT)
    first.kill()
    if str(first.pid) not in said or "nothing has come" not in said or ended.code != 130:
        raise FaultError(f"{ended}; waiting for {first.pid}: {said[-300:]!r}")
    return f"process {first.pid}"
