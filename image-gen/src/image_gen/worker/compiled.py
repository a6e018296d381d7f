"""Compiles the part of a pipeline that works at every step, and keeps what the compiler made on the volume.

Comes in: a pipeline, a directory. Goes out: the same pipeline, compiled at its first picture, or the reason why it is
not. Must not: make a start fail: what can't be compiled is served as it is.
"""

import importlib.util
import os
import re
import shutil
from pathlib import Path
from typing import Any, Final

from image_gen.worker.failures import one_line

_PARTS: Final = ("unet", "transformer")


def compile_blocks(pipeline: Any, device: str, cache: Path) -> str | None:
    """The blocks that are repeated in the part, as they are most of its work and one kind of block is compiled once.

    Returns why nothing is compiled; None when it will be. Each GPU and version has a place in `cache`.
    """
    part = next((found for name in _PARTS if (found := getattr(pipeline, name, None)) is not None), None)
    if part is None or not getattr(part, "_repeated_blocks", None):
        return "this model has no part that diffusers compiles by blocks"
    lacking = _lacking(device)
    if lacking:
        return lacking
    place = cache / cache_name(device)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return f"{place} can't be written: {error.strerror}"
    if not os.access(place, os.W_OK):
        return f"{place} can't be written"
    # The compiler reads these when it looks for what it made before.
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(place / "inductor")
    os.environ["TRITON_CACHE_DIR"] = str(place / "triton")
    try:
        import torch._dynamo

        # A block that can't be compiled is run as it is.
        torch._dynamo.config.suppress_errors = True
        part.compile_repeated_blocks()
    except Exception as error:
        return f"torch's compiler can't be used: {one_line(error)}"
    return None


def cache_name(device: str) -> str:
    """What has to be the same for an artefact to be used again: the GPU, torch and diffusers."""
    import diffusers
    import torch

    name = torch.cuda.get_device_name(0) if device == "cuda" else device
    return re.sub(r"[^A-Za-z0-9.+-]+", "_", f"{name}-{torch.__version__}-{diffusers.__version__}")


def _lacking(device: str) -> str | None:
    if device != "cuda":
        there = any(map(shutil.which, ("c++", "g++")))
        return None if there else "compiling for the CPU needs g++, which no image has"
    if importlib.util.find_spec("triton") is None:
        return "Triton is not in this image; build the image with COMPILE=1"
    there = any(map(shutil.which, ("cc", "gcc")))
    return None if there else "gcc is not in this image; build the image with COMPILE=1"
