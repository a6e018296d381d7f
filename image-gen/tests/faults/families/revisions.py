"""Two revisions of a model: half there, shared, cleared, collected, moved."""

from __future__ import annotations

import fcntl
import os
import shutil
import time

from tests.faults.commands import FaultError
from tests.faults.families import family
from tests.faults.stage import BYSTANDER, MODEL, Stage

VAE = "vae/diffusion_pytorch_model.safetensors"
DAY = 86_400


def _second(stage: Stage) -> str:
    """Caches `main` and a branch with another VAE. Returns the commit of the branch."""
    shutil.copytree(stage.repo(), stage.repo(f"{MODEL}@v2"))
    (stage.repo(f"{MODEL}@v2") / VAE).write_bytes(stage.noise.randbytes(stage.noise.randrange(1, 90_000)))
    stage.prefetch().succeeded()
    stage.prefetch(MODEL, env={"MODEL_REVISION": "v2"}).succeeded()
    return stage.commit(revision="v2")


def _revisions(stage: Stage) -> set[str]:
    return {str(each["revision"]) for each in stage.run("status", "--json").json["models"] if each["id"] == MODEL}


@family("half a second revision", cause=2)
def half(stage: Stage) -> str:
    commit = _second(stage)
    lost = stage.noise.choice([VAE, "model_index.json", "tokenizer/tokenizer.json"])
    path = stage.snapshot(revision="v2") / lost
    if stage.noise.random() < 0.5 and lost == VAE:
        path.resolve().unlink()
    path.unlink()
    stage.run("backup", "--output", str(stage.folder / "models.tar")).succeeded()
    how = stage.noise.choice([commit, commit[:12], "v2"])
    stage.run("clear", "--model", MODEL, "--revision", how, "--yes").succeeded()
    stage.run("verify").succeeded()
    stage.run("clear", "--all", "--yes").succeeded()
    stage.run("restore", "--input", str(stage.folder / "models.tar")).succeeded()
    stage.served()
    return f"{lost} of it is gone; cleared as {how}"


@family("shared revision cleared", cause=2)
def shared(stage: Stage) -> str:
    _second(stage)
    gone, left = stage.noise.sample(["main", "v2"], 2)
    before = stage.run("status", "--json").json["bytes"]
    freed = stage.run("clear", "--model", MODEL, "--revision", gone, "--yes", "--json").succeeded().json["bytes"]
    if stage.run("status", "--json").json["bytes"] != before - freed:
        raise FaultError("what clear says that it freed is not what is free")
    stage.served(revision=left)
    traces = list(stage.cached().rglob(f"*{stage.commit(revision=gone)}*"))
    if _revisions(stage) != {stage.commit(revision=left)} or traces:
        raise FaultError(f"{gone} is not gone")
    return f"{gone} cleared"


@family("old revision collected", cause=2)
def collected(stage: Stage) -> str:
    _second(stage)
    stage.bystander = False
    days = stage.noise.randrange(31, 900)
    stage.run("gc", "--older-than", "30d", clock_leap=days * DAY, env={"MODEL_REVISION": "main"}).succeeded()
    if _revisions(stage) != {stage.commit()}:
        raise FaultError("gc did not delete the revision that no start serves, or deleted the other")
    stage.served()
    return f"unused for {days} days"


@family("copy with old times", cause=5)
def copied(stage: Stage) -> str:
    stage.prefetch().succeeded()
    then = stage.noise.choice([0, time.time() - 400 * DAY, time.time() - stage.noise.randrange(31, 999) * DAY])
    place = stage.folder / "copy"
    stage.home.rename(place)
    for path in place.rglob("*"):
        os.utime(path, (then, then), follow_symlinks=False)
    # As `cp -a`, `rsync -a` and tar do.
    shutil.copytree(place, stage.home, symlinks=True)
    stage.run("gc", "--older-than", "30d", env={"MODEL_ID": BYSTANDER}).succeeded()
    stage.served()
    return f"files of {time.strftime('%Y-%m-%d', time.gmtime(then))}, copied a moment ago"


@family("times of a wrong clock", cause=5)
def wrong_clock(stage: Stage) -> str:
    stage.prefetch().succeeded()
    leap = stage.noise.choice([-20_000, 400]) * DAY
    for path in [*stage.cached().rglob("*"), *(stage.home / "hub/.locks").rglob("*")]:
        os.utime(path, (max(0, time.time() + leap),) * 2, follow_symlinks=False)
    stage.run("gc", "--older-than", "30d", env={"MODEL_ID": BYSTANDER}).succeeded()
    stage.served()
    stage.run("gc", "--older-than", "30d", clock_leap=60 * DAY, env={"MODEL_ID": BYSTANDER}).succeeded()
    if _revisions(stage):
        raise FaultError("what was unused for 60 days is kept")
    return f"files of {leap // DAY:+} days"


@family("clear beside another client", cause=12)
def busy(stage: Stage) -> str:
    stage.prefetch().succeeded()
    key = f"{stage.noise.randrange(16**40):040x}"
    (stage.home / f"hub/.locks/models--{MODEL.replace('/', '--')}").mkdir(parents=True, exist_ok=True)
    with (stage.home / f"hub/.locks/models--{MODEL.replace('/', '--')}/{key}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        (stage.cached() / f"blobs/{key}.0123abcd.incomplete").write_bytes(b"half")
        stage.run("clear", "--model", MODEL, "--yes").failed()
        stage.served()
    stage.run("clear", "--model", MODEL, "--yes").succeeded()
    return "it holds a lock of a content"


@family("main is not taken back", cause=12)
def taken_back(stage: Stage) -> str:
    stage.prefetch().succeeded()
    pinned, newer = stage.snapshot(), f"{stage.noise.randrange(16**40):040x}"
    shutil.copytree(pinned, pinned.with_name(newer), symlinks=True)
    (stage.cached() / "refs/main").write_text(newer)
    lost = stage.weights()
    lost.resolve().unlink()
    stage.prefetch().succeeded()
    if (stage.cached() / "refs/main").read_text() != newer:
        raise FaultError("a start took main back to the commit that it is pinned to")
    stage.run("clear", "--model", MODEL, "--yes").succeeded()
    return f"main at {newer[:8]}, {lost.parent.name} fetched again"


@family("named branch moves", cause=12)
def moves(stage: Stage) -> str:
    stage.prefetch(MODEL, env={"MODEL_REVISION": "main"}).succeeded()
    before = stage.commit()
    (stage.repo() / VAE).write_bytes(stage.noise.randbytes(50_000))
    stage.hub.panel.turn({"status": 503})
    stays = stage.run("prefetch", "--revision", "main", "--json").succeeded().json["revision"]
    stage.calm()
    moved = stage.run("prefetch", "--revision", "main", "--json").succeeded().json["revision"]
    if (stays, moved) != (before, stage.commit()) or (stage.cached() / "refs/main").read_text() != moved:
        raise FaultError(f"main was {before}, then {stays} with the hub down, and {moved}")
    stage.served()
    stage.run("clear", "--model", MODEL, "--yes").succeeded()
    return f"from {before[:8]} to {moved[:8]}"
