"""Files of the cache that are damaged or gone."""

from __future__ import annotations

import os

from tests.faults.commands import FaultError
from tests.faults.families import family
from tests.faults.stage import MODEL, Stage


@family("truncated file", cause=None)
def truncated(stage: Stage) -> str:
    stage.prefetch().succeeded()
    path = stage.weights()
    size = stage.noise.randrange(path.stat().st_size)
    os.truncate(path, size)
    return f"{path.parent.name} cut to {size} bytes"


@family("flipped bit", cause=None)
def flipped(stage: Stage) -> str:
    stage.prefetch().succeeded()
    path = stage.weights()
    content = bytearray(path.read_bytes())
    place = stage.noise.randrange(len(content))
    content[place] ^= 1 << stage.noise.randrange(8)
    path.write_bytes(content)
    # Only reading all of it finds this; the service and `verify` do.
    report = stage.run("verify", "--model", MODEL, "--repair", "--json").json
    if report["ok"] or not report["repaired"]:
        raise FaultError("a flipped bit was not found")
    return f"one bit of byte {place} of {path.parent.name}"


@family("dangling link", cause=None)
def dangling(stage: Stage) -> str:
    stage.prefetch().succeeded()
    path = stage.weights()
    path.resolve().unlink()
    return f"the blob of {path.parent.name} is gone"


@family("missing file", cause=None)
def missing(stage: Stage) -> str:
    stage.prefetch().succeeded()
    path = stage.weights()
    if stage.noise.random() < 0.5:
        path.resolve().unlink()
    path.unlink()
    return f"{path.parent.name} is gone"
