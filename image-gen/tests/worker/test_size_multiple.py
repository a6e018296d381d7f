"""What the sides of a picture have to be a multiple of: by the pipelines' own checks, and in pictures."""

import inspect
import io
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import diffusers
import pytest
from PIL import Image

from image_gen.model_cache.manifests.select import _served
from image_gen.worker.pictures.generate import generate_image
from image_gen.worker.pipeline import size_multiple
from image_gen.worker.protocol import ImageJob

from .test_text_to_image import opened
from .tiny_pipelines import BUILDERS

# What diffusers' checks divide by beside 8: two latents of the VAE's scale, or a patch of them.
_CHECK = re.compile(
    r"% \(self\.vae_scale_factor \* (2|self\.patch_size|self\.transformer\.config\.patch_size \* 2)\)|% 16\b"
)


def of_class(name: str) -> Any:
    """A pipeline as far as its sizes go, with the VAE's scale of all but a few models."""
    return type(name, (), {"vae_scale_factor": 8})()


@pytest.mark.parametrize("name", sorted(_served()))
def test_pipelines_that_check_for_more_than_8_have_more(name: str) -> None:
    check = getattr(getattr(diffusers, name), "check_inputs", None)
    found = _CHECK.search(inspect.getsource(check)) if check else None
    if found:
        assert size_multiple(of_class(name)) >= 16


@pytest.mark.parametrize(
    ("name", "multiple"),
    [
        ("StableDiffusionXLPipeline", 8), ("StableDiffusionPipeline", 8), ("PixArtSigmaPipeline", 8),
        ("FluxPipeline", 16), ("StableDiffusion3Pipeline", 16), ("ZImagePipeline", 16), ("QwenImagePipeline", 16),
        ("GlmImagePipeline", 32),
    ],
)  # fmt: skip
def test_the_multiple_of_a_family(name: str, multiple: int) -> None:
    assert size_multiple(of_class(name)) == multiple


def test_the_patch_of_the_pipeline_counts_where_it_has_one() -> None:
    pipeline = of_class("StableDiffusion3Pipeline")
    pipeline.patch_size = 4
    assert size_multiple(pipeline) == 32
    pipeline.patch_size = SimpleNamespace()
    assert size_multiple(pipeline) == 16


@pytest.mark.parametrize("name", ["ZImagePipeline", "StableDiffusion3Pipeline", "FluxPipeline", "Flux2KleinPipeline"])
def test_a_picture_of_the_smallest_multiple_has_the_size_that_was_asked_for(name: str, tmp_path: Path) -> None:
    loaded = opened(tmp_path / "model", BUILDERS[name])
    side = 64 + loaded.size_multiple
    job = replace(ImageJob("p", "a lighthouse", seed=5, steps=1, width=side, height=64))
    assert Image.open(io.BytesIO(generate_image(loaded, job, lambda: False).data)).size == (side, 64)
