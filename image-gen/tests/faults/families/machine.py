"""The machine: owners, read-only and full disks, clocks, and other processes."""

from __future__ import annotations

import time

from tests.faults.families import family
from tests.faults.stage import MODEL, NOBODY, Stage


@family("another's volume", cause=None)
def wrong_owner(stage: Stage) -> str:
    stage.open_to_others()
    stage.prefetch(user=NOBODY).failed()
    return f"user {NOBODY} on root's volume"


@family("read-only volume", cause=None)
def read_only(stage: Stage) -> str:
    with stage.mounted("--bind", str(stage.home), place=stage.home):
        stage.machine("mount", "-o", "remount,bind,ro", str(stage.home))
        stage.prefetch().failed()
    return "the volume is mounted read-only"


@family("disk full in the middle", cause=None)
def disk_full(stage: Stage) -> str:
    blobs = stage.cached() / "blobs"
    blobs.mkdir(parents=True)
    room = stage.noise.randrange(40, 480)
    with stage.mounted("-t", "tmpfs", "-o", "size=8m", "tmpfs", place=blobs):
        stage.hub.panel.turn({"line_bytes_per_second": 1_000_000})
        running = stage.start("prefetch", "--model", MODEL)
        while running.runs() and not any(blobs.iterdir()):
            time.sleep(0.002)
        # It is full from one moment to the next, so that no look at the free space helps.
        stage.machine("mount", "-o", f"remount,size={room}k", str(blobs))
        ended = running.wait().check()
        return f"{room} kB of room: exit code {ended.code}"


@family("clock leap", cause=None)
def clock_leap(stage: Stage) -> str:
    leap = stage.noise.choice([-1, 1]) * stage.noise.randrange(60, 10**9)
    stage.hub.panel.turn({"drop_after_bytes": 50_000, "times": 1})
    stage.prefetch(clock_leap=leap).succeeded()
    stage.served()
    return f"the clock leaps by {leap} s"


@family("two writers", cause=None)
def two_writers(stage: Stage) -> str:
    stage.hub.panel.turn({"line_bytes_per_second": 2_000_000})
    other = stage.start("prefetch", "--model", MODEL)
    stage.prefetch().succeeded()
    other.wait().check().succeeded()
    stage.served()
    return "two processes download the same model"
