"""What killed commands leave behind."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

from tests.faults.commands import FaultError, Running
from tests.faults.families import family
from tests.faults.stage import BYSTANDER, MODEL, PIECE, Stage

_BOOKKEEPING = {".locks", "CACHEDIR.TAG", "version.txt"}


def _unused(stage: Stage) -> list[Path]:
    """Files of the cache that belong to no snapshot, and second names of those that do."""
    hub = stage.home / "hub"
    used = {path.resolve() for path in hub.glob("models--*/snapshots/**/*")}
    files = [path for path in hub.rglob("*") if path.is_file() and path.relative_to(hub).parts[0] not in _BOOKKEEPING]
    locks = [path for path in (hub / ".locks").rglob("*") if path.is_file() and path.stat().st_size > 1000]
    strangers = [path for path in files if path.resolve() not in used and path.parts[-2] not in {"refs", "trees"}]
    return [*strangers, *locks, *(path for path in used if path.is_file() and path.stat().st_nlink > 1)]


def _must_be_removed(stage: Stage, how: list[str]) -> None:
    stage.run(*how).succeeded()
    if left := _unused(stage):
        names = ", ".join(str(path.relative_to(stage.home)) for path in left[:3])
        raise FaultError(f"`{' '.join(how)}` leaves {len(left)} files that nothing uses: {names}")


def _remover(stage: Stage) -> list[str]:
    return stage.noise.choice([["clear", "--orphans", "--yes"], ["gc", "--older-than", "30d"]])


def _backup(stage: Stage) -> Path:
    # Large enough that a part of it is written before all of it is read.
    stage.write_model(MODEL, **{"unet/diffusion_pytorch_model.safetensors": stage.noise.randbytes(6_000_000)})
    stage.prefetch().succeeded()
    place = stage.folder / "backup.tar"
    stage.run("backup", "--output", str(place)).succeeded()
    stage.run("clear", "--model", MODEL, "--yes").succeeded()
    return place


def _restore_part(stage: Stage, backup: Path, part: float) -> Running:
    """A restore that has got only a part of its input so far."""
    pipe = stage.folder / "pipe"
    os.mkfifo(pipe)
    content = backup.read_bytes()

    def write() -> None:
        with suppress(BrokenPipeError), pipe.open("wb") as stream:
            stream.write(content[: int(len(content) * part)])
            stream.flush()
            while running.runs() and part < 1:
                time.sleep(0.01)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    running = stage.start("restore", "--input", "-", stdin=pipe)
    # Where it reads much at once, it writes nothing of the first part.
    until = time.monotonic() + 1.5
    while running.runs() and not _unused(stage) and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(stage.noise.random() * 0.1)
    return running


@family("killed restore, in the middle of its input", cause=9)
def restore_killed_early(stage: Stage) -> str:
    part = 0.2 + stage.noise.random() * 0.7
    _restore_part(stage, _backup(stage), part).kill()
    how = _remover(stage)
    _must_be_removed(stage, how)
    return f"{part:.0%} of the input; {' '.join(how)}"


@family("killed restore, at its end", cause=9)
def restore_killed_late(stage: Stage) -> str:
    backup = _backup(stage)
    running = stage.start("restore", "--input", str(backup))
    delay = stage.noise.random() * 0.15
    time.sleep(delay)
    running.kill()
    _must_be_removed(stage, _remover(stage))
    stage.run("restore", "--input", str(backup)).succeeded()
    stage.served()
    if left := _unused(stage):
        raise FaultError(f"a second restore leaves {left[0].relative_to(stage.home)}")
    return f"killed after {delay:.3f} s"


@family("killed restore, reported", cause=9)
def restore_reported(stage: Stage) -> None:
    _restore_part(stage, _backup(stage), 0.95).kill()
    size = sum(path.stat().st_size for path in _unused(stage))
    status = stage.run("status").text
    if size and "orphan" not in status:
        raise FaultError(f"{size} bytes lie about, and `status` doesn't say so: {status[-200:]}")


@family("killed download of a model that is cleared", cause=9)
def cleared_after_kill(stage: Stage) -> str:
    stage.piece_bytes = stage.noise.choice([0, PIECE])
    stage.hub.panel.turn({"line_bytes_per_second": 1_000_000})
    running = stage.start("prefetch", "--model", MODEL)
    while running.runs() and not any(stage.cached().glob("blobs/*")):
        time.sleep(0.005)
    time.sleep(stage.noise.random() * 0.3)
    running.kill()
    stage.calm()
    stage.run("clear", "--model", MODEL, "--yes").succeeded()
    if stage.cached().exists():
        raise FaultError(f"{sorted(path.name for path in stage.cached().iterdir())} is left of the model")
    if left := [path for path in _unused(stage) if BYSTANDER not in str(path)]:
        raise FaultError(f"{left[0].relative_to(stage.home)} is left of the model")
    return f"in pieces of {stage.piece_bytes}"
