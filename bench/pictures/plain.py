"""The guide's own program, kept running: a plain pipeline of diffusers that makes one picture for each line it reads.

A line of the input is a JSON object with `prompt`, `seed`, `steps`, `width` and `height`; a line of the output one with
`seconds`, `steps_per_second`, `gpu_peak_bytes` and `picture` (PNG, base64). The first line of the output tells what is
used: `device`, `versions`.
"""

import base64
import io
import json
import os
import platform
import sys
import time
from typing import Any

import diffusers
import torch
import transformers
from diffusers import StableDiffusionXLPipeline

DEVICE = os.environ["BENCH_DEVICE"]


def say(**values: Any) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def main() -> None:
    dtype = torch.float16 if DEVICE == "cuda" else torch.float32
    pipeline = StableDiffusionXLPipeline.from_pretrained(
        os.environ["BENCH_MODEL"], dtype=dtype, variant="fp16", use_safetensors=True
    ).to(DEVICE)
    pipeline.set_progress_bar_config(disable=True)
    versions = {each.__name__: str(each.__version__) for each in (torch, diffusers, transformers)}
    say(
        device=torch.cuda.get_device_name(0) if DEVICE == "cuda" else None,
        versions={"python": platform.python_version()} | versions,
    )
    for line in sys.stdin:
        job = json.loads(line)
        begin = last = time.perf_counter()

        def after_step(_pipeline: Any, _step: int, _time: Any, values: dict[str, Any]) -> dict[str, Any]:
            nonlocal last
            last = time.perf_counter()
            return values

        image = pipeline(
            job["prompt"], num_inference_steps=job["steps"], width=job["width"], height=job["height"],
            generator=torch.Generator("cpu").manual_seed(job["seed"]), callback_on_step_end=after_step,
        ).images[0]  # fmt: skip
        file = io.BytesIO()
        image.save(file, format="PNG", compress_level=4)
        end = time.perf_counter()
        say(
            seconds=end - begin,
            steps_per_second=job["steps"] / (last - begin),
            gpu_peak_bytes=torch.cuda.max_memory_allocated() if DEVICE == "cuda" else 0,
            picture=base64.b64encode(file.getvalue()).decode("ascii"),
        )


if __name__ == "__main__":
    main()
