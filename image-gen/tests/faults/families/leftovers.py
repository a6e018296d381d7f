"""What killed commands leave in a cache."""

from __future__ import annotations

import fcntl
import time
from pathlib import Path

from tests.faults.commands import FaultError
from tests.faults.families import family
from tests.faults.stage import BYSTANDER, MODEL, Stage


def _known_and_deleted(stage: Stage, left: list[Path], command: list[str]) -> None:
    """Raises unless `doctor` says that something is left, and a command deletes all of it."""
    doctor = stage.run("doctor", "--json", "--model", BYSTANDER).json
    # The first version called them findings.
    checks = doctor.get("checks") or doctor.get("findings", [])
    if not any({"orphans", "warn"} <= {str(value) for value in each.values()} for each in checks):
        raise FaultError("doctor does not know of what was left")
    stage.run(*command).succeeded()
    if found := [str(path.relative_to(stage.home)) for path in left if path.exists() or path.is_symlink()]:
        raise FaultError(f"{command[0]} leaves {', '.join(found)}")


def _command(stage: Stage) -> list[str]:
    return stage.noise.choice([["gc", "--keep-free", "1B"], ["clear", "--orphans", "--yes"]])


@family("killed restore", cause=9)
def killed_restore(stage: Stage) -> str:
    stage.prefetch().succeeded()
    archive = stage.folder / "models.tar"
    stage.run("backup", "--output", str(archive)).succeeded()
    stage.run("clear", "--model", MODEL, "--yes").succeeded()
    staging = stage.home / "hub/.image-gen-restore"
    pipe = stage.folder / "pipe"
    pipe.write_bytes(archive.read_bytes()[: stage.noise.randrange(1, archive.stat().st_size)])
    restore = stage.start("restore", "--input", str(archive))
    until = time.monotonic() + 10
    while restore.runs() and not staging.exists() and time.monotonic() < until:
        time.sleep(0.001)
    time.sleep(stage.noise.random() * 0.02)
    restore.kill()
    if not staging.exists():
        staging.mkdir(parents=True)
        (staging / "half").write_bytes(b"x" * 1000)
    command = _command(stage)
    _known_and_deleted(stage, [staging], command)
    return f"then {command[0]}"


@family("files of killed commands", cause=9)
def leftovers(stage: Stage) -> str:
    stage.prefetch().succeeded()
    pid, key = stage.noise.randrange(2, 99_999), f"{stage.noise.randrange(16**64):064x}"
    name = f"models--{MODEL.replace('/', '--')}"
    kinds = {
        "the second name of a blob": stage.cached() / f"blobs/.{key}.{pid}",
        "a damaged file": stage.cached() / f"blobs/{key}.damaged",
        "a ref": stage.cached() / f"refs/.main.{pid}",
        "a link": stage.snapshot() / f"unet/.config.json.{pid}",
        "a kept manifest": stage.home / f"image-gen/manifests/.{MODEL.replace('/', '--')}.json.{pid}",
        "a record": stage.home / f"image-gen/stamps/{MODEL.replace('/', '--')}@{key[:40]}.json",
        "a lease": stage.home / f"hub/.locks/{name}/image-gen.used-{key[:40]}",
        "locks of a model that is gone": stage.home / f"hub/.locks/models--a--b/{key}.lock",
    }
    chosen = stage.noise.sample(sorted(kinds), stage.noise.randrange(1, len(kinds)))
    for kind in chosen:
        kinds[kind].parent.mkdir(parents=True, exist_ok=True)
        kinds[kind].write_bytes(stage.noise.randbytes(100))
    empty = stage.home / "hub/models--test--empty/blobs"
    empty.mkdir(parents=True)
    _known_and_deleted(stage, [*(kinds[kind] for kind in chosen), empty.parent], _command(stage))
    return ", ".join(chosen)


@family("leftovers beside a running restore", cause=9)
def running(stage: Stage) -> str:
    stage.prefetch().succeeded()
    staging = stage.home / "hub/.image-gen-restore/hub"
    staging.mkdir(parents=True)
    lock = stage.home / "hub/.locks/image-gen-restore.lock"
    lock.touch()
    command = stage.noise.choice([["clear", "--all", "--yes"], ["clear", "--orphans", "--yes"]])
    stage.bystander = command[1] != "--all"
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        stage.run(*command).succeeded()
        if not staging.exists():
            raise FaultError(f"{command[0]} {command[1]} deletes what a running restore works on")
    stage.run("clear", "--orphans", "--yes").succeeded()
    if staging.exists():
        raise FaultError("the copy of a killed restore stays")
    return " ".join(command)
