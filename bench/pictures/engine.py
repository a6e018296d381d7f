"""The service's engine without the service, twice in one process: with an option and without, so that neither has
another place in memory or on the processor. Makes the pictures of each line that it reads, by one call or one by one.

BENCH_ENGINE is a JSON object: `options` are names of `engine_options`, `tiles` decodes in tiles, `compile` is a
directory to compile into, `vae` that of another VAE. A line is an object with `is_with`, `seeds`, `prompt`, `width`,
`height` and `steps`.
"""

import base64
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from image_gen.worker.device import choose_dtype
from image_gen.worker.pictures.generate import generate_image, generate_images
from image_gen.worker.pipeline import load
from image_gen.worker.placement import Placement, apply_placement
from image_gen.worker.protocol import ImageJob, LoadRequest
from image_gen.worker.speed.compiled import compile_blocks

DEVICE = os.environ["BENCH_DEVICE"]


def say(**values: Any) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def main() -> None:
    asked = json.loads(os.environ["BENCH_ENGINE"])
    directory = Path(os.environ["BENCH_MODEL"])
    files = {path.relative_to(directory).as_posix(): path.stat().st_size for path in directory.rglob("*.*")}
    plain = LoadRequest(str(directory), "StableDiffusionXLPipeline", "fp16", files=files, options=[])
    dtype = choose_dtype("auto", DEVICE)
    engines, weights = {}, {}
    for is_with in (False, True):
        request = replace(plain, options=asked.get("options", []), vae=asked.get("vae", "")) if is_with else plain
        before = _used()
        engines[is_with] = load(request, DEVICE, dtype)
        weights[is_with] = _used() - before if DEVICE == "cuda" else _weights(engines[is_with].pipeline)
    loaded = engines[True]
    if asked.get("tiles"):
        apply_placement(loaded.pipeline, Placement("device", tiled=True), DEVICE)
    why_not = next((why for why in loaded.options.values() if why), None)
    if asked.get("compile"):
        why_not = compile_blocks(loaded.pipeline, DEVICE, Path(asked["compile"]))
    versions = {name: str(sys.modules[name].__version__) for name in ("torch", "diffusers", "transformers")}
    say(device=torch.cuda.get_device_name(0) if DEVICE == "cuda" else None, versions=versions, why_not=why_not)
    for line in sys.stdin:
        order = json.loads(line)
        loaded = engines[order["is_with"]]
        first = ImageJob("0", order["prompt"], 0, order["steps"], order["width"], order["height"])
        jobs = [replace(first, id=str(number), seed=seed) for number, seed in enumerate(order["seeds"])]
        before = _used()
        begin = time.perf_counter()
        if len(jobs) <= loaded.most_at_once:
            images = generate_images(loaded, jobs, lambda: False)
        else:
            images = [generate_image(loaded, job, lambda: False) for job in jobs]
        seconds = time.perf_counter() - begin
        peak = torch.cuda.max_memory_allocated() - before if DEVICE == "cuda" else 0
        pictures = [base64.b64encode(image.data).decode("ascii") for image in images]
        say(seconds=seconds, bytes=weights[order["is_with"]] + peak, pictures=pictures)


def _used() -> int:
    """Bytes of the GPU at this moment, from which on its peak is counted."""
    if DEVICE != "cuda":
        return 0
    torch.cuda.reset_peak_memory_stats()
    return int(torch.cuda.memory_allocated())


def _weights(pipeline: Any) -> int:
    """Bytes of all weights. What pictures take besides can't be measured apart on a CPU."""
    parts = [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]
    return sum(weight.nbytes for part in parts for weight in part.parameters())


if __name__ == "__main__":
    main()
