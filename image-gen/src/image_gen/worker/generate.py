"""Generates one image with a loaded pipeline. No state is kept: the seed and the job alone determine the image."""

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import torch

from image_gen.errors import CancelledError, OutOfMemoryError
from image_gen.worker.failures import out_of_memory
from image_gen.worker.pipeline import LoadedPipeline
from image_gen.worker.protocol import ImageJob

_CANCELLED: Final = "The image was cancelled."
_ENCODINGS: Final[dict[str, dict[str, Any]]] = {
    "png": {"format": "PNG", "compress_level": 4},
    "jpeg": {"format": "JPEG", "quality": 95},
    "webp": {"format": "WEBP", "quality": 95},
}


@dataclass(frozen=True)
class EncodedImage:
    """An encoded picture; `denoising_seconds` is the time until the last step's end."""

    data: bytes
    seconds: float
    denoising_seconds: float


def generate_image(loaded: LoadedPipeline, job: ImageJob, cancelled: Callable[[], bool]) -> EncodedImage:
    """Raises CANCELLED at the end of the step during which `cancelled` became true, and OUT_OF_MEMORY."""
    started = time.monotonic()
    last_step = started

    def after_step(_pipeline: Any, _step: int, _timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
        nonlocal last_step
        last_step = time.monotonic()
        if cancelled():
            raise CancelledError(_CANCELLED)
        return values

    arguments: dict[str, Any] = {
        "prompt": job.prompt,
        "num_inference_steps": job.steps,
        "width": job.width,
        "height": job.height,
        # On the CPU, whose numbers are the same on every machine.
        "generator": torch.Generator("cpu").manual_seed(job.seed),
    }
    chosen = {"negative_prompt": job.negative_prompt, "guidance_scale": job.guidance_scale}
    arguments |= {name: value for name, value in chosen.items() if value is not None}
    if "callback_on_step_end" in loaded.accepts:
        arguments["callback_on_step_end"] = after_step
    if cancelled():
        raise CancelledError(_CANCELLED)
    try:
        with torch.inference_mode():
            image = loaded.pipeline(**arguments).images[0]
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        raise OutOfMemoryError(
            f"There is not enough memory for a picture of {job.width}x{job.height}: ask for a smaller size."
        ) from error
    buffer = io.BytesIO()
    image.save(buffer, **_ENCODINGS[job.output_format])
    return EncodedImage(buffer.getvalue(), time.monotonic() - started, last_step - started)
