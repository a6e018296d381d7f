"""Schedulers by name, for one picture each: the pipeline's own is back before the next.

Comes in: a name of the list. Goes out: the pipeline with that scheduler. Must not: change the pipeline's own, whose
state a default picture depends on.

Each makes as many steps as it is asked for, from one on: PNDM fails with a few, and Heun makes twice as many.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from image_gen.worker.lean_imports import diffusers_class

# Name: class of diffusers, and what differs from the configuration of the model's own scheduler.
_SCHEDULERS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "ddim": ("DDIMScheduler", {}),
    "ddim_trailing": ("DDIMScheduler", {"timestep_spacing": "trailing"}),
    "ddpm": ("DDPMScheduler", {}),
    "deis": ("DEISMultistepScheduler", {}),
    "dpmpp_2m": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++", "use_karras_sigmas": False}),
    "dpmpp_2m_karras": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++", "use_karras_sigmas": True}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler_a": ("EulerAncestralDiscreteScheduler", {}),
    "euler_trailing": ("EulerDiscreteScheduler", {"timestep_spacing": "trailing"}),
    "lcm": ("LCMScheduler", {}),
    "tcd": ("TCDScheduler", {}),
    "unipc": ("UniPCMultistepScheduler", {}),
}
# Those of few-step models, which diffusers lists nowhere: they need what DDIM needs, and make no more steps than they
# were distilled from, by default 50.
_DISTILLED: Final = ("LCMScheduler", "TCDScheduler")
# Where the configuration does not say it, these clip their samples to 1, which is right for pixels and not for latents.
_CLIPPING: Final = ("DDIMScheduler", "DDPMScheduler")
_USUAL_STEPS: Final = 50
# Those that support flow-matching models of this prediction type (Sana), and only without Karras sigmas.
_FLOW: Final = "flow_prediction"
_FOR_FLOWS: Final = frozenset({"DEISMultistepScheduler", "DPMSolverMultistepScheduler", "UniPCMultistepScheduler"})


def schedulers_of(pipeline: Any) -> list[str]:
    """The names that the pipeline can be used with."""
    scheduler = getattr(pipeline, "scheduler", None)
    compatible = {cls.__name__ for cls in getattr(scheduler, "compatibles", ())}
    if "DDIMScheduler" in compatible:
        compatible.update(_DISTILLED)
    is_flow = getattr(scheduler, "config", {}).get("prediction_type") == _FLOW
    return [
        name
        for name, (class_name, changes) in _SCHEDULERS.items()
        if class_name in compatible
        and not (is_flow and (class_name not in _FOR_FLOWS or changes.get("use_karras_sigmas")))
    ]


@contextmanager
def with_scheduler(pipeline: Any, name: str | None, steps: int) -> Iterator[None]:
    """While the context lasts, the pipeline has the scheduler of that name, a new one; without a name, its own, or one
    like it where that can't make so many steps.
    """
    own = getattr(pipeline, "scheduler", None)
    config = getattr(own, "config", {})
    class_name, changes = _SCHEDULERS[name] if name else (type(own).__name__, {})
    most = config.get("original_inference_steps") or _USUAL_STEPS
    if name is None and not (class_name in _DISTILLED and steps > most):
        yield
        return
    if class_name in _DISTILLED:
        changes = changes | {"original_inference_steps": max(_USUAL_STEPS if name else most, steps)}
    if class_name in _CLIPPING and "clip_sample" not in config:
        changes = changes | {"clip_sample": False}
    pipeline.scheduler = diffusers_class(class_name).from_config(config, **changes)
    try:
        yield
    finally:
        pipeline.scheduler = own
