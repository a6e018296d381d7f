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
_USUAL_STEPS: Final = 50


def schedulers_of(pipeline: Any) -> list[str]:
    """The names that the pipeline can be used with."""
    compatible = {cls.__name__ for cls in getattr(getattr(pipeline, "scheduler", None), "compatibles", ())}
    if "DDIMScheduler" in compatible:
        compatible.update(_DISTILLED)
    return [name for name, (class_name, _) in _SCHEDULERS.items() if class_name in compatible]


@contextmanager
def with_scheduler(pipeline: Any, name: str | None, steps: int) -> Iterator[None]:
    """While the context lasts, the pipeline has the scheduler of that name, a new one; without a name, its own."""
    if name is None:
        yield
        return
    own = pipeline.scheduler
    class_name, changes = _SCHEDULERS[name]
    if class_name in _DISTILLED:
        changes = changes | {"original_inference_steps": max(_USUAL_STEPS, steps)}
    pipeline.scheduler = diffusers_class(class_name).from_config(own.config, **changes)
    try:
        yield
    finally:
        pipeline.scheduler = own
