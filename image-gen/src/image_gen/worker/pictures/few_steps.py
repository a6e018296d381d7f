"""Models that were distilled to a few steps, and LoRAs that make a model one: what a picture of theirs takes.

Comes in: a pipeline, the mode that the operator named. Goes out: the kind, steps, guidance, scheduler and LoRA that a
request has without its own. Must not: guess by the model's name: who needs other values sends them.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from image_gen.engine_options import FEW_STEP_MODES, NONE
from image_gen.errors import SettingInvalidError

# As the LoRAs' own pages name them: LCM-LoRA, SDXL-Lightning and Hyper-SD with 4 steps, 4 and 8.
_MODES: Final = dict(
    zip(
        FEW_STEP_MODES,
        (
            {"steps": 4, "guidance_scale": 1.0, "scheduler": "lcm"},
            {"steps": 4, "guidance_scale": 0.0, "scheduler": "euler_trailing"},
            {"steps": 8, "guidance_scale": 0.0, "scheduler": "ddim_trailing"},
        ),
        strict=True,
    )
)


def few_steps_of(pipeline: Any, mode: str = NONE) -> dict[str, Any] | None:
    """`mode`, `steps` and `guidance_scale` (None: the pipeline's own); None for a model of ordinary steps. With a named
    mode also its `scheduler`, and its `lora`.
    """
    if mode in _MODES:
        return {"mode": mode, **_MODES[mode], "lora": mode}
    scheduler = getattr(pipeline, "scheduler", None)
    kind, config = type(scheduler).__name__, getattr(scheduler, "config", {})
    if kind == "LCMScheduler":
        # One with an embedding reads the guidance as a number; it costs nothing there.
        reads = _config(pipeline, "unet", "time_cond_proj_dim") or _config(pipeline, "transformer", "guidance_embeds")
        return {"mode": "lcm", "steps": 4, "guidance_scale": None if reads else 1.0}
    if kind == "TCDScheduler":
        return {"mode": "tcd", "steps": 4, "guidance_scale": 0.0}
    if type(pipeline).__name__ == "FluxPipeline" and _config(pipeline, "transformer", "guidance_embeds") is False:
        return {"mode": "schnell", "steps": 4, "guidance_scale": 0.0}
    # SD Turbo and SDXL Turbo say so; models that predict velocities have this spacing for another reason.
    is_trailing = config.get("timestep_spacing") == "trailing" and config.get("prediction_type") == "epsilon"
    is_plain = not config.get("rescale_betas_zero_snr")
    if kind.startswith("Euler") and is_trailing and is_plain and type(pipeline).__name__.startswith("StableDiffusion"):
        return {"mode": "turbo", "steps": 4, "guidance_scale": 0.0}
    return None


def check_scheduler(pipeline: str, few_steps: Mapping[str, Any] | None, schedulers: Sequence[str]) -> None:
    """Raises SETTING_INVALID for a mode whose scheduler the model can't have: its LoRA needs that one."""
    needed = (few_steps or {}).get("scheduler")
    if few_steps and needed is not None and needed not in schedulers:
        mode = few_steps["mode"]
        modes = [each for each, facts in _MODES.items() if facts["scheduler"] in schedulers]
        raise SettingInvalidError(
            f"IMAGE_GEN_FEW_STEPS: {mode} needs the scheduler {needed}, which {pipeline} does not have. Fix: leave "
            f"IMAGE_GEN_FEW_STEPS out{' or use ' + ' or '.join(modes) if modes else ''}, and start the service again."
        )


def _config(pipeline: Any, part: str, name: str) -> Any:
    return getattr(getattr(getattr(pipeline, part, None), "config", None), name, None)
