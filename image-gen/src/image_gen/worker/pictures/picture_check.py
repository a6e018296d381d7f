"""Refuses a picture that is none: numbers that are not finite, or one value in every pixel.

Diffusers draws NaN as black and raises nothing. Only exactly one value counts: a nearly flat picture is a picture.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import torch

from image_gen.errors import ContentPolicyError, PictureInvalidError

_FP16_VAE: Final = "madebyollin/sdxl-vae-fp16-fix"


class Numbers:
    """What was seen of a picture's numbers before they became bytes. `latents` are those after the last step."""

    def __init__(self) -> None:
        self.finite = True
        self.latents: Any = None

    @property
    def latents_are_finite(self) -> bool:
        """True where they are unknown."""
        return not isinstance(self.latents, torch.Tensor) or _is_finite(self.latents)


@contextmanager
def watch_numbers(pipeline: Any) -> Iterator[Numbers]:
    """While the pipeline runs, looks at what the VAE decoded, before it is rounded to bytes."""
    numbers = Numbers()
    processor = getattr(pipeline, "image_processor", None)
    original = getattr(processor, "postprocess", None)
    if processor is None or original is None:
        yield numbers
        return

    def postprocess(image: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(image, torch.Tensor):
            numbers.finite = numbers.finite and _is_finite(image)
        return original(image, *arguments, **options)

    processor.postprocess = postprocess
    try:
        yield numbers
    finally:
        del processor.postprocess


def require_picture(image: Any, numbers: Numbers, loaded: Any, *, withheld: bool = False) -> None:
    """Raises PICTURE_INVALID, with the fix that fits the model and its number type, and CONTENT_POLICY_VIOLATION for a
    picture that is `withheld`: by the model's own safety checker, which replaces it by a black one.
    """
    if withheld:
        raise ContentPolicyError("The model's safety checker withheld the picture. Fix: another prompt or seed.")
    if not numbers.finite:
        raise PictureInvalidError(
            f"The picture has values that are not numbers (NaN) or infinite. {_fix(loaded, numbers)}"
        )
    bands = image.getextrema()
    bands = bands if isinstance(bands[0], tuple) else (bands,)
    if all(low == high for low, high in bands):
        value = ", ".join(str(low) for low, _ in bands)
        raise PictureInvalidError(f"Every pixel of the picture has the same value ({value}). {_fix(loaded, numbers)}")


def _fix(loaded: Any, numbers: Numbers) -> str:
    """A VAE that is fit for float16 where the VAE is at fault, another number type, or other files."""
    fixes = []
    if loaded.name.startswith("StableDiffusionXL") and not loaded.has_other_vae and numbers.latents_are_finite:
        fixes.append(f"VAE_ID={_FP16_VAE} (`imagegen up --config vaeId={_FP16_VAE}`)")
    if loaded.dtype != "float32":
        fixes.append("IMAGE_GEN_DTYPE=float32 (`imagegen up --config dtype=float32`)")
    else:
        fixes.append("`imagegen cache verify`, or another model: `imagegen up --model <id>`")
    what = "what the VAE makes" if numbers.latents_are_finite else "what the model makes"
    range_ = "" if loaded.dtype == "float32" else f", whose range in {loaded.dtype} may be too small"
    return f"The cause is {what}{range_}. Fix: {', or '.join(fixes)}"


def _is_finite(tensor: torch.Tensor) -> bool:
    return bool(torch.isfinite(tensor).all())
