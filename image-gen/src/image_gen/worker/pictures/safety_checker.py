"""The safety checker of Stable Diffusion, for pictures of any pipeline: withholds what it takes for unsafe.

Comes in: a picture. Goes out: nothing, or an error that quotes no prompt. Must not: change a picture.
"""

from pathlib import Path
from typing import Any

import numpy
import torch

from image_gen.errors import ContentPolicyError, SafetyCheckerInvalidError
from image_gen.worker.failures import one_line
from image_gen.worker.lean_imports import without_dynamo


class SafetyChecker:
    """The checker of a directory, on the device of the pipeline. Raises SAFETY_CHECKER_INVALID."""

    def __init__(self, directory: Path, device: str, dtype: str) -> None:
        self._device, self._dtype = device, getattr(torch, dtype)
        try:
            self._checker, self._extractor = without_dynamo(lambda: self._load(directory))
        except Exception as error:
            raise SafetyCheckerInvalidError(
                f"The safety checker in {directory} can't be loaded: {one_line(error)}. Fix: "
                "IMAGE_GEN_SAFETY_CHECKER=CompVis/stable-diffusion-safety-checker (the key `safetyChecker`), or none"
            ) from error

    def require_safe(self, picture: Any) -> None:
        """Raises CONTENT_POLICY_VIOLATION for a picture that is withheld."""
        pixels = self._extractor([picture.convert("RGB")], return_tensors="pt").pixel_values
        with torch.inference_mode():
            # It would black out what it is given as pictures: they are none.
            nothing = numpy.zeros((1, 1, 1, 3))
            _, flagged = self._checker(images=nothing, clip_input=pixels.to(self._device, self._dtype))
        if flagged[0]:
            raise ContentPolicyError(
                "The safety checker withheld the picture: it may show what is not meant to be seen. Another prompt or "
                "seed may give one that is served."
            )

    def _load(self, directory: Path) -> tuple[Any, Any]:
        from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
        from transformers import CLIPImageProcessor

        checker = StableDiffusionSafetyChecker.from_pretrained(
            directory, dtype=self._dtype, use_safetensors=True, local_files_only=True
        )
        extractor = CLIPImageProcessor.from_pretrained(directory, local_files_only=True)
        return checker.to(self._device).eval(), extractor
