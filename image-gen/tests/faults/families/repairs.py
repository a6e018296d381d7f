"""`verify --repair` and the repair at a start: nothing good is lost."""

from __future__ import annotations

import fcntl
import os
import time

from tests.faults.commands import FaultError
from tests.faults.families import family
from tests.faults.stage import MODEL, Stage


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
