"""`verify --repair` and the repair at a start: nothing good is lost."""

from __future__ import annotations

import fcntl
import os
import shutil
import time

from tests.faults.commands import FaultError
from tests.faults.families import family
from tests.faults.stage import BYSTANDER, MODEL, Stage


def _flip(stage: Stage, content: bytes) -> bytes:
    damaged = bytearray(content)
    damaged[stage.noise.randrange(len(damaged))] ^= 1 << stage.noise.randrange(8)
    return bytes(damaged)


@family("a read fails once", cause=7)
def read_fails_once(stage: Stage) -> str:
    stage.prefetch().succeeded()
    count = stage.noise.randint(1, 6)
    ended = stage.run("verify", "--model", MODEL, "--repair", env={"FAULTS_BROKEN_READS": str(count)})
    stage.served()
    ended.succeeded()
    return f"{count} reads ended with EIO"


@family("repaired meanwhile", cause=7)
def repaired_meanwhile(stage: Stage) -> str:
    """Another process holds the model's lock, and puts a good file in the place of the damaged one."""
    stage.prefetch().succeeded()
    blob = stage.weights().resolve()
    good = blob.read_bytes()
    blob.write_bytes(_flip(stage, good))
    lock = stage.home / "hub" / ".locks" / stage.cached().name / "image-gen.lock"
    with lock.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        repair = stage.start("verify", "--model", MODEL, "--repair")
        time.sleep(0.5 + stage.noise.random())
        fresh = blob.with_name("fresh")
        fresh.write_bytes(good)
        fresh.replace(blob)
    repair.wait().check()
    stage.served()
    return "a repair waits for the lock, and looks again"


@family("good file in quarantine", cause=7)
def good_in_quarantine(stage: Stage) -> str:
    """An earlier start could not read a good file, and set it aside. The hub is down."""
    stage.prefetch().succeeded()
    blob = stage.weights().resolve()
    blob.rename(blob.with_name(f"{blob.name}.damaged"))
    stage.prefetch(env={"HF_HUB_OFFLINE": "1"}).succeeded()
    stage.served()
    return "it is put back"


@family("damage on a read-only volume", cause=7)
def read_only(stage: Stage) -> str:
    stage.prefetch().succeeded()
    path = stage.weights()
    path.resolve().write_bytes(_flip(stage, path.read_bytes()))
    with stage.mounted("--bind", str(stage.home), place=stage.home):
        stage.machine("mount", "-o", "remount,bind,ro", str(stage.home))
        ended = stage.run("verify", "--model", MODEL, "--repair").failed()
    if not os.path.lexists(path):
        raise FaultError("something was deleted")
    stage.run("verify", "--model", MODEL, "--repair").failed(3)
    return f"{ended}"


@family("a link to another content", cause=7)
def wrong_link(stage: Stage) -> str:
    """A link of the model leads to a content of the same size that another revision, or another model, needs."""
    place = "vae/diffusion_pytorch_model.safetensors"
    stage.write_model(f"{MODEL}@v2")
    stage.prefetch().succeeded()
    stage.prefetch(MODEL, "v2").succeeded()
    other = stage.noise.choice([stage.snapshot(MODEL, "v2"), stage.snapshot(BYSTANDER)])
    link = stage.snapshot() / place
    link.unlink()
    link.symlink_to(os.path.relpath((other / place).resolve(), link.parent))
    parts = stage.cached() / "parts" / "x"
    if stage.noise.random() < 0.3:
        # A component that is a link, too: paths are not what they look like.
        parts.mkdir(parents=True)
        link.parent.rename(parts / "vae")
        link.parent.symlink_to("../../parts/x/vae")
    stage.run("verify", "--model", MODEL, "--repair").failed(3)
    stage.served(MODEL, "v2")
    stage.served(BYSTANDER)
    stage.prefetch().succeeded()
    stage.served()
    if parts.exists():
        link.parent.unlink()
        (parts / "vae").rename(link.parent)
        shutil.rmtree(parts.parent)
    return f"it leads to that of {other.relative_to(stage.folder)}"
