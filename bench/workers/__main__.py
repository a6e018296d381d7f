"""How much more many workers of a fleet make than one: jobs in a queue, and an engine whose pictures take a fixed time.

npm run bench:workers -- [--workers 1 2 8] [--seconds 2] [--jobs 10] [--demo]

The workers are the real ones, with a stand-in for the engine that waits for `--seconds` and paints noise; SQS and S3
are moto's server on loopback. Each worker has `--jobs` jobs to make. A row is the time from the first message to the
last result. `--demo`: also with the demo model's real engine, whose workers share the cores: its ratio is printed only.
Exit code 1 where a bar of `bars.py` is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import bars

IMAGE_GEN = Path(__file__).resolve().parents[2] / "image-gen"
sys.path[:0] = [str(IMAGE_GEN), str(IMAGE_GEN / "tests")]

if TYPE_CHECKING:
    from tests.fleet.conftest import Fleet
    from tests.serving.conftest import Server

_READY_SECONDS, _DONE_SECONDS = 300.0, 900.0


@contextlib.contextmanager
def emulator() -> Iterator[str]:
    """The address of an SQS and an S3."""
    from free_port import free_port

    port = free_port()
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def model_in(folder: Path) -> Path:
    """A directory that looks like a pipeline; nothing in it can be loaded."""
    (folder / "unet").mkdir(parents=True)
    index = {"_class_name": "StableDiffusionXLPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}
    (folder / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
    (folder / "unet" / "config.json").write_text("{}", encoding="utf-8")
    (folder / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"no weights")
    return folder


def seconds_per_job(count: int, options: argparse.Namespace, *, demo: bool) -> float:
    """Of one job, with so many workers."""
    from tests.fleet.conftest import Fleet, wait_for
    from tests.serving.conftest import _end

    with tempfile.TemporaryDirectory(prefix="image-gen-workers-") as place, emulator() as endpoint:
        fleet = Fleet(endpoint, Path(place), model_in(Path(place) / "model"))
        servers = [_start(fleet, options, demo=demo) for _ in range(count)]
        try:
            for server in servers:
                server.wait_phase("ready", seconds=_READY_SECONDS)
            jobs = options.jobs * count
            begin = time.monotonic()
            ids = [fleet.send(f"job {index}", steps=2, size="64x64") for index in range(jobs)]
            wait_for(lambda: all(fleet.result(each) for each in ids), _DONE_SECONDS)
            return (time.monotonic() - begin) / jobs
        finally:
            for server in servers:
                server.signal(signal.SIGKILL)
            for server in servers:
                _end(server)


def _start(fleet: Fleet, options: argparse.Namespace, *, demo: bool) -> Server:
    if demo:
        return fleet.start("-", MODEL_DIR="", MODEL_ID="demo", IMAGE_GEN_DEVICE="cpu")
    return fleet.start(FAKE_WORKER={"step_seconds": options.seconds / 2})


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench:workers", description=__doc__.partition("\n")[0])
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 2, 8], help="how many; the first is the baseline")
    parser.add_argument("--seconds", type=float, default=2.0, help="of a picture")
    parser.add_argument("--jobs", type=int, default=10, help="for each worker")
    parser.add_argument("--demo", action="store_true", help="also the demo model's own engine")
    bars.add_bars(parser)
    options = parser.parse_args()
    missed = []
    for demo in (False, True) if options.demo else (False,):
        name = "the demo model" if demo else f"an engine of {options.seconds:g} s"
        baseline = 0.0
        for count in options.workers[:2] if demo else options.workers:
            seconds = seconds_per_job(count, options, demo=demo)
            baseline = baseline or seconds
            bar = None if demo else bars.WORKERS.get(count)
            least = "" if bar is None else f" (bar {options.bars.least(bar):.1f})"
            ratio = baseline / seconds
            sys.stdout.write(f"{name}: {count} workers, {seconds:.2f} s a job, {ratio:.2f} times one{least}\n")
            sys.stdout.flush()
            if bar is not None and ratio < options.bars.least(bar):
                missed.append(f"{count} workers")
    if missed:
        sys.stdout.write(f"NOT MET: {'; '.join(missed)}\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
