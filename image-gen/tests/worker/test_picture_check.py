"""A picture of NaN, or of one value, is no picture. What is nearly flat, is one. Real diffusers, a tiny model."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

from image_gen.errors import ImageGenError
from image_gen.worker.pictures.generate import generate_image, truncated_tokens
from image_gen.worker.pictures.picture_check import Numbers, require_picture
from image_gen.worker.pipeline import LoadedPipeline
from image_gen.worker.protocol import ImageJob

JOB = ImageJob("p", "a lighthouse", seed=5, steps=2, width=64, height=64)


class Faulty:
    """Changes what the VAE decodes, from a number of pictures on."""

    def __init__(self, vae: Any, change: Any, after: int = 0) -> None:
        self.real, self.change, self.after, self.count = vae.decode, change, after, 0

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        decoded = self.real(*arguments, **options)
        self.count += 1
        if self.count > self.after:
            self.change(decoded[0] if isinstance(decoded, tuple) else decoded.sample)
        return decoded


def some_nan(image: torch.Tensor) -> None:
    image[..., :3, :3] = float("nan")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda image: image.fill_(float("nan")), "not numbers (NaN)"),
        (some_nan, "not numbers (NaN)"),
        (lambda image: image[..., 0, 0].fill_(float("inf")), "or infinite"),
        (lambda image: image.fill_(-1.0), "has the same value (0, 0, 0)"),
        (lambda image: image.fill_(0.0), "has the same value (128, 128, 128)"),
        (lambda image: image.fill_(1e9), "has the same value (255, 255, 255)"),
    ],
)
def test_a_picture_of_nan_or_of_one_value_is_an_error_that_names_its_fix(
    loaded: Any, monkeypatch: pytest.MonkeyPatch, change: Any, what: str
) -> None:
    monkeypatch.setattr(loaded.pipeline.vae, "decode", Faulty(loaded.pipeline.vae, change))
    with pytest.raises(ImageGenError) as caught:
        generate_image(loaded, JOB, lambda: False)
    assert caught.value.code == "PICTURE_INVALID" and not caught.value.retryable
    assert what in caught.value.message
    assert "Fix: VAE_ID=madebyollin/sdxl-vae-fp16-fix (`imagegen up --config vaeId=" in caught.value.message
    assert "postprocess" not in vars(loaded.pipeline.image_processor)


def test_only_the_pictures_of_nan_are_errors(loaded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    faulty = Faulty(loaded.pipeline.vae, lambda image: image.fill_(float("nan")), after=1)
    monkeypatch.setattr(loaded.pipeline.vae, "decode", faulty)
    assert generate_image(loaded, JOB, lambda: False).data.startswith(b"\x89PNG")
    with pytest.raises(ImageGenError, match="NaN"):
        generate_image(loaded, JOB, lambda: False)


def flat(value: int, one_pixel: int | None = None) -> Image.Image:
    image = Image.new("RGB", (8, 8), (value, value, value))
    if one_pixel is not None:
        image.putpixel((3, 3), (value, value, one_pixel))
    return image


def test_a_nearly_flat_picture_is_a_picture(loaded: Any) -> None:
    require_picture(flat(0, one_pixel=1), Numbers(), loaded)
    require_picture(flat(255, one_pixel=254), Numbers(), loaded)
    with pytest.raises(ImageGenError, match=r"same value \(7, 7, 7\)"):
        require_picture(flat(7), Numbers(), loaded)
    with pytest.raises(ImageGenError, match=r"same value \(7\)"):
        require_picture(flat(7).convert("L"), Numbers(), loaded)


@pytest.mark.parametrize(
    ("changes", "latents", "has", "lacks"),
    [
        ({"dtype": "float16"}, 0.0, ["sdxl-vae-fp16-fix", "IMAGE_GEN_DTYPE=float32", "in float16"], ["cache verify"]),
        ({"dtype": "float16"}, float("nan"), ["IMAGE_GEN_DTYPE=float32", "what the model makes"], ["VAE_ID"]),
        ({"dtype": "float16", "has_other_vae": True}, 0.0, ["IMAGE_GEN_DTYPE=float32"], ["VAE_ID"]),
        ({"dtype": "float16", "name": "StableDiffusionPipeline"}, 0.0, ["IMAGE_GEN_DTYPE=float32"], ["VAE_ID"]),
        ({"dtype": "float32", "has_other_vae": True}, 0.0, ["`imagegen cache verify`"], ["DTYPE", "VAE_ID"]),
        ({"dtype": "float32"}, 0.0, ["sdxl-vae-fp16-fix"], ["DTYPE"]),
    ],
)
def test_the_fix_fits_model_and_number_type(
    loaded: Any, changes: dict[str, Any], latents: float, has: list[str], lacks: list[str]
) -> None:
    numbers = Numbers()
    numbers.finite, numbers.latents = False, torch.full((1, 4), latents)
    with pytest.raises(ImageGenError) as caught:
        require_picture(flat(0), numbers, replace(loaded, **changes))
    assert all(text in caught.value.message for text in has)
    assert not any(text in caught.value.message for text in lacks)


def test_a_picture_that_the_safety_checker_withheld_is_not_called_broken(loaded: Any) -> None:
    with pytest.raises(ImageGenError, match="safety checker withheld") as caught:
        require_picture(flat(0), Numbers(), loaded, withheld=True)
    assert caught.value.code == "CONTENT_POLICY_VIOLATION"


def test_tokens_that_the_text_encoder_does_not_read_are_counted(loaded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    long = "zebra " * 60
    assert truncated_tokens(loaded, {"prompt": long, "negative_prompt": long}) == {}
    assert generate_image(loaded, replace(JOB, prompt=long), lambda: False).truncated_tokens == {}
    # Of a pipeline that reads 77 tokens of any prompt.
    monkeypatch.setattr("image_gen.worker.pictures.generate.reads_long_prompts", lambda _: False)
    assert truncated_tokens(loaded, {"prompt": "a lighthouse", "negative_prompt": None}) == {}
    tokens = len(loaded.pipeline.tokenizer(long).input_ids)
    count = truncated_tokens(loaded, {"prompt": long, "negative_prompt": long})
    assert count == {"prompt": tokens - 77, "negative_prompt": tokens - 77} and tokens > 77


def test_a_text_encoder_that_reads_it_whole_is_enough() -> None:
    class T5Tokenizer:
        model_max_length = 512

        def __call__(self, _: str, **__: Any) -> Any:
            return SimpleNamespace(input_ids=list(range(300)))

    class CLIPTokenizer(T5Tokenizer):
        model_max_length = 77

    class Pipeline:
        tokenizer, tokenizer_2 = CLIPTokenizer(), T5Tokenizer()

        def __call__(self, prompt: str, max_sequence_length: int = 512) -> None: ...

    class Short(Pipeline):
        def __call__(self, prompt: str, max_sequence_length: int = 256) -> None: ...

    accepts = frozenset({"prompt", "max_sequence_length"})
    assert truncated_tokens(LoadedPipeline(Pipeline(), "P", 8, 8, accepts), {"prompt": "x"}) == {}
    assert truncated_tokens(LoadedPipeline(Short(), "P", 8, 8, accepts), {"prompt": "x"}) == {"prompt": 44}
