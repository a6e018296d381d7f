"""Few-step models are known by their own configuration, and by nothing else."""

import socket
from dataclasses import replace
from typing import Any

import pytest

from image_gen.errors import SettingInvalidError
from image_gen.worker.pictures.few_steps import check_scheduler, few_steps_of
from image_gen.worker.pictures.schedulers import schedulers_of
from image_gen.worker.protocol import LoadRequest

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


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("lcm", (4, 1.0, "lcm")), ("lightning", (4, 0.0, "euler_trailing")), ("hyper", (8, 0.0, "ddim_trailing"))],
)
def test_a_named_mode_is_that_of_its_lora(loaded: Any, mode: str, expected: tuple[int, float, str]) -> None:
    found = few_steps_of(loaded.pipeline, mode)
    assert found and (found["steps"], found["guidance_scale"], found["scheduler"]) == expected
    assert (found["mode"], found["lora"]) == (mode, mode)
    # Else a picture would be made by the model's own.
    assert found["scheduler"] in schedulers_of(loaded.pipeline)


def test_a_mode_whose_scheduler_the_model_lacks_is_refused() -> None:
    few = few_steps_of(None, "hyper")
    check_scheduler("FluxPipeline", few, ["ddim_trailing"])
    check_scheduler("FluxPipeline", None, [])
    expected = (
        "IMAGE_GEN_FEW_STEPS: hyper needs the scheduler ddim_trailing, which FluxPipeline does not have. Fix: leave "
        "IMAGE_GEN_FEW_STEPS out or use lightning, and start the service again."
    )
    with pytest.raises(SettingInvalidError) as refused:
        check_scheduler("FluxPipeline", few, ["euler", "euler_trailing"])
    assert (refused.value.message, refused.value.retryable) == (expected, False)
    with pytest.raises(SettingInvalidError, match="out, and start"):
        check_scheduler("Other", few, [])


def test_a_start_with_a_mode_whose_scheduler_the_model_lacks_is_refused(
    load_request: LoadRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from image_gen.worker.pictures import schedulers
    from image_gen.worker.worker import Worker

    ours, other = socket.socketpair()
    with ours, other:
        worker = Worker(ours)
        worker._device = "cpu"
        monkeypatch.setattr(schedulers, "schedulers_of", lambda _: ["euler"])
        with pytest.raises(SettingInvalidError, match="hyper needs the scheduler ddim_trailing"):
            worker._load(replace(load_request, few_steps="hyper"))
