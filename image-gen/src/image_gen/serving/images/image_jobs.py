"""From a request to jobs for the engine, and what the caller should know of fields that were not used.

Comes in: a request, the loaded pipeline, the settings. Goes out: jobs, notes. Must not: know HTTP.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from image_gen.serving.images.requests import MAX_SEED, BadRequest, ImageRequest, parse_size, shorten
from image_gen.settings import Settings
from image_gen.worker.protocol import ImageJob, PipelineReady

# OpenAI's words for how much work a picture is worth. `medium` is what diffusers' pipelines of this kind are used with.
STEPS_BY_QUALITY: Final = {"low": 15, "medium": 30, "high": 50, "xhigh": 75, "max": 100}
# What a pipeline accepts that calls back after each step.
REPORTS_STEPS: Final = "callback_on_step_end"
NO_URLS_IN_STREAMS: Final = "not used: the events of a stream have the pictures themselves."
_SAME_AS: Final = {"auto": "medium", "standard": "medium", "hd": "high"}
_NO_USERS: Final = "not used: nothing here watches end users. It is not logged, and kept only with a job's request."
_NOT_USED: Final = {
    "style": "not used: the model has no styles. Describe the style in the prompt.",
    "moderation": "not used: nothing here moderates prompts.",
    "complexity": "not used: the model does not plan a picture. `quality` and `steps` say how much work it does.",
    "input_fidelity": "not used: `strength` says how much of the image is generated again.",
    "user": _NO_USERS,
    "safety_identifier": _NO_USERS,
}


@dataclass(frozen=True)
class Change:
    """An image that is changed: its pixels, in the size of the picture, and how much of it is generated again."""

    pixels: bytes
    size: tuple[int, int]
    masked: bool
    strength: float


def make_image_jobs(
    request: ImageRequest,
    pipeline: PipelineReady,
    settings: Settings,
    request_id: str,
    change: Change | None = None,
    *,
    model: str = "",
) -> list[ImageJob]:
    """Picture i of a request has the seed plus i, so each can be made again alone. Raises `BadRequest`."""
    for name in ("negative_prompt", "guidance_scale"):
        if getattr(request, name) is not None and name not in pipeline.accepts:
            raise BadRequest(
                f"{name}: {pipeline.pipeline}, which is being served, does not take it; leave it out.", name
            )
    if request.scheduler is not None and request.scheduler not in pipeline.schedulers:
        there = ", ".join(pipeline.schedulers) or "none but its own"
        raise BadRequest(
            f"scheduler: {pipeline.pipeline}, which is being served, has {there}, got {request.scheduler}.", "scheduler"
        )
    for lora in request.loras or ():
        if lora.name not in pipeline.loras:
            there = ", ".join(pipeline.loras) or "none: IMAGE_GEN_LORAS (the key `loras`) names them"
            raise BadRequest(f"loras: this service has {there}, got {shorten(lora.name)}.", "loras")
    own = (pipeline.width, pipeline.height)
    width, height = change.size if change else asked_size(request, settings, pipeline) or own
    edit: dict[str, Any] = (
        {"pixels": change.pixels, "masked": change.masked, "strength": change.strength} if change else {}
    )
    guidance, few = request.guidance_scale, _few_steps(request, pipeline)
    if guidance is None and few and "guidance_scale" in pipeline.accepts:
        guidance = few["guidance_scale"]
    if not pipeline.reads_guidance:
        guidance = None
    # Of a mode by a LoRA, the model has it: else the worker does not start.
    scheduler = request.scheduler or (few or {}).get("scheduler")
    loras = {lora.name: lora.weight for lora in request.loras or ()}
    if few and "lora" in few:
        loras = {few["lora"]: 1.0}
    first = secrets.randbelow(MAX_SEED + 1) if request.seed is None else request.seed
    jobs = [
        ImageJob(
            id=f"{request_id}-{index}",
            prompt=request.prompt or "",
            seed=(first + index) % (MAX_SEED + 1),
            steps=steps_of(request, pipeline),
            width=width,
            height=height,
            output_format=request.output_format or "png",
            output_compression=request.output_compression,
            negative_prompt=request.negative_prompt,
            guidance_scale=guidance,
            previews=(request.partial_images or 0) if request.stream and pipeline.previews else 0,
            progress=bool(request.stream and request.progress and REPORTS_STEPS in pipeline.accepts),
            scheduler=scheduler,
            loras=loras,
            **edit,
        )
        for index in range(request.n or 1)
    ]
    return [replace(job, metadata=_metadata(job, model)) for job in jobs] if request.metadata else jobs


def _metadata(job: ImageJob, model: str) -> str:
    """The text that other programs for pictures write and read under the name `parameters`."""
    facts: dict[str, object] = {
        "Steps": job.steps,
        "Seed": job.seed,
        "Size": f"{job.width}x{job.height}",
        "Model": model,
    }
    chosen = {"Sampler": job.scheduler, "CFG scale": job.guidance_scale, "Denoising strength": job.strength}
    facts |= {name: value for name, value in chosen.items() if value is not None}
    facts |= {f"LoRA {name}": weight for name, weight in job.loras.items()}
    negative = [f"Negative prompt: {job.negative_prompt}"] if job.negative_prompt else []
    return "\n".join([job.prompt, *negative, ", ".join(f"{name}: {value}" for name, value in facts.items())])


def asked_size(request: ImageRequest, settings: Settings, pipeline: PipelineReady) -> tuple[int, int] | None:
    """Width and height in pixels, None where the model or the image decides. Raises `BadRequest`."""
    if request.size in {None, "auto"}:
        return None
    return parse_size(request.size or "", settings.max_size, pipeline.size_multiple)


def steps_of(request: ImageRequest, pipeline: PipelineReady) -> int:
    """`steps`, or else what `quality` means: of a few-step model as much more or less than its own number."""
    count = STEPS_BY_QUALITY[_canonical(request.quality)]
    if few := _few_steps(request, pipeline):
        count = max(1, round(count * few["steps"] / STEPS_BY_QUALITY["medium"]))
    return request.steps or count


def _few_steps(request: ImageRequest, pipeline: PipelineReady) -> Mapping[str, Any] | None:
    """The few-step defaults, where the request has them: a mode by a LoRA is not for one that names its own LoRAs."""
    few = pipeline.few_steps
    return None if few and "lora" in few and request.loras is not None else few


def quality_of(request: ImageRequest) -> str | None:
    """The quality that was served, in OpenAI's words; None for a number of steps that has none."""
    if request.steps is None:
        return _canonical(request.quality)
    return next((quality for quality, count in STEPS_BY_QUALITY.items() if count == request.steps), None)


def notes_on(request: ImageRequest, job: ImageJob) -> dict[str, str]:
    """What the caller should know of fields that were not used, or not as their name says."""
    notes = {name: text for name, text in _NOT_USED.items() if getattr(request, name, None) is not None}
    if job.strength is not None:
        notes["steps"] = f"{job.steps_made} of {job.steps}: the share that `strength` says, {job.strength:g}."
    if request.quality is not None:
        same = request.steps in {None, STEPS_BY_QUALITY[_canonical(request.quality)]}
        notes["quality"] = f"{job.steps} steps." if same else f"not used: `steps` says {job.steps}."
    if request.guidance_scale is not None and job.guidance_scale is None:
        notes["guidance_scale"] = "not used: this model does not read it."
    if request.negative_prompt and job.guidance_scale is not None and job.guidance_scale <= 1:
        notes["negative_prompt"] = f"not used: with guidance {job.guidance_scale:g} the model reads none."
    if request.output_compression is not None and request.output_format in {None, "png"}:
        notes["output_compression"] = "not used: a PNG loses nothing, and has no quality to choose."
    if request.response_format == "url" and request.stream:
        notes["response_format"] = NO_URLS_IN_STREAMS
    if request.metadata and job.output_format != "png":
        notes["metadata"] = "not used: only a PNG has them."
    for name, served in (("partial_images", job.previews), ("progress", job.progress)):
        if getattr(request, name) and not served:
            why = "this model has none" if request.stream else "only an answer with `stream` has them"
            notes[name] = f"not used: {why}."
    return notes


def _canonical(quality: str | None) -> str:
    return _SAME_AS.get(quality or "auto", quality or "")
