"""Previews: their size and number, and that the picture is the same with and without them."""

import io
from dataclasses import replace
from typing import Any

import pytest
import torch
from PIL import Image

from image_gen.worker.pictures.generate import generate_image
from image_gen.worker.pictures.previews import has_previews, preview
from image_gen.worker.protocol import ImageJob

JOB = ImageJob("p", "a lighthouse", seed=5, steps=4, width=128, height=64, previews=3)


def steps_of(loaded: Any, job: ImageJob) -> tuple[bytes, list[tuple[int, bytes]]]:
    steps: list[tuple[int, bytes]] = []
    made = generate_image(loaded, job, lambda: False, lambda step, data: steps.append((step, data)))
    return made.data, steps


@pytest.mark.parametrize(("asked", "kind"), [("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP")])
def test_a_preview_is_an_eighth_in_the_jobs_format(loaded: Any, asked: str, kind: str) -> None:
    assert has_previews(loaded.pipeline)
    _, steps = steps_of(loaded, replace(JOB, output_format=asked))
    assert [step for step, _ in steps] == [1, 2, 3]
    for _, data in steps:
        image = Image.open(io.BytesIO(data))
        assert (image.format, image.size) == (kind, (16, 8))


# Some add noise at each step, which must be the seed's.
@pytest.mark.parametrize("scheduler", [None, "euler_a", "ddpm", "lcm", "tcd"])
def test_previews_and_progress_do_not_change_the_picture(loaded: Any, scheduler: str | None) -> None:
    job = replace(JOB, scheduler=scheduler)
    plain, none = steps_of(loaded, replace(job, previews=0))
    assert none == []
    assert steps_of(loaded, job)[0] == plain
    progressed, steps = steps_of(loaded, replace(job, previews=0, progress=True))
    assert progressed == plain
    assert steps == [(1, b""), (2, b""), (3, b""), (4, b"")]
    assert "step" not in vars(loaded.pipeline.scheduler)


def test_a_preview_has_the_colours_of_its_latents(loaded: Any) -> None:
    flat = torch.zeros(1, 4, 2, 3)
    image = preview(loaded.pipeline, flat)
    assert (image.size, image.getpixel((0, 0))) == ((3, 2), (150, 140, 130))
    assert preview(loaded.pipeline, torch.full((1, 4, 2, 3), torch.nan)).getpixel((0, 0)) == (0, 0, 0)


@pytest.mark.parametrize("latents", [None, torch.zeros(1, 16, 2, 2), torch.zeros(1, 100, 64)])
def test_latents_of_unknown_colours_have_no_preview(loaded: Any, latents: Any) -> None:
    assert preview(loaded.pipeline, latents) is None
