"""Seeded faults: each harms a cache, a hub or a machine, and must end in a proven model or in one clear line.

    python tests/model_cache/download/faults.py [--count 200] [--seed 1]

prints every fault with its outcome, and ends with exit code 1 when one of them ended in anything else.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest import mock

from image_gen.errors import ImageGenError
from image_gen.model_cache import CacheSettings, ModelCache, ReadyModel
from image_gen_demo.hub import DemoHub

MODEL, BYSTANDER = "test/model", "test/bystander"
PIECE = 64 << 10
NOBODY = 65534


class FaultError(AssertionError):
    """A fault ended in neither a proven model nor a clear line, or it harmed what it had no business with."""


class Stage:
    """A hub with two small models, and a store that asks it; one of the two is the fault's, the other a bystander."""

    def __init__(self, folder: Path, noise: random.Random) -> None:
        self.noise = noise
        self.folder = folder
        self.home = folder / "data" / "huggingface"
        for model_id in (MODEL, BYSTANDER):
            _write_repo(folder / "hub" / model_id, noise)
        self.hub = DemoHub(folder / "hub")
        self._thread = threading.Thread(target=self.hub.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        self.store = ModelCache(
            CacheSettings(
                hf_home=self.home,
                hub_cache=self.home / "hub",
                baked_dir=folder / "none",
                manifests_dir=folder / "none",
                endpoint=self.hub.url,
                connect_timeout=0.5,
                read_timeout=0.2,
                # Both ways of fetching are to be met.
                piece_bytes=noise.choice([PIECE, 64 << 20]),
            )
        )

    def close(self) -> None:
        self.hub.shutdown()
        self.hub.server_close()
        self._thread.join()

    def weights(self) -> Path:
        """A file of the cached model, as the snapshot names it."""
        return sorted(self.store.ensure(MODEL).directory.rglob("*.safetensors"))[self.noise.randrange(2)]

    def check(self, model: ReadyModel) -> None:
        """Raises unless every byte of a model is the hub's."""
        for path in sorted((self.folder / "hub" / model.model_id).rglob("*")):
            if (
                path.is_file()
                and path.read_bytes() != (model.directory / path.relative_to(self._repo(model))).read_bytes()
            ):
                raise FaultError(f"{path.name} of {model.model_id} is wrong")

    def _repo(self, model: ReadyModel) -> Path:
        return self.folder / "hub" / model.model_id


def _write_repo(root: Path, noise: random.Random) -> None:
    index = {
        "_class_name": "StableDiffusionXLPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    files = {
        "model_index.json": json.dumps(index).encode(),
        "unet/config.json": b"{}",
        "unet/diffusion_pytorch_model.safetensors": noise.randbytes(400_000),
        "vae/config.json": b'{"vae": 1}',
        "vae/diffusion_pytorch_model.safetensors": noise.randbytes(90_000),
    }
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)


Fault = Callable[[Stage], Iterator[str]]


def truncated(stage: Stage) -> Iterator[str]:
    path = stage.weights()
    size = stage.noise.randrange(path.stat().st_size)
    os.truncate(path, size)
    yield f"{path.parent.name} cut to {size} bytes"


def flipped(stage: Stage) -> Iterator[str]:
    path = stage.weights()
    content = bytearray(path.read_bytes())
    place = stage.noise.randrange(len(content))
    content[place] ^= 1 << stage.noise.randrange(8)
    path.write_bytes(content)
    # Only reading it all can tell; the service and `cache verify` do.
    report = stage.store.verify(MODEL, repair=True)
    if report.ok or not report.repaired:
        raise FaultError("a flipped bit was not seen")
    yield f"one bit of byte {place} of {path.parent.name}"


def dangling(stage: Stage) -> Iterator[str]:
    path = stage.weights()
    path.resolve().unlink()
    yield f"the blob of {path.parent.name} is gone"


def missing(stage: Stage) -> Iterator[str]:
    path = stage.weights()
    if stage.noise.random() < 0.5:
        path.resolve().unlink()
    path.unlink()
    yield f"{path.parent.name} is gone"


def wrong_owner(stage: Stage) -> Iterator[str]:
    if os.geteuid():
        raise LookupError("needs root")
    # Temporary directories are their maker's alone.
    for parent in [stage.home, *stage.home.parents[:-2]]:
        parent.chmod(0o755)
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield f"user {NOBODY} on root's volume"
    finally:
        os.seteuid(0)
        os.setegid(0)


def read_only(stage: Stage) -> Iterator[str]:
    with _mounted("--bind", str(stage.home), place=stage.home):
        _run("mount", "-o", "remount,bind,ro", str(stage.home))
        yield "the volume is mounted read-only"


def disk_full(stage: Stage) -> Iterator[str]:
    room = stage.noise.randrange(40, 480)
    place = stage.store.settings.hub_cache / "models--test--model" / "blobs"
    place.mkdir(parents=True)
    with (
        _mounted("-t", "tmpfs", "-o", f"size={room}k", "tmpfs", place=place),
        mock.patch("image_gen.model_cache.download.downloader.require_room"),
    ):
        yield f"{room} kB of room, found out while writing"


def drop(stage: Stage) -> Iterator[str]:
    yield from _turned(
        stage, drop_after_bytes=stage.noise.randrange(1000, 80_000), times=stage.noise.choice([1, 3, None])
    )


def stall(stage: Stage) -> Iterator[str]:
    yield from _turned(stage, stall_after_bytes=stage.noise.randrange(60_000), times=stage.noise.choice([1, None]))


def status_429(stage: Stage) -> Iterator[str]:
    yield from _turned(
        stage, status=429, retry_after=stage.noise.choice([0, 3600]), times=stage.noise.choice([2, None])
    )


def status_500(stage: Stage) -> Iterator[str]:
    yield from _turned(stage, status=500, times=stage.noise.choice([2, None]))


def silence(stage: Stage) -> Iterator[str]:
    yield from _turned(stage, silent=True)


def corrupt_line(stage: Stage) -> Iterator[str]:
    yield from _turned(stage, corrupt="*.safetensors", times=stage.noise.choice([1, None]))


def clock_jump(stage: Stage) -> Iterator[str]:
    leap = stage.noise.choice([-1, 1]) * stage.noise.randrange(60, 10**9)
    now = time.time
    stage.hub.panel.turn({"drop_after_bytes": 50_000, "times": 1})
    with mock.patch("time.time", lambda: now() + leap):
        yield f"the clock leaps by {leap} s"


def two_writers(stage: Stage) -> Iterator[str]:
    stage.hub.panel.turn({"line_bytes_per_second": 2_000_000})
    ended: list[object] = []

    def other() -> None:
        try:
            ended.append(stage.store.ensure(MODEL))
        except ImageGenError as error:
            ended.append(error)

    thread = threading.Thread(target=other)
    thread.start()
    yield "another one fetches the same model"
    thread.join()
    (model,) = ended
    if not isinstance(model, ReadyModel):
        raise FaultError(f"the other one failed: {model}")
    stage.check(model)


FAULTS: dict[str, Fault] = {
    "truncated": truncated,
    "flipped": flipped,
    "dangling": dangling,
    "missing": missing,
    "wrong owner": wrong_owner,
    "read-only": read_only,
    "disk full mid-file": disk_full,
    "drop": drop,
    "stall": stall,
    "429": status_429,
    "500": status_500,
    "silence": silence,
    "damaged on the way": corrupt_line,
    "clock jump": clock_jump,
    "two writers": two_writers,
}


def play(name: str, seed: int, folder: Path) -> tuple[str, str]:
    """What the fault did, and how it ended. Raises LookupError where this machine can't make it."""
    stage = Stage(folder, random.Random(f"{name} {seed}"))
    with ExitStack() as stack:
        stack.callback(stage.close)
        stack.enter_context(mock.patch("image_gen.model_cache.core.retry._back_off", lambda _: 0.01))
        stage.store.ensure(BYSTANDER)
        with contextmanager(FAULTS[name])(stage) as what:
            try:
                stage.check(stage.store.ensure(MODEL))
                outcome = "proven"
            except ImageGenError as error:
                if "\n" in error.message or "Errno" in error.message or len(error.message) < 40:
                    raise FaultError(f"not a clear line: {error.message}") from error
                outcome = error.code
        stage.hub.panel.turn(dict.fromkeys(("status", "drop_after_bytes", "stall_after_bytes", "corrupt", "times")))
        stage.hub.panel.turn({"silent": False, "retry_after": None, "line_bytes_per_second": None})
        # The cache is no worse than before: the other model is whole, and this one comes once the fault is gone.
        if stage.store.locate(BYSTANDER) is None or not stage.store.verify(BYSTANDER).ok:
            raise FaultError("another model was harmed")
        stage.check(stage.store.ensure(MODEL))
        if not stage.store.verify(MODEL).ok:
            raise FaultError("the model is damaged")
    return what, outcome


def _turned(stage: Stage, **knobs: object) -> Iterator[str]:
    stage.store.registry.keep(stage.store.resolve(MODEL), default=True)
    stage.hub.panel.turn(knobs)
    yield ", ".join(f"{name}={value}" for name, value in knobs.items() if value is not None)


@contextmanager
def _mounted(*how: str, place: Path) -> Iterator[None]:
    if os.geteuid():
        raise LookupError("mounting needs root")
    _run("mount", *how, str(place))
    try:
        yield
    finally:
        _run("umount", str(place))


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise LookupError(f"{command[0]}: {done.stderr.strip()}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="npm run test:faults --", description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    names, tally = list(FAULTS), Counter[str]()
    for number in range(options.count):
        name, seed = names[number % len(names)], options.seed * 1000 + number // len(names)
        with tempfile.TemporaryDirectory(prefix="fault-") as folder:
            try:
                what, outcome = play(name, seed, Path(folder))
                kind = "proven" if outcome == "proven" else "reported in one line"
            except LookupError as error:
                what, outcome, kind = str(error), "left out", "left out"
            except Exception as error:
                what, outcome, kind = f"seed {seed}", f"WRONG: {type(error).__name__}: {error}", "wrong"
        tally[kind] += 1
        sys.stdout.write(f"{number + 1:4} {name:20} {outcome:20} {what}\n")
        sys.stdout.flush()
    sys.stdout.write(", ".join(f"{count} {kind}" for kind, count in sorted(tally.items())) + "\n")
    return 1 if tally["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
