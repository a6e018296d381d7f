"""What diffusers calls text-to-image, from a directory to a picture: real classes, random weights."""

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from image_gen.model_cache.cache.locate import open_directory
from image_gen.worker.pictures.generate import generate_image
from image_gen.worker.pipeline import LoadedPipeline, load
from image_gen.worker.protocol import ImageJob, LoadRequest

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
