"""What a pipeline takes, by what it does with it: a negative prompt that it drops in silence is none that it takes."""

import inspect
from typing import Any

import diffusers
import pytest

from image_gen.worker.pipeline import _accepted, reads_guidance

from .tiny_pipelines import BUILDERS


@pytest.mark.parametrize(
    ("name", "takes"),
    [
        ("StableDiffusionPipeline", True),
        ("StableDiffusion3Pipeline", True),
        ("ZImagePipeline", True),
        ("FluxPipeline", False),
        ("FluxKontextPipeline", False),
    ],
)
def test_a_negative_prompt_is_taken_where_it_changes_the_picture(name: str, takes: bool) -> None:
    pipeline = BUILDERS[name]()
    assert "negative_prompt" in inspect.signature(type(pipeline).__call__).parameters
    accepted = _accepted(pipeline)
    assert ("negative_prompt" in accepted) is takes
    assert {"prompt", "guidance_scale", "num_inference_steps", "callback_on_step_end"} <= accepted


@pytest.mark.parametrize(("name", "takes"), [("QwenImagePipeline", True), ("QwenImage21Pipeline", False)])
def test_what_counts_is_the_default_of_the_second_guidance(name: str, takes: bool) -> None:
    pipeline = object.__new__(getattr(diffusers, name))
    assert ("negative_prompt" in _accepted(pipeline)) is takes


def test_a_unet_that_reads_the_guidance_as_a_number_takes_no_negative_prompt() -> None:
    pipeline: Any = BUILDERS["StableDiffusionPipeline"]()
    pipeline.unet.register_to_config(time_cond_proj_dim=16)
    assert "negative_prompt" not in _accepted(pipeline)


@pytest.mark.parametrize("name", ["StableDiffusionPipeline", "StableDiffusion3Pipeline", "Flux2KleinPipeline"])
def test_guidance_is_read_where_it_is_not_the_transformers_alone(name: str) -> None:
    assert reads_guidance(BUILDERS[name]())


@pytest.mark.parametrize("embeds", [True, False])
def test_guidance_of_flux_is_read_by_a_transformer_that_has_it(embeds: bool) -> None:
    pipeline: Any = BUILDERS["FluxPipeline"]()
    pipeline.transformer.register_to_config(guidance_embeds=embeds)
    assert reads_guidance(pipeline) is embeds
