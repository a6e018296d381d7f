"""Edits on the loaded weights: nothing is copied, converted or left changed; and what comes out."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from image_gen.worker.pictures.edits import kinds_of_edits
from image_gen.worker.pictures.generate import generate_image
from image_gen.worker.pipeline import load
from image_gen.worker.protocol import ImageJob, LoadRequest

SIDE = 64
JOB = ImageJob("p", "a lighthouse", seed=5, steps=4, width=SIDE, height=SIDE)
PHOTO = Image.radial_gradient("L").resize((SIDE, SIDE)).convert("RGB")
LEFT = Image.new("L", (SIDE, SIDE))
LEFT.paste(255, (0, 0, SIDE // 2, SIDE))
EDIT = replace(JOB, strength=0.8, pixels=PHOTO.tobytes())
INPAINT = replace(JOB, strength=1.0, masked=True, pixels=PHOTO.tobytes() + LEFT.tobytes())


def picture(loaded: Any, job: ImageJob) -> Image.Image:
    return Image.open(io.BytesIO(generate_image(loaded, job, lambda: False).data)).convert("RGB")


def weights(pipeline: Any) -> dict[str, torch.Tensor]:
    return {
        f"{name}.{key}": weight
        for name, part in pipeline.components.items()
        if isinstance(part, torch.nn.Module)
        for key, weight in part.named_parameters()
    }


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_edits_share_the_weights_and_leave_the_next_picture_as_it_was(load_request: LoadRequest, dtype: str) -> None:
    loaded = load(load_request, "cpu", dtype)
    assert kinds_of_edits(loaded) == ["image", "mask"]
    before = weights(loaded.pipeline)
    types = {name: weight.dtype for name, weight in before.items()}
    # The VAE of a half-precision SDXL is converted to float32 and back by each picture, with or without an edit.
    still = [name for name in before if dtype == "float32" or not name.startswith("vae.")]
    addresses = {name: before[name].data_ptr() for name in still}
    plain = generate_image(loaded, JOB, lambda: False).data
    for job in (EDIT, INPAINT):
        picture(loaded, job)
    assert set(types.values()) == {getattr(torch, dtype)}
    for pipeline in (loaded.pipeline, *loaded.others.values()):
        same = weights(pipeline)
        assert all(same[name] is before[name] for name in before)
        assert {name: weight.dtype for name, weight in same.items()} == types
        assert {name: same[name].data_ptr() for name in still} == addresses
    assert set(loaded.others) == {"image", "mask"}
    assert all(other.scheduler is not loaded.pipeline.scheduler for other in loaded.others.values())
    assert all(getattr(other, "watermark", None) is None for other in loaded.others.values())
    assert generate_image(loaded, JOB, lambda: False).data == plain


def test_an_edit_is_determined_by_its_job(loaded: Any) -> None:
    first = generate_image(loaded, EDIT, lambda: False)
    generate_image(loaded, replace(EDIT, steps=7, seed=1), lambda: False)
    assert generate_image(loaded, EDIT, lambda: False).data == first.data
    for change in ({"seed": 6}, {"strength": 0.5}, {"prompt": "x"}, {"pixels": bytes(SIDE * SIDE * 3)}):
        assert generate_image(loaded, replace(EDIT, **change), lambda: False).data != first.data, change


def test_what_the_mask_leaves_out_stays(loaded: Any) -> None:
    made = picture(loaded, INPAINT)
    right = (SIDE // 2, 0, SIDE, SIDE)
    assert made.crop(right).tobytes() == PHOTO.crop(right).tobytes()
    left = (0, 0, SIDE // 2, SIDE)
    assert made.crop(left).tobytes() != PHOTO.crop(left).tobytes()


@pytest.mark.parametrize(("strength", "steps"), [(1.0, 4), (0.8, 3), (0.25, 1)])
def test_strength_is_the_share_of_steps(loaded: Any, strength: float, steps: int) -> None:
    seen: list[int] = []
    job = replace(EDIT, strength=strength, progress=True)
    assert job.steps_made == steps
    generate_image(loaded, job, lambda: False, lambda step, _: seen.append(step))
    assert seen == list(range(1, steps + 1))


def test_previews_of_an_edit_do_not_change_it(loaded: Any) -> None:
    plain = generate_image(loaded, EDIT, lambda: False).data
    seen: list[bytes] = []
    job = replace(EDIT, previews=2)
    assert generate_image(loaded, job, lambda: False, lambda _, preview: seen.append(preview)).data == plain
    assert [Image.open(io.BytesIO(data)).size for data in seen] == [(8, 8), (8, 8)]


def test_a_model_without_such_pipelines_or_of_several_number_types_has_no_edits(loaded: Any, tmp_path: Path) -> None:
    assert kinds_of_edits(replace(loaded, name="PixArtAlphaPipeline")) == []
    mixed = replace(loaded, pipeline=type("P", (), {"components": {
        "a": torch.nn.Linear(1, 1), "b": torch.nn.Linear(1, 1).half(),
    }}))  # fmt: skip
    assert kinds_of_edits(mixed) == []
