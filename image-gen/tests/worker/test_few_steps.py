"""Few-step models are known by their own configuration, and by nothing else."""

from typing import Any

import pytest

from image_gen.worker.pictures.few_steps import few_steps_of

PLAIN = {"prediction_type": "epsilon", "timestep_spacing": "leading"}
TRAILING = {**PLAIN, "timestep_spacing": "trailing"}


def pipeline(kind: str, scheduler: str, config: dict[str, Any], **parts: dict[str, Any]) -> Any:
    made = type(kind, (), {})()
    made.scheduler = type(scheduler, (), {"config": config})()
    for name, values in parts.items():
        setattr(made, name, type("Part", (), {"config": type("Config", (), values)()})())
    return made


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (pipeline("StableDiffusionXLPipeline", "EulerAncestralDiscreteScheduler", TRAILING), ("turbo", 4, 0.0)),
        (pipeline("StableDiffusionPipeline", "EulerDiscreteScheduler", TRAILING), ("turbo", 4, 0.0)),
        (
            pipeline("LatentConsistencyModelPipeline", "LCMScheduler", {}, unet={"time_cond_proj_dim": 256}),
            ("lcm", 4, None),
        ),
        (pipeline("StableDiffusionXLPipeline", "LCMScheduler", {}, unet={"time_cond_proj_dim": None}), ("lcm", 4, 1.0)),
        (pipeline("StableDiffusionXLPipeline", "TCDScheduler", {}), ("tcd", 4, 0.0)),
        (
            pipeline("FluxPipeline", "FlowMatchEulerDiscreteScheduler", {}, transformer={"guidance_embeds": False}),
            ("schnell", 4, 0.0),
        ),
        (pipeline("FluxPipeline", "FlowMatchEulerDiscreteScheduler", {}, transformer={"guidance_embeds": True}), None),
        (pipeline("StableDiffusionXLPipeline", "EulerDiscreteScheduler", PLAIN), None),
        (
            pipeline(
                "StableDiffusionPipeline", "EulerDiscreteScheduler", {**TRAILING, "prediction_type": "v_prediction"}
            ),
            None,
        ),
        (
            pipeline("StableDiffusionPipeline", "EulerDiscreteScheduler", {**TRAILING, "rescale_betas_zero_snr": True}),
            None,
        ),
        (pipeline("StableDiffusionPipeline", "DDIMScheduler", TRAILING), None),
        (type("Bare", (), {})(), None),
    ],
)
def test_a_few_step_model_names_itself(made: Any, expected: tuple[str, int, float | None] | None) -> None:
    found = few_steps_of(made)
    assert (found and (found["mode"], found["steps"], found["guidance_scale"])) == expected


def test_the_demo_model_is_an_ordinary_one(loaded: Any) -> None:
    assert few_steps_of(loaded.pipeline) is None
