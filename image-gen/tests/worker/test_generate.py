"""Pictures by real diffusers code, with a model so small that a CPU does."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from image_gen.errors import ImageGenError
from image_gen.worker.failures import CancelledError
from image_gen.worker.generate import EncodedImage, generate_image
from image_gen.worker.pipeline import _from_pretrained, class_name, pipeline_class
from image_gen.worker.protocol import ImageJob

ORDER = ImageJob("p", "a lighthouse", seed=5, steps=3, width=128, height=128)


def picture(loaded: Any, **changes: Any) -> EncodedImage:
    return generate_image(loaded, replace(ORDER, **changes), lambda: False)


def opened(made: EncodedImage) -> Image.Image:
    image = Image.open(io.BytesIO(made.data))
    image.load()
    return image


def test_the_model_says_what_it_can_do(loaded: Any) -> None:
    assert (loaded.name, loaded.width, loaded.height) == ("StableDiffusionXLPipeline", 128, 128)
    assert {"prompt", "negative_prompt", "guidance_scale", "callback_on_step_end"} <= loaded.accepts
    assert loaded.pipeline.watermark is None
    assert str(loaded.pipeline.unet.dtype) == "torch.float32"
    assert loaded.pipeline.hf_device_map == "cpu"


def test_a_pipeline_that_is_not_put_onto_a_device_while_it_loads_is_moved_there() -> None:
    class Refuses:
        def __init__(self) -> None:
            self.device = "nowhere"

        @classmethod
        def from_pretrained(cls, _directory: str, device_map: str | None = None, **_: Any) -> "Refuses":
            if device_map is not None:
                raise NotImplementedError
            return cls()

        def to(self, device: str) -> "Refuses":
            self.device = device
            return self

    assert _from_pretrained(Refuses, "x", {}, "cuda").device == "cuda"


def test_the_same_order_gives_the_same_picture_and_another_seed_another(loaded: Any) -> None:
    first, other = picture(loaded), picture(loaded, seed=6)
    assert picture(loaded).data == first.data
    assert other.data != first.data
    assert opened(first).size == (128, 128)
    assert first.seconds >= first.denoising_seconds > 0


def test_what_was_made_before_does_not_matter(loaded: Any) -> None:
    first = picture(loaded)
    picture(loaded, steps=7, width=64, height=192, seed=9)
    with pytest.raises(CancelledError):
        generate_image(loaded, ORDER, cancelled=stop_after(2))
    assert picture(loaded).data == first.data


def test_every_part_of_the_order_counts(loaded: Any) -> None:
    plain = picture(loaded).data
    for change in ({"prompt": "x"}, {"negative_prompt": "x"}, {"guidance_scale": 1.5}, {"steps": 4}):
        assert picture(loaded, **change).data != plain, change


def stop_after(steps: int) -> Any:
    asked = iter([False] * steps)
    return lambda: next(asked, True)


def test_a_cancellation_ends_it_at_the_end_of_the_step(loaded: Any) -> None:
    steps: list[int] = []
    with pytest.raises(CancelledError):
        # One question before the first step, then one after each.
        generate_image(loaded, replace(ORDER, steps=20), stop_after(3), steps.append)
    assert steps == [1, 2]


def test_a_cancellation_before_the_first_step_costs_nothing(loaded: Any) -> None:
    with pytest.raises(CancelledError):
        generate_image(loaded, ORDER, lambda: True, lambda _: pytest.fail("a step was made"))


@pytest.mark.parametrize(("asked", "kind"), [("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP")])
def test_the_asked_format_and_size(loaded: Any, asked: str, kind: str) -> None:
    image = opened(picture(loaded, output_format=asked, width=192, height=64, steps=1))
    assert (image.format, image.size) == (kind, (192, 64))


def test_too_little_memory_is_told_with_what_to_do(loaded: Any) -> None:
    class Greedy:
        def __call__(self, **_: Any) -> Any:
            raise RuntimeError(
                "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
            )

    with pytest.raises(ImageGenError, match="a picture of 128x128: ask for a smaller size") as told:
        generate_image(replace(loaded, pipeline=Greedy()), ORDER, lambda: False)
    assert told.value.code == "OUT_OF_MEMORY"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("NoSuchPipeline", r"is not a pipeline of this image's diffusers"),
        ("os.system", "is not a pipeline"),
        ("AutoencoderKL", "does not make pictures from text alone"),
        ("StableDiffusionXLImg2ImgPipeline", None),
        ("StableDiffusionUpscalePipeline", None),
        ("DDIMScheduler", None),
        ("WanPipeline", None),
    ],
)
def test_what_does_not_make_pictures_from_text_is_refused(name: str, why: str | None) -> None:
    with pytest.raises(ImageGenError, match=why or "text alone") as told:
        pipeline_class(name)
    assert told.value.code == "NOT_A_PIPELINE"


def test_a_directory_tells_its_class(demo_model: Path, tmp_path: Path) -> None:
    assert class_name(demo_model) == "StableDiffusionXLPipeline"
    with pytest.raises(ImageGenError, match=r"no readable model_index\.json"):
        class_name(tmp_path)
