"""Schedulers in place of a model's own: those that fit, with what its configuration leaves out; and how many steps."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import diffusers
import pytest
import torch
from PIL import Image

from image_gen.worker.checkpoints.configuration import as_directory
from image_gen.worker.pictures.generate import generate_image
from image_gen.worker.pictures.schedulers import schedulers_of, with_scheduler
from image_gen.worker.protocol import ImageJob

from .small_checkpoint import KINDS
from .test_text_to_image import opened
from .tiny_pipelines import BUILDERS

PHOTO = Image.radial_gradient("L").resize((64, 64)).convert("RGB").tobytes()
EDIT = ImageJob("p", "a lighthouse", seed=5, steps=4, width=64, height=64, strength=0.8, pixels=PHOTO, progress=True)


def of_checkpoint(kind: str) -> Any:
    """The scheduler that the configuration of a checkpoint names."""
    with as_directory(kind) as configs:
        config = diffusers.EulerDiscreteScheduler.load_config(configs, subfolder="scheduler")
        return getattr(diffusers, config["_class_name"]).from_config(config)


@pytest.mark.parametrize("kind", KINDS)
def test_schedulers_of_checkpoints_have_what_the_models_own_configuration_says(kind: str) -> None:
    pipeline = SimpleNamespace(scheduler=of_checkpoint(kind))
    for name in ("ddim", "ddim_trailing", "ddpm"):
        with with_scheduler(pipeline, name, 8):
            config = pipeline.scheduler.config
            assert (config.clip_sample, config.get("set_alpha_to_one")) == (False, False), name


@pytest.mark.parametrize(("given", "clips"), [({}, False), ({"clip_sample": True}, True)])
def test_latents_are_cut_off_only_where_the_configuration_says_so(given: dict[str, bool], clips: bool) -> None:
    config = {"beta_schedule": "scaled_linear", **given}
    pipeline = SimpleNamespace(scheduler=diffusers.EulerDiscreteScheduler.from_config(config))
    latents = torch.full((1, 4, 8, 8), 3.0)
    for name in ("ddim", "ddpm"):
        with with_scheduler(pipeline, name, 8):
            pipeline.scheduler.set_timesteps(8)
            step = pipeline.scheduler.timesteps[-1]
            expected = pipeline.scheduler.step(torch.zeros_like(latents), step, latents).pred_original_sample
        assert (float(expected.max()) <= 1) is clips, name


def test_a_model_that_matches_flows_has_the_schedulers_that_can() -> None:
    own = diffusers.DPMSolverMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0, algorithm_type="dpmsolver++"
    )
    pipeline = SimpleNamespace(scheduler=own)
    assert schedulers_of(pipeline) == ["deis", "dpmpp_2m", "unipc"]
    for name in schedulers_of(pipeline):
        with with_scheduler(pipeline, name, 4):
            pipeline.scheduler.set_timesteps(4)
            latents = torch.ones(1, 4, 8, 8)
            for step in pipeline.scheduler.timesteps:
                latents = pipeline.scheduler.step(torch.full_like(latents, 0.5), step, latents).prev_sample
        assert torch.isfinite(latents).all(), name
        assert pipeline.scheduler is own


@pytest.mark.parametrize("kind", ["LCMScheduler", "TCDScheduler"])
def test_a_few_step_models_own_scheduler_makes_more_steps_than_it_was_distilled_from(kind: str) -> None:
    own = getattr(diffusers, kind)(original_inference_steps=50)
    pipeline = SimpleNamespace(scheduler=own)
    with with_scheduler(pipeline, None, 50):
        assert pipeline.scheduler is own
    with with_scheduler(pipeline, None, 150):
        pipeline.scheduler.set_timesteps(150)
        assert len(pipeline.scheduler.timesteps) == 150
    assert pipeline.scheduler is own


@pytest.mark.parametrize("name", ["LatentConsistencyModelPipeline", "StableDiffusion3Pipeline", "ZImagePipeline"])
@pytest.mark.parametrize(
    ("steps", "strength", "made"), [(4, 0.8, 3), (4, 0.25, 1), (7, 0.6, 4), (5, 1.0, 5), (60, 0.05, 3)]
)
def test_an_edit_makes_as_many_steps_as_the_answer_says(
    name: str, steps: int, strength: float, made: int, tmp_path: Path
) -> None:
    loaded = opened(tmp_path / "model", BUILDERS[name])
    job = replace(EDIT, steps=steps, strength=strength)
    seen: list[int] = []
    generate_image(loaded, job, lambda: False, lambda step, _: seen.append(step))
    assert job.steps_made == made
    assert seen == list(range(1, made + 1))
