"""Pictures by real diffusers code, with a model so small that a CPU does."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from image_gen.errors import CancelledError, ImageGenError
from image_gen.worker.pictures.generate import EncodedImage, generate_image
from image_gen.worker.pipeline import _from_pretrained, class_name, load, pipeline_class
from image_gen.worker.protocol import ImageJob, LoadRequest

ORDER = ImageJob("p", "a lighthouse", seed=5, steps=3, width=128, height=128)


def picture(loaded: Any, **changes: Any) -> EncodedImage:
    return generate_image(loaded, replace(ORDER, **changes), lambda: False)


def opened(made: EncodedImage) -> Image.Image:
    image = Image.open(io.BytesIO(made.data))
    image.load()
    return image


def test_load_reports_size_and_arguments_of_a_pipeline(loaded: Any) -> None:
    assert (loaded.name, loaded.width, loaded.height) == ("StableDiffusionXLPipeline", 128, 128)
    assert {"prompt", "negative_prompt", "guidance_scale", "callback_on_step_end"} <= loaded.accepts
    assert loaded.pipeline.watermark is None
    assert str(loaded.pipeline.unet.dtype) == "torch.float32"
    assert loaded.pipeline.hf_device_map == "cpu"


def test_load_bounds_a_pipelines_own_size(load_request: LoadRequest) -> None:
    bounded = load(replace(load_request, max_size=100), "cpu", "float32")
    assert (bounded.width, bounded.height) == (96, 96)


def test_load_moves_a_pipeline_without_device_map_to_the_device() -> None:
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


def test_generate_image_is_determined_by_the_job_and_its_seed(loaded: Any) -> None:
    first, other = picture(loaded), picture(loaded, seed=6)
    assert picture(loaded).data == first.data
    assert other.data != first.data
    assert opened(first).size == (128, 128)
    assert first.seconds >= first.denoising_seconds > 0


def test_generate_image_keeps_no_state_between_jobs(loaded: Any) -> None:
    first = picture(loaded)
    picture(loaded, steps=7, width=64, height=192, seed=9)
    with pytest.raises(CancelledError):
        generate_image(loaded, ORDER, CancelAfter(2))
    assert picture(loaded).data == first.data


def test_generate_image_uses_every_field_of_a_job(loaded: Any) -> None:
    plain = picture(loaded).data
    for change in ({"prompt": "x"}, {"negative_prompt": "x"}, {"guidance_scale": 1.5}, {"steps": 4}):
        assert picture(loaded, **change).data != plain, change


class CancelAfter:
    """Is asked whether a job is cancelled; says yes after `times` questions."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.asked = 0

    def __call__(self) -> bool:
        self.asked += 1
        return self.asked > self.times


def test_generate_image_ends_a_cancelled_job_at_the_end_of_the_step(loaded: Any) -> None:
    cancelled = CancelAfter(3)
    with pytest.raises(CancelledError):
        generate_image(loaded, replace(ORDER, steps=20), cancelled)
    # One question before the first step, then one after each.
    assert cancelled.asked == 4


def test_generate_image_runs_no_step_of_a_job_that_is_cancelled_already(loaded: Any) -> None:
    cancelled = CancelAfter(0)
    with pytest.raises(CancelledError):
        generate_image(loaded, ORDER, cancelled)
    assert cancelled.asked == 1


@pytest.mark.parametrize(("asked", "kind"), [("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP")])
def test_generate_image_encodes_the_requested_format_and_size(loaded: Any, asked: str, kind: str) -> None:
    image = opened(picture(loaded, output_format=asked, width=192, height=64, steps=1))
    assert (image.format, image.size) == (kind, (192, 64))


def test_generate_image_reports_too_little_memory_with_a_fix(loaded: Any) -> None:
    class Greedy:
        def __call__(self, **_: Any) -> Any:
            raise RuntimeError(
                "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
            )

    with pytest.raises(ImageGenError, match="a picture of 128x128: ask for a smaller size") as caught:
        generate_image(replace(loaded, pipeline=Greedy()), ORDER, lambda: False)
    assert caught.value.code == "OUT_OF_MEMORY"


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
        ("FluxControlPipeline", None),
        ("StableDiffusionXLControlNetPipeline", None),
        ("KandinskyV22PriorPipeline", None),
        ("StableAudioPipeline", None),
    ],
)
def test_pipeline_class_rejects_pipelines_that_are_not_text_to_image(name: str, why: str | None) -> None:
    with pytest.raises(ImageGenError, match=why or "text alone") as caught:
        pipeline_class(name)
    assert caught.value.code == "NOT_A_PIPELINE"


def test_pipeline_class_takes_pipelines_that_can_do_without_their_image() -> None:
    assert pipeline_class("FluxKontextPipeline").__name__ == "FluxKontextPipeline"


def test_class_name_is_read_from_the_models_index(demo_model: Path, tmp_path: Path) -> None:
    assert class_name(demo_model) == "StableDiffusionXLPipeline"
    with pytest.raises(ImageGenError, match=r"no readable model_index\.json"):
        class_name(tmp_path)
