"""A hub that breaks off, falls silent, refuses, or sends something else."""

from __future__ import annotations

from tests.faults.families import family
from tests.faults.stage import PIECE, Stage


def _prefetch(stage: Stage, **knobs: object) -> str:
    """Downloads while the hub misbehaves; what the failure says is checked by `run`."""
    # Both ways of downloading are met.
    stage.piece_bytes = stage.noise.choice([0, PIECE])
    stage.impatient()
    stage.hub.panel.turn(knobs)
    ended = stage.prefetch()
    if not ended.code:
        stage.served()
    said = ", ".join(f"{name}={value}" for name, value in knobs.items() if value is not None)
    return f"{said}: {'complete' if not ended.code else f'exit code {ended.code}'}"


@family("dropped connections", cause=None)
def drop(stage: Stage) -> str:
    after, times = stage.noise.randrange(1000, 80_000), stage.noise.choice([1, 3, None])
    return _prefetch(stage, drop_after_bytes=after, times=times)


@family("stalled transfer", cause=None)
def stall(stage: Stage) -> str:
    after, times = stage.noise.choice([0, stage.noise.randrange(20_000, 60_000)]), stage.noise.choice([1, None])
    return _prefetch(stage, stall_after_bytes=after, times=times)


@family("status 429", cause=None)
def status_429(stage: Stage) -> str:
    after, times = stage.noise.choice([0, 3600]), stage.noise.choice([2, None])
    return _prefetch(stage, status=429, retry_after=after, times=times)


@family("status 500", cause=None)
def status_500(stage: Stage) -> str:
    return _prefetch(stage, status=500, times=stage.noise.choice([2, None]))


@family("silent hub", cause=None)
def silence(stage: Stage) -> str:
    return _prefetch(stage, silent=True)


@family("damaged on the way", cause=None)
def corrupt_line(stage: Stage) -> str:
    return _prefetch(stage, corrupt="*.safetensors", times=stage.noise.choice([1, None]))
