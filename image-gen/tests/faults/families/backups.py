"""Backups and restores: of revisions that are half there, of plain files, of two at once, and of killed ones."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tarfile
import time
from pathlib import Path

from tests.faults.commands import Ended, FaultError
from tests.faults.families import family
from tests.faults.stage import BYSTANDER, MODEL, Stage

_OFFLINE = {"HF_HUB_OFFLINE": "1"}


def _restored_elsewhere(stage: Stage, archive: Path, *models: str) -> None:
    """Raises unless an empty cache gets these models of the backup, whole, without a hub."""
    other = {"HF_HOME": str(stage.folder / "other"), **_OFFLINE}
    report = stage.run("restore", "--input", str(archive), "--json", env=other).succeeded().json
    if sorted(report["models"]) != sorted(models):
        raise FaultError(f"restored {report['models']}, not {models}")
    for model in models:
        stage.prefetch(model, env=other).succeeded()
        directory = stage.cached(model) / "snapshots" / stage.commit(model)
        stage.same_files(stage.repo(model), stage.folder / "other" / directory.relative_to(stage.home))


def _second_revision(stage: Stage) -> Path:
    """The model at two revisions, which may share a large content. Returns a large file that only the second has."""
    stage.prefetch().succeeded()
    unet = "unet/diffusion_pytorch_model.safetensors"
    stage.write_model(
        f"{MODEL}@v2", **({unet: (stage.repo() / unet).read_bytes()} if stage.noise.random() < 0.5 else {})
    )
    stage.run("prefetch", "--model", MODEL, "--revision", "v2").succeeded()
    return stage.snapshot(MODEL, "v2") / "vae/diffusion_pytorch_model.safetensors"


@family("backup with a second revision half there", cause=2)
def half_a_revision(stage: Stage) -> str:
    path = _second_revision(stage)
    how = stage.noise.choice(["no link", "no content", "short content"])
    if how == "short content":
        os.truncate(path.resolve(), stage.noise.randrange(1, 1000))
    elif how == "no content":
        path.resolve().unlink()
    else:
        path.unlink()
    archive = stage.folder / "backup.tar"
    report = stage.run("backup", "--output", str(archive), "--json").succeeded().json
    if stage.commit(MODEL, "v2") not in json.dumps(report):
        raise FaultError(f"the half revision is not named: {report}")
    with tarfile.open(archive) as members:
        if any(name.endswith("refs/v2") or stage.commit(MODEL, "v2") in name for name in members.getnames()):
            raise FaultError("the backup refers to the revision that it leaves out")
    _restored_elsewhere(stage, archive, MODEL, BYSTANDER)
    # A content whose link is lost is still of use: it completes its revision.
    stage.prefetch(MODEL, "v2").succeeded()
    return how


@family("backup of a model that is half there, asked for by name", cause=2)
def asked_for(stage: Stage) -> str:
    stage.prefetch().succeeded()
    stage.weights().unlink()
    archive, how = stage.folder / "backup.tar", stage.noise.choice(["new", "over an older one", "stdout"])
    if how == "over an older one":
        stage.run("backup", "--model", BYSTANDER, "--output", str(archive)).succeeded()
    target = "-" if how == "stdout" else str(archive)
    stage.run("backup", "--model", MODEL, "--output", target, stdout=stage.folder / "piped.tar").failed()
    if how == "over an older one":
        _restored_elsewhere(stage, archive, BYSTANDER)
    elif archive.exists():
        raise FaultError("there is a backup of a model that is half there")
    return how


@family("restore of an archive with a revision half there", cause=2)
def archive_of_half_a_revision(stage: Stage) -> str:
    """As the guide's tar makes it, and as backups of earlier versions were."""
    path = _second_revision(stage)
    path.resolve().unlink() if stage.noise.random() < 0.5 else path.unlink()
    archive = stage.folder / "guide.tar"
    subprocess.run(["tar", "cf", archive, "-C", stage.folder, "data/huggingface"], check=True)
    _restored_elsewhere(stage, archive, MODEL, BYSTANDER)
    # A content whose link is lost is still of use: it completes its revision.
    stage.prefetch(MODEL, "v2").succeeded()
    return "by tar"


@family("backup of a cache of plain files", cause=5)
def plain_files(stage: Stage) -> str:
    """What `rsync -rL` or `cp -rL` makes; a damaged file of it is seen, and a whole one is backed up right."""
    stage.prefetch().succeeded()
    copy = stage.folder / "copy"
    shutil.copytree(stage.home / "hub", copy / "hub", symlinks=False, ignore=shutil.ignore_patterns(".locks"))
    with_manifests = stage.noise.random() < 0.5
    if with_manifests:
        shutil.copytree(stage.home / "image-gen", copy / "image-gen")
    if with_blobs := stage.noise.random() < 0.5:
        shutil.rmtree(copy / "hub" / stage.cached().name / "blobs")
    damaged = stage.noise.random() < 0.6
    weights = copy / stage.weights().relative_to(stage.home)
    if damaged:
        weights.write_bytes(stage.noise.randbytes(weights.stat().st_size))
    archive = stage.folder / "backup.tar"
    ended = stage.run("backup", "--model", MODEL, "--output", str(archive), env={"HF_HOME": str(copy)})
    if damaged and ended.code == 0:
        raise FaultError("a backup of a damaged file ended with 0")
    if with_manifests and not damaged:
        ended.succeeded()
    if ended.code == 0:
        _restored_elsewhere(stage, archive, MODEL)
    return (
        f"{'damaged' if damaged else 'whole'}, {'with' if with_manifests else 'no'} manifests, blobs {not with_blobs}"
    )


def _killed_restore(stage: Stage, archive: Path) -> None:
    """A restore that is killed once it has extracted something."""
    running = stage.start("restore", "--input", str(archive))
    deadline = time.monotonic() + 10
    while running.runs() and not list((stage.home / "hub").glob(".image-gen-restore/hub/*/blobs/*")):
        if time.monotonic() > deadline:
            break
        time.sleep(0.001)
    time.sleep(stage.noise.uniform(0, 0.02))
    running.kill()


@family("killed restore, then another command", cause=9)
def killed_restore(stage: Stage) -> str:
    stage.prefetch().succeeded()
    archive = stage.folder / "backup.tar"
    stage.run("backup", "--output", str(archive)).succeeded()
    if empty := stage.noise.random() < 0.5:
        shutil.rmtree(stage.cached())
    for _ in range(stage.noise.randrange(1, 4)):
        _killed_restore(stage, archive)
    then = stage.noise.choice(
        [["restore", "--input", str(archive)], ["gc", "--keep-free", "0"], ["clear", "--orphans", "--yes"]]
    )
    stage.run(*then).succeeded()
    _no_leftovers(stage)
    stage.prefetch(env=_OFFLINE if then[0] == "restore" or not empty else {}).succeeded()
    return f"{'into an empty cache' if empty else 'over a whole model'}, then {then[0]}"


def _no_leftovers(stage: Stage) -> None:
    for path in stage.home.rglob("*"):
        named = path.name.startswith(".image-gen-restore") and path.is_dir()
        if named or (path.is_file() and "blobs" in path.parts and (path.stat().st_nlink > 1 or path.name[0] == ".")):
            raise FaultError(f"{path.relative_to(stage.home)} is left over")


@family("two restores at once", cause=9)
def two_restores(stage: Stage) -> str:
    stage.prefetch().succeeded()
    archive = stage.folder / "backup.tar"
    stage.run("backup", "--output", str(archive)).succeeded()
    shutil.rmtree(stage.home)
    running = [stage.start("restore", "--input", str(archive)) for _ in range(3)]
    ended: list[Ended] = [each.wait().check() for each in running]
    if not any(each.code == 0 for each in ended):
        raise FaultError(f"none of the restores succeeded: {ended[0].error}")
    stage.prefetch(env=_OFFLINE).succeeded()
    _no_leftovers(stage)
    return f"{sum(each.code == 0 for each in ended)} of 3 succeeded"


@family("two writers of one target", cause=8)
def two_writers(stage: Stage) -> str:
    """Two backups to one file, or two exports of one model: a finished one is whole."""
    stage.prefetch().succeeded()
    command, target = stage.noise.choice(["backup", "mirror", "bake"]), stage.folder / "target"
    running = []
    for number in range(3):
        running.append(stage.start(command, "--model", MODEL, "--output", str(target)))
        if stage.noise.random() < 0.3 and number < 2:
            time.sleep(stage.noise.uniform(0, 0.2))
            running[-1].signal(signal.SIGKILL)
    ended = [each.wait().check() for each in running]
    if not any(each.code == 0 for each in ended):
        stage.run(command, "--model", MODEL, "--output", str(target)).succeeded()
    if command == "backup":
        _restored_elsewhere(stage, target, MODEL)
    else:
        below = f"{MODEL}/{stage.commit()}" if command == "mirror" else f"{MODEL.replace('/', '--')}/snapshot"
        stage.same_files(stage.repo(), target / below)
    return f"{command}, {sum(each.code == 0 for each in ended)} of 3 succeeded"
