"""Pipelines that change an image, on the weights that are loaded: `from_pipe` makes no second copy of them.

Comes in: the loaded pipeline, a job with pixels. Goes out: a pipeline and the arguments that only it has. Must not:
change a weight or its number type, or share a scheduler, which has a state of its own.
"""

import inspect
from typing import Any, Final

import torch
from PIL import Image

from image_gen.worker.lean_imports import diffusers_class, without_dynamo
from image_gen.worker.pipeline import LoadedPipeline
from image_gen.worker.placement import apply_placement
from image_gen.worker.protocol import ImageJob

_SUFFIX: Final = "Pipeline"
_ALL_STEPS: Final = "LatentConsistencyModel"
_FLOW: Final = "FlowMatch"
# What the class for it is called after the name of its family, and the arguments that it has to take.
_KINDS: Final = {
    "image": ("Img2Img", {"prompt", "image", "strength"}),
    "mask": ("Inpaint", {"prompt", "image", "mask_image", "strength"}),
}


def kinds_of_edits(loaded: LoadedPipeline) -> list[str]:
    """What the model can do to an image, of `image` and `mask`."""
    return [kind for kind in _KINDS if _class_for(loaded, kind) is not None]


def for_edit(loaded: LoadedPipeline, job: ImageJob) -> tuple[Any, dict[str, Any]]:
    """The pipeline for a job with pixels, made at the first such job, and its arguments."""
    kind = "mask" if job.masked else "image"
    image, mask = images_of(job)
    pipeline = _pipeline(loaded, kind)
    arguments = {"image": image, "mask_image": mask, "strength": _strength(pipeline, job)}
    return pipeline, {name: value for name, value in arguments.items() if value is not None}


def steps_asked(pipeline: Any, job: ImageJob) -> int:
    """What the pipeline is to be asked for, to make `job.steps_made`: latent consistency models make as many as they
    are asked for, from the noise that `strength` says.
    """
    return job.steps_made if type(pipeline).__name__.startswith(_ALL_STEPS) else job.steps


def _strength(pipeline: Any, job: ImageJob) -> float | None:
    """Flow-matching pipelines round the number of steps up, and others down."""
    is_flow = type(getattr(pipeline, "scheduler", None)).__name__.startswith(_FLOW)
    if job.strength is None or not is_flow or job.steps_made == job.steps:
        return job.strength
    return (job.steps_made - 0.5) / job.steps


def images_of(job: ImageJob) -> tuple[Any, Any]:
    """The image of a job, and its mask or None."""
    size, length = (job.width, job.height), job.width * job.height * 3
    mask = Image.frombytes("L", size, job.pixels[length:]) if job.masked else None
    return Image.frombytes("RGB", size, job.pixels[:length]), mask


def with_unmasked(picture: Any, job: ImageJob) -> Any:
    """What the mask leaves out is the image's own, to the last bit: the VAE changes it a little."""
    image, mask = images_of(job)
    if mask is None or picture.size != image.size:
        return picture
    return Image.composite(picture, image, mask.point(lambda value: 255 if value >= 128 else 0))


def _class_for(loaded: LoadedPipeline, kind: str) -> Any:
    infix, needed = _KINDS[kind]
    if not loaded.name.endswith(_SUFFIX) or len(_number_types(loaded.pipeline)) != 1:
        return None
    found = diffusers_class(f"{loaded.name.removesuffix(_SUFFIX)}{infix}{_SUFFIX}")
    parameters = inspect.signature(found.__call__).parameters if inspect.isclass(found) else {}
    return found if needed <= set(parameters) else None


def _pipeline(loaded: LoadedPipeline, kind: str) -> Any:
    if kind not in loaded.others:
        cls = _class_for(loaded, kind)
        scheduler = loaded.pipeline.scheduler
        given: dict[str, Any] = {"scheduler": type(scheduler).from_config(scheduler.config)}
        if "add_watermarker" in inspect.signature(cls.__init__).parameters:
            given["add_watermarker"] = False
        # `from_pipe` converts to float32 what it is not given a type for: there is one, which all weights have.
        [dtype] = _number_types(loaded.pipeline)
        made = without_dynamo(lambda: cls.from_pipe(loaded.pipeline, dtype=dtype, **given))
        made.set_progress_bar_config(disable=True)
        if loaded.placement.where == "model":
            # Its hooks follow the order of this pipeline's own parts.
            apply_placement(made, loaded.placement, loaded.device)
        loaded.others[kind] = made
    return loaded.others[kind]


def _number_types(pipeline: Any) -> set[torch.dtype]:
    """Of the weights: converting a pipeline's parts to one type would change those that are kept in another."""
    parts = [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]
    return {weight.dtype for part in parts for weight in part.parameters() if weight.is_floating_point()}
