"""Compiles the part of a pipeline that works at every step, and keeps what the compiler made on the volume.

Comes in: a pipeline, a directory. Goes out: the same pipeline, compiled at its first picture, or the reason why it is
not. Must not: make a start fail: what can't be compiled is served as it is.
"""

import hashlib
import importlib.util
import json
import os
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from image_gen.model_cache.core.atomic_files import replacing
from image_gen.worker.failures import one_line
from image_gen.worker.protocol import LoadRequest

_PARTS: Final = ("unet", "transformer")


def compile_blocks(
    pipeline: Any, device: str, cache: Path, archive: Path | None = None, fetch: Callable[[], None] = lambda: None
) -> str | None:
    """The blocks that are repeated in the part, as they are most of its work and one kind of block is compiled once.

    Returns why nothing is compiled; None when it will be. Each GPU and version has a place in `cache`. `fetch` writes
    `archive` where others have compiled the blocks.
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
        if archive is not None:
            _load_archive(archive, fetch)
        part.compile_repeated_blocks()
    except Exception as error:
        return f"torch's compiler can't be used: {one_line(error)}"
    return None


def archive_of(request: LoadRequest, dtype: str, device: str) -> Path:
    """The path for an archive of this model's blocks, on this GPU and with these versions."""
    sizes = [request.warmup_size, request.max_size]
    facts = [request.pipeline, dtype, sorted(request.files.items()), *sizes, sorted(request.options)]
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
    return Path(request.compile_cache, cache_name(device), f"{key}.blocks")


def save_archive(archive: Path) -> bool:
    """Writes what this process compiled or found, where no archive is. Whether there is one afterwards."""
    import torch

    try:
        if archive.exists():
            return True
        if (made := torch.compiler.save_cache_artifacts()) is None:
            return False
        with replacing(archive) as fresh:
            fresh.write_bytes(made[0])
    except Exception as error:  # an archive is not worth a start
        _say(f"Compiled blocks could not be saved for other hosts: {one_line(error)}")
        return False
    return True


def _load_archive(archive: Path, fetch: Callable[[], None]) -> None:
    """Loads the archive, else the one that `fetch` brings. What can't be loaded is deleted, to be replaced."""
    if not _is_loaded(archive):
        fetch()
        _is_loaded(archive)


def _is_loaded(archive: Path) -> bool:
    import torch

    if not archive.exists():
        return False
    try:
        content = archive.read_bytes()
        # torch logs what it can't read, and returns None.
        if content and torch.compiler.load_cache_artifacts(content) is not None:
            return True
        why = "torch can't read it"
    except Exception as error:
        why = one_line(error)
    _say(f"The archive of compiled blocks {archive.name} could not be loaded and was deleted: {why}")
    with suppress(OSError):
        archive.unlink()
    return False


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the server logs it


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
