"""A mirror that lacks files, or has others."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from tests.faults.families import family
from tests.faults.stage import MODEL, PIECE, Stage


def _mirror(stage: Stage) -> Path:
    """A mirror of the model, made on another machine."""
    place = stage.folder / "mirror"
    other = {"HF_HOME": str(stage.folder / "connected")}
    stage.run("mirror", "--model", MODEL, "--output", str(place), env=other).succeeded()
    return next((place / MODEL).glob("*"))


def _largest(place: Path) -> Path:
    return place / "unet" / "diffusion_pytorch_model.safetensors"


def _prefetch(stage: Stage, place: Path) -> None:
    """From the mirror, what it has; the rest from the hub, which is there."""
    stage.piece_bytes = stage.noise.choice([PIECE, PIECE, 3 * PIECE])
    stage.hub.forget()
    stage.prefetch(env={"IMAGE_GEN_MIRROR": f"file://{place.parents[2]}"}).succeeded()
    stage.served()
    assert any("unet" in each["path"] for each in stage.hub.requests)


@family("mirror without its largest file", cause=1)
def lacks_the_largest(stage: Stage) -> str:
    place = _mirror(stage)
    _largest(place).unlink()
    how = stage.noise.choice(["gone", "a directory", "a dangling link"])
    if how == "a directory":
        _largest(place).mkdir()
    elif how == "a dangling link":
        _largest(place).symlink_to("nowhere")
    _prefetch(stage, place)
    return f"its largest file is {how}"


@family("mirror with a wrong copy of its largest file", cause=1)
def short_copy(stage: Stage) -> str:
    place = _mirror(stage)
    size = stage.noise.choice([0, stage.noise.randrange(1, 399_999), 400_001])
    os.truncate(_largest(place), size)
    _prefetch(stage, place)
    return f"{size} bytes instead of 400000"


@family("mirror with a manifest and no large file", cause=1)
def manifest_alone(stage: Stage) -> str:
    place = _mirror(stage)
    names = [each["path"] for each in json.loads((place / "manifest.json").read_text())["files"]]
    gone = [name for name in names if name.endswith(".safetensors") or stage.noise.random() < 0.5]
    for name in gone:
        (place / name).unlink()
    _prefetch(stage, place)
    shutil.rmtree(place)
    return f"without {len(gone)} of {len(names)} files"
