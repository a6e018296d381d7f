"""The power fails: what a command has said is done is on the disk, and one that was cut short has harmed nothing.

The cache and the targets are on a file system of their own, which is shut down without writing back anything.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.faults.commands import FaultError
from tests.faults.families import family
from tests.faults.stage import MODEL, LeftOutError, Stage

FILE_SYSTEMS = ("ext4", "xfs")
COMMANDS = ("prefetch", "restore", "repair", "backup", "mirror", "bake")
MOMENTS = ("after", "amid")
_SHUTDOWN, _NO_LOG_FLUSH = 0x8004587D, 2
# The least that mkfs.xfs takes.
_DISK_BYTES = 320 << 20


def power_cut(stage: Stage, kind: str, command: str, moment: str) -> str:
    with _disk(stage, kind) as disk:
        earlier = _prepare(stage, command, disk)
        stage.machine("sync", "-f", str(disk))
        running = stage.start(*_arguments(stage, command, disk))
        if moment == "after":
            running.wait().check().succeeded()
        else:
            time.sleep(stage.noise.uniform(0, 0.5))
        finished = not running.runs() and running.wait().code == 0
        _cut(stage, disk)
        running.kill()
        _remount(stage, disk)
        _check(stage, command, disk, finished=finished, earlier=earlier)
    return (
        f"{kind}, {moment} {command}: {'all' if finished else 'nothing wrong'} there{', over an earlier one' * earlier}"
    )


@contextmanager
def _disk(stage: Stage, kind: str) -> Iterator[Path]:
    if os.geteuid():
        raise LeftOutError("mounting needs root")
    image, disk, home = stage.folder / "disk.img", stage.folder / "disk", stage.home
    disk.mkdir()
    with image.open("wb") as stream:
        stream.truncate(_DISK_BYTES)
    stage.machine(f"mkfs.{kind}", "-q", str(image))
    stage.machine("mount", "-o", "loop", str(image), str(disk))
    stage.home = disk / "data" / "huggingface"
    stage.env["HF_HOME"] = str(stage.home)
    try:
        yield disk
    finally:
        stage.home, stage.after = home, "any"
        stage.env["HF_HOME"] = str(home)
        stage.machine("umount", "--lazy", str(disk))


def _arguments(stage: Stage, command: str, disk: Path) -> list[str]:
    model = ["--model", MODEL]
    return {
        "prefetch": ["prefetch", *model],
        "restore": ["restore", "--input", str(stage.folder / "backup.tar")],
        "repair": ["prefetch", *model],
        "backup": ["backup", *model, "--output", str(disk / "target.tar")],
        "mirror": ["mirror", *model, "--output", str(disk / "target")],
        "bake": ["bake", *model, "--output", str(disk / "target")],
    }[command]


def _prepare(stage: Stage, command: str, disk: Path) -> bool:
    """Whether there is an earlier target, which the command replaces."""
    if command == "prefetch":
        return False
    stage.prefetch().succeeded()
    if command == "restore":
        stage.run("backup", "--output", str(stage.folder / "backup.tar")).succeeded()
        shutil.rmtree(stage.home)
    if command == "repair":
        weights = stage.weights().resolve()
        weights.write_bytes(stage.noise.randbytes(weights.stat().st_size))
        stage.run("verify", "--repair", "--json")
    earlier = command in {"backup", "mirror", "bake"} and stage.noise.random() < 0.5
    if earlier:
        stage.run(*_arguments(stage, command, disk)).succeeded()
    return earlier


def _cut(stage: Stage, disk: Path) -> None:
    descriptor = os.open(disk, os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
    finally:
        os.close(descriptor)


def _remount(stage: Stage, disk: Path) -> None:
    """Mounts the file system again, which a shutdown ended.

    While a container starts, it holds every mount of the machine: a mount meanwhile finds the dead file system again,
    whose reads may succeed from memory. The loop device goes with its last mount.
    """
    image = stage.folder / "disk.img"
    stage.machine("umount", str(disk))
    deadline = time.monotonic() + 60
    while subprocess.run(["losetup", "--associated", str(image)], capture_output=True, check=True).stdout:
        if time.monotonic() > deadline:
            raise LeftOutError("the disk can't be mounted again")
        time.sleep(0.05)
    stage.machine("mount", "-o", "loop", str(image), str(disk))


def _check(stage: Stage, command: str, disk: Path, *, finished: bool, earlier: bool) -> None:
    into_cache = command in {"prefetch", "restore", "repair"}
    offline = {"HF_HUB_OFFLINE": "1"}
    stage.prefetch(env=offline if finished or not into_cache else {}).succeeded()
    stage.served()
    stage.run("verify", "--model", MODEL, env=offline).succeeded()
    if finished and (stage.cached() / "refs/main").read_bytes() != stage.commit().encode():
        raise FaultError("refs/main is not the commit")
    if into_cache:
        return
    if not (finished or earlier):
        stage.run(*_arguments(stage, command, disk)).succeeded()
    if command == "backup":
        other = {"HF_HOME": str(stage.folder / "other")}
        stage.run("restore", "--input", str(disk / "target.tar"), env=other).succeeded()
        stage.prefetch(env=other | offline).succeeded()
    else:
        below = f"{MODEL}/{stage.commit()}" if command == "mirror" else f"{MODEL.replace('/', '--')}/snapshot"
        stage.same_files(stage.repo(), disk / "target" / below)


@family("small files that a power cut has emptied", cause=8)
def emptied(stage: Stage) -> str:
    stage.prefetch().succeeded()
    small = [stage.cached() / "refs/main", *(stage.home / "image-gen").rglob("*test--model*.json")]
    chosen = stage.noise.sample(small, stage.noise.randrange(1, len(small) + 1))
    for path in chosen:
        path.write_bytes(stage.noise.choice([b"", bytes(40), stage.noise.randbytes(40)]))
    stage.prefetch(env={"HF_HUB_OFFLINE": "1"} if len(chosen) == 1 else {}).succeeded()
    stage.served()
    if (stage.cached() / "refs/main").read_bytes() != stage.commit().encode():
        raise FaultError("refs/main was not repaired")
    return ", ".join(path.name for path in chosen)


def _either(stage: Stage, command: str) -> str:
    return power_cut(stage, stage.noise.choice(FILE_SYSTEMS), command, stage.noise.choice(MOMENTS))


for _command in COMMANDS:
    family(f"power cut, {_command}", cause=8, slow=True)(partial(_either, command=_command))
