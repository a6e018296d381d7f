"""The real engine's process, spoken to over its socket as the server speaks to it."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from image_gen.worker.protocol import CancelJob, ImageJob, LoadRequest, encode

SOURCES = Path(__file__).parents[2] / "src"
ORDER = ImageJob("one", "x", seed=1, steps=2, width=64, height=64)


def read(connection: socket.socket) -> tuple[dict[str, Any], bytes]:
    """One frame, by other code than the worker's."""
    import json

    file = connection.makefile("rb")
    header, payload = (int.from_bytes(file.read(4), "big") for _ in range(2))
    return json.loads(file.read(header)), file.read(payload)


def read_until(connection: socket.socket, *kinds: str) -> tuple[dict[str, Any], bytes]:
    while True:
        message, payload = read(connection)
        if message["type"] in kinds:
            return message, payload


@contextmanager
def worker_process(folder: Path) -> Iterator[tuple[socket.socket, Path]]:
    """The real process, our end of its socket and its output; the end of the socket has to be its end."""
    ours, theirs = socket.socketpair()
    ours.settimeout(120)
    log = folder / "log"
    with theirs, log.open("wb") as output:
        worker = subprocess.Popen(
            [sys.executable, "-m", "image_gen.worker", "--fd", str(theirs.fileno()), "--device", "cpu"],
            pass_fds=[theirs.fileno()],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCES), "HOME": str(folder), "OMP_NUM_THREADS": "1"},
        )
    with ours:
        yield ours, log
    assert worker.wait(10) == 0


def test_worker_process_from_imports_to_the_end_of_its_socket(load_request: LoadRequest, tmp_path: Path) -> None:
    with worker_process(tmp_path) as (ours, log):
        imported, _ = read(ours)
        assert (imported["type"], imported["device"]) == ("Imported", "cpu")

        ours.sendall(encode(ORDER))
        refused, _ = read(ours)
        assert (refused["type"], refused["id"], refused["code"]) == ("Failed", "one", "NOT_READY")

        ours.sendall(encode(replace(load_request, pipeline="NoSuchPipeline")))
        refused, _ = read(ours)
        assert (refused["id"], refused["code"], refused["retryable"]) == (None, "NOT_A_PIPELINE", False)

        ours.sendall(encode(load_request))
        assert read(ours)[0]["type"] == "ModelLoaded"
        ready, _ = read(ours)
        assert (ready["type"], ready["width"], ready["height"]) == ("PipelineReady", 128, 128)

        ours.sendall(encode(ORDER))
        made, picture = read(ours)
        assert made["type"] == "ImageDone"
        assert picture.startswith(b"\x89PNG")

        ours.sendall(encode(replace(ORDER, id="long", steps=150)))
        ours.sendall(encode(CancelJob("long")))
        ended, _ = read_until(ours, "Failed", "ImageDone")
        assert (ended["id"], ended.get("code")) == ("long", "CANCELLED")

        ours.sendall(encode(ORDER))
        assert read_until(ours, "ImageDone")[1] == picture
    assert log.read_text(encoding="utf-8") == ""
