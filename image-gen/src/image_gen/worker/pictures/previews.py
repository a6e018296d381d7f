"""Previews of a picture that is being made: its latents, mapped to colours by a matrix, at an eighth of its size.

Comes in: latents, or better what the scheduler expects the last ones to be. Goes out: a small picture. Must not: run
the VAE, which takes as long as several steps, or change anything that the picture depends on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Final

import torch
from PIL import Image

# By the VAE's scaling factor: for each colour the weights of the four channels, and a constant; colours are 0 to 255.
# SDXL's are those of diffusers' documentation of callbacks, the other's are fitted to Stable Diffusion 1 and 2.
_COLOURS: Final = {
    0.13025: (((60, -60, 25, -70), (60, -5, 15, -50), (60, 10, -5, -35)), (150, 140, 130)),
    0.18215: (((45, 41, -36, -27), (29, 63, 22, -33), (41, 30, 35, -92)), (127, 127, 127)),
}


class Estimates:
    """`latest` is what the scheduler expects the latents to be after the last step, where it says so."""

    def __init__(self) -> None:
        self.latest: Any = None


@contextmanager
def watch_estimates(pipeline: Any, *, wanted: bool) -> Iterator[Estimates]:
    """While the pipeline runs, keeps the scheduler's second result: latents without the noise that is still in them."""
    estimates = Estimates()
    scheduler = getattr(pipeline, "scheduler", None)
    if not wanted or scheduler is None:
        yield estimates
        return
    original = scheduler.step

    # A pipeline reads the parameters: a scheduler is given the picture's generator only where it has one.
    @wraps(original)
    def step(*arguments: Any, **options: Any) -> Any:
        result = original(*arguments, **options)
        if isinstance(result, tuple) and len(result) > 1 and isinstance(result[1], torch.Tensor):
            estimates.latest = result[1]
        return result

    scheduler.step = step
    try:
        yield estimates
    finally:
        del scheduler.step


def has_previews(pipeline: Any) -> bool:
    """Whether the colours of the pipeline's latents are known."""
    return _colours(pipeline) is not None and hasattr(pipeline, "scheduler")


def preview(pipeline: Any, latents: Any) -> Any:
    """The first picture of the latents; None where their colours are not known."""
    colours = _colours(pipeline)
    if colours is None or not isinstance(latents, torch.Tensor) or latents.ndim != 4 or latents.shape[1] != 4:
        return None
    weights, constant = colours
    values = latents[0].float()
    # With noise in it, the values are larger than those of a picture.
    values = values / values.std().clamp(min=1.0)
    pixels = torch.einsum("rl,lhw->hwr", torch.tensor(weights, dtype=values.dtype, device=values.device), values)
    pixels = (pixels + torch.tensor(constant, device=values.device)).nan_to_num().clamp(0, 255)
    return Image.fromarray(pixels.to(torch.uint8).cpu().numpy())


def _colours(pipeline: Any) -> Any:
    factor = getattr(getattr(getattr(pipeline, "vae", None), "config", None), "scaling_factor", None)
    return _COLOURS.get(factor) if isinstance(factor, float) else None
