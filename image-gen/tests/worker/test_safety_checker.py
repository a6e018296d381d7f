"""The safety checker: its own classes with random weights, and concepts that fit every picture or none."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from image_gen.errors import ImageGenError
from image_gen.worker.pictures.generate import generate_image
from image_gen.worker.pictures.safety_checker import SafetyChecker
from image_gen.worker.protocol import ImageJob

JOB = ImageJob("p", "a lighthouse of secrets", seed=5, steps=1, width=64, height=64)


def write_checker(directory: Path, *, withholds: bool) -> Path:
    import torch
    from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
    from transformers import CLIPConfig, CLIPImageProcessor

    small = {"hidden_size": 32, "intermediate_size": 37, "num_attention_heads": 4, "num_hidden_layers": 2}
    config = CLIPConfig(
        text_config={**small, "projection_dim": 32},
        vision_config={**small, "projection_dim": 32, "image_size": 32, "patch_size": 8},
        projection_dim=32,
    )
    checker = StableDiffusionSafetyChecker(config)
    # A picture is withheld that is nearer to a concept than this; nearness is at most 1.
    for limits in (checker.concept_embeds_weights, checker.special_care_embeds_weights):
        limits.data = torch.full_like(limits, -2.0 if withholds else 2.0)
    checker.save_pretrained(directory)
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(directory)
    return directory


def test_only_a_picture_that_is_withheld_is_refused(loaded: Any, tmp_path: Path) -> None:
    plain = generate_image(loaded, JOB, lambda: False).data
    lets = SafetyChecker(write_checker(tmp_path / "lets", withholds=False), "cpu", "float32")
    assert generate_image(replace(loaded, checker=lets), JOB, lambda: False).data == plain
    withholds = SafetyChecker(write_checker(tmp_path / "withholds", withholds=True), "cpu", "float32")
    with pytest.raises(ImageGenError) as caught:
        generate_image(replace(loaded, checker=withholds), JOB, lambda: False)
    assert (caught.value.code, caught.value.http_status) == ("CONTENT_POLICY_VIOLATION", 400)
    assert "secrets" not in caught.value.message
    assert generate_image(loaded, JOB, lambda: False).data == plain


def test_what_is_no_checker_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(ImageGenError) as caught:
        SafetyChecker(tmp_path, "cpu", "float32")
    assert caught.value.code == "SAFETY_CHECKER_INVALID"
