"""Models that were distilled to a few steps: what a picture of theirs takes, as far as their own configuration tells.

Comes in: a pipeline. Goes out: the kind, steps and guidance that a request has without its own. Must not: guess by the
model's name: who needs other values sends them.
"""

from typing import Any


def few_steps_of(pipeline: Any) -> dict[str, Any] | None:
    """`mode`, `steps` and `guidance_scale` (None: the pipeline's own); None for a model of ordinary steps."""
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


def _config(pipeline: Any, part: str, name: str) -> Any:
    return getattr(getattr(getattr(pipeline, part, None), "config", None), name, None)
