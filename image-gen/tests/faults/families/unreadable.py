"""Deletions in a cache of which a part can't be read, or lies elsewhere: what it uses is not known, and stays."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from pathlib import Path

from tests.faults.commands import FaultError
from tests.faults.families import family
from tests.faults.stage import BYSTANDER, MODEL, NOBODY, Stage

_DELETIONS = (
    ["clear", "--orphans", "--yes"],
    ["gc", "--older-than", "1h"],
    ["clear", "--model", "test/third", "--yes"],
    ["clear", "--model", MODEL, "--revision", "v2", "--yes"],
)


def _fill(stage: Stage) -> None:
    """Two revisions that share weights, and a third model, all as the hub's client leaves them: old, and without
    kept manifests.
    """
    branch = stage.write_model(f"{MODEL}@v2")
    unet = "unet/diffusion_pytorch_model.safetensors"
    shutil.copy(stage.repo() / unet, branch / unet)
    stage.write_model("test/third")
    stage.prefetch().succeeded()
    stage.prefetch(MODEL, "v2").succeeded()
    stage.prefetch("test/third").succeeded()
    if stage.noise.random() < 0.7:
        shutil.rmtree(stage.home / "image-gen")
    for path in (stage.home / "hub").rglob("blobs/*"):
        os.utime(path, (time.time() - 9e6,) * 2)


def _fill_for_nobody(stage: Stage) -> None:
    _fill(stage)
    stage.open_to_others()
    for path in [stage.home, *stage.home.rglob("*")]:
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


def _failed_with_advice(stage: Stage, command: list[str], place: Path, advice: str, user: int | None) -> None:
    ended = stage.run(*command, user=user).failed(1)
    if advice not in ended.error + ended.text:
        raise FaultError(f"{ended} with {place.relative_to(stage.folder)} out of reach: {ended.error + ended.text}")


@family("deletions beside a closed directory", cause=6)
def closed_directory(stage: Stage) -> str:
    _fill_for_nobody(stage)
    main = stage.snapshot()
    place = stage.noise.choice(
        [stage.cached(), main.parent, main, main / "unet", main / "vae", stage.cached() / "blobs"]
    )
    mode = 0o700 if place == stage.cached() else stage.noise.choice([0o700, 0o711])
    os.chown(place, 0, 0)
    place.chmod(mode)
    command = stage.noise.choice(_DELETIONS)
    _failed_with_advice(stage, command, place, "chown", NOBODY)
    place.chmod(0o755)
    stage.served()
    stage.served(MODEL, "v2")
    return f"{' '.join(command)} with {place.relative_to(stage.folder)} closed ({mode:o})"


@family("a start beside a closed revision", cause=6)
def start_beside(stage: Stage) -> str:
    _fill_for_nobody(stage)
    place = stage.noise.choice([stage.snapshot(), stage.snapshot() / "unet"])
    (stage.snapshot(MODEL, "v2") / "vae" / "config.json").resolve().unlink()
    os.chown(place, 0, 0)
    place.chmod(0o700)
    stage.prefetch(MODEL, "v2", user=NOBODY).succeeded()
    place.chmod(0o755)
    stage.served()
    return f"{place.relative_to(stage.folder)} is closed"


@family("deletions while a disk is away", cause=7)
def disk_away(stage: Stage) -> str:
    _fill(stage)
    disk = stage.folder / "disk"
    place = stage.noise.choice([stage.snapshot().parent, stage.snapshot(), stage.snapshot() / "unet", stage.cached()])
    shutil.move(place, disk)
    place.symlink_to(disk)
    for path in [*disk.rglob("*")]:
        if path.is_symlink() and place != stage.cached():
            name = path.readlink().name
            path.unlink()
            path.symlink_to(stage.cached() / "blobs" / name)
    stage.served()
    disk.rename(stage.folder / "away")
    command = stage.noise.choice(_DELETIONS[:3])
    _failed_with_advice(stage, command, place, "mount the disk", None)
    place.unlink()
    shutil.move(stage.folder / "away", place)
    stage.served()
    return f"{' '.join(command)}, {place.relative_to(stage.folder)} leads to the disk"


@family("a lease that cannot be opened", cause=6)
def closed_lease(stage: Stage) -> str:
    stage.prefetch().succeeded()
    stage.open_to_others()
    for path in [stage.home, *stage.home.rglob("*")]:
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    locks = stage.home / "hub" / ".locks" / stage.cached().name
    lease = locks / f"image-gen.used-{stage.commit()}"
    closed = stage.noise.choice([lease, locks])
    with lease.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        os.chown(closed, 0, 0)
        closed.chmod(0o700 if closed == locks else 0o600)
        ended = stage.run("clear", "--model", MODEL, "--yes", user=NOBODY).failed(4)
        stage.start("gc", "--keep-free", "100TB", env={"MODEL_ID": BYSTANDER}, user=NOBODY).wait()
        stage.served()
    return f"{ended} with {closed.name} closed"
