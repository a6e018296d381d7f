"""What diffusers calls text-to-image, from a directory to a picture: real classes, random weights."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from image_gen.model_cache.cache.locate import open_directory
from image_gen.worker.pictures.generate import generate_image, generate_images
from image_gen.worker.pipeline import LoadedPipeline, load
from image_gen.worker.protocol import ImageJob, LoadRequest
from image_gen.worker.speed.batches import BATCHED

from .engines import difference
from .tiny_pipelines import BUILDERS

JOB = ImageJob("p", "a lighthouse", seed=5, steps=2, width=64, height=128, negative_prompt="fog", guidance_scale=3.0)


def opened(directory: Path, own_pipeline: Any) -> LoadedPipeline:
    """As the service opens a directory of the user's."""
    torch.manual_seed(0)
    own_pipeline().save_pretrained(directory)
    model = open_directory(directory, str(directory))
    files = {file.path: file.size for file in model.files}
    return load(LoadRequest(str(directory), model.pipeline, model.variant, files=files), "cpu", "float32")


@pytest.mark.parametrize("name", BUILDERS)
def test_a_directory_of_random_weights_makes_pictures(name: str, tmp_path: Path) -> None:
    loaded = opened(tmp_path / "model", BUILDERS[name])
    assert loaded.name == name and type(loaded.pipeline).__name__ == name
    seen: list[int] = []
    changed = {} if "negative_prompt" in loaded.accepts else {"negative_prompt": None}
    job = ImageJob(**{**vars(JOB), **changed, "progress": True})
    made = generate_image(loaded, job, lambda: False, lambda step, _: seen.append(step))
    image = Image.open(io.BytesIO(made.data))
    assert image.size == (JOB.width, JOB.height)
    assert len({image.getpixel((x, x)) for x in range(0, 64, 7)}) > 1
    assert generate_image(loaded, job, lambda: False).data == made.data


@pytest.mark.parametrize("name", sorted(BATCHED & {*BUILDERS}))
def test_the_pictures_of_a_batch_are_those_of_requests_alone_and_a_kept_prompt_changes_none(
    name: str, tmp_path: Path
) -> None:
    loaded = opened(tmp_path / "model", BUILDERS[name])
    assert loaded.most_at_once == 4 and loaded.prompts is not None
    changed = {} if "negative_prompt" in loaded.accepts else {"negative_prompt": None}
    jobs = [ImageJob(**{**vars(JOB), **changed, "seed": seed}) for seed in range(3)]
    alone = [generate_image(loaded, job, lambda: False).data for job in jobs]
    together, without = (
        [image.data for image in generate_images(each, jobs, lambda: False)]
        for each in (loaded, replace(loaded, prompts=None))
    )
    assert max(map(difference, alone, together)) <= 1
    assert together == without
    assert len({*together}) == len(jobs)


def test_every_pipeline_that_makes_batches_is_tested() -> None:
    # The demo model is Stable Diffusion XL: test_batches.py.
    assert {*BUILDERS, "StableDiffusionXLPipeline"} >= BATCHED
