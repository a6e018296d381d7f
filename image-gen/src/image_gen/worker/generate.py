"""Makes one picture with a loaded pipeline.

Comes in: a `Loaded` pipeline, a `PictureOrder`, a way to ask whether to stop. Goes out: an encoded picture. Must not:
keep state between pictures; the seed and the order alone decide the picture.
"""

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import torch

from image_gen.errors import ImageGenError
from image_gen.worker.failures import CancelledError, out_of_memory
from image_gen.worker.pipeline import Loaded
from image_gen.worker.protocol import PictureOrder

_ENCODINGS: Final[dict[str, dict[str, Any]]] = {
    "png": {"format": "PNG", "compress_level": 4},
    "jpeg": {"format": "JPEG", "quality": 95},
    "webp": {"format": "WEBP", "quality": 95},
}


@dataclass(frozen=True)
class Picture:
    """An encoded picture; `denoising_seconds` is the time until the last step's end."""

    data: bytes
    seconds: float
    denoising_seconds: float


def paint(
    loaded: Loaded, order: PictureOrder, cancelled: Callable[[], bool], on_step: Callable[[int], None] = lambda _: None
) -> Picture:
    """Raises `CancelledError` at the end of the step during which `cancelled` became true, and `ImageGenError`
    OUT_OF_MEMORY.
    """
    started = time.monotonic()
    last_step = started

    def after_step(_pipeline: Any, step: int, _timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
        nonlocal last_step
        last_step = time.monotonic()
        if cancelled():
            raise CancelledError
        on_step(step + 1)
        return values

    arguments: dict[str, Any] = {
        "prompt": order.prompt,
        "num_inference_steps": order.steps,
        "width": order.width,
        "height": order.height,
        # On the CPU, whose numbers are the same on every machine.
        "generator": torch.Generator("cpu").manual_seed(order.seed),
    }
    if order.negative_prompt is not None:
        arguments["negative_prompt"] = order.negative_prompt
    if order.guidance_scale is not None:
        arguments["guidance_scale"] = order.guidance_scale
    if "callback_on_step_end" in loaded.accepts:
        arguments["callback_on_step_end"] = after_step
    if cancelled():
        raise CancelledError
    try:
        with torch.inference_mode():
            image = loaded.pipeline(**arguments).images[0]
    except (MemoryError, RuntimeError) as error:
        raise _plain(error, order) from error
    buffer = io.BytesIO()
    image.save(buffer, **_ENCODINGS[order.output_format])
    return Picture(buffer.getvalue(), time.monotonic() - started, last_step - started)


def _plain(error: BaseException, order: PictureOrder) -> BaseException:
    if not out_of_memory(error):
        return error
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return ImageGenError(
        "OUT_OF_MEMORY",
        f"There is not enough memory for a picture of {order.width}x{order.height}: ask for a smaller size.",
    )
