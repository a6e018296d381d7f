"""Loads a diffusers text-to-image pipeline from a directory or a checkpoint, offline, onto the chosen device.

Comes in: a `LoadRequest` and a device. Goes out: the pipeline and what it can do. Must not: run code that comes with a
model, or load weights that are not safetensors.
"""

import inspect
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch

from image_gen.errors import NotAPipelineError
from image_gen.model_cache.manifests.select import is_served
from image_gen.worker.checkpoints.load import load_checkpoint
from image_gen.worker.components import load_vae
from image_gen.worker.lean_imports import diffusers_class, without_dynamo
from image_gen.worker.loras import load_loras
from image_gen.worker.placement import Placement, apply_placement, placement_of
from image_gen.worker.protocol import STEP, LoadRequest, bounded_size
from image_gen.worker.speed.batches import most_at_once, slice_vae, why_no_batches
from image_gen.worker.speed.options import apply_options, chosen_options
from image_gen.worker.speed.prompt_cache import PromptCache

# Latents in a side of a patch, by families whose transformers read patches: a picture's side has to be divisible by so
# many times the VAE's scale. Else some of them refuse it, and others make a smaller picture.
_PATCH_SIZES: Final = {
    "AuraFlow": 2, "Bria": 2, "Chroma": 2, "CogView3Plus": 2, "CogView4": 2, "Flux": 2, "GlmImage": 4,
    "HiDreamImage": 2, "HunyuanImage": 2, "Ideogram4": 2, "Krea2": 2, "LongCatImage": 2, "Lumina": 2,
    "NucleusMoEImage": 2, "OmniGen": 2, "OvisImage": 2, "QwenImage": 2, "StableDiffusion3": 2, "ZImage": 2,
}  # fmt: skip
_OTHER_MODEL: Final = "Fix: choose another model: `imagegen up --model <id>`"


@dataclass(frozen=True)
class LoadedPipeline:
    """A pipeline and the arguments its call takes. Sizes are in pixels, and at most the request's `max_size`."""

    pipeline: Any
    name: str
    width: int
    height: int
    accepts: frozenset[str]
    dtype: str = "float32"
    has_other_vae: bool = False
    # Pipelines of other classes on the same weights, by class.
    others: dict[str, Any] = field(default_factory=dict, compare=False)
    placement: Placement = field(default_factory=Placement)
    device: str = "cpu"
    # The adapters of LoRAs, by the LoRAs' names.
    loras: Mapping[str, str] = field(default_factory=dict)
    # What looks at each picture before it is served.
    checker: Any = None
    # What the text encoders made of the latest prompts; None where nothing is kept.
    prompts: PromptCache | None = None
    # Why an option of the engine is not used, or nothing, by its name.
    options: Mapping[str, str] = field(default_factory=dict)
    most_at_once: int = 1
    # What the sides of a picture have to be a multiple of.
    size_multiple: int = STEP
    reads_guidance: bool = True


def pipeline_class(name: str) -> Any:
    """The class itself, not a chooser of classes, which imports dozens. Raises NOT_A_PIPELINE."""
    found = diffusers_class(name) if name.isidentifier() else None
    if not inspect.isclass(found) or not hasattr(found, "from_pretrained") or not callable(found):
        raise NotAPipelineError(f"{name!r} is not a pipeline of this image's diffusers. {_OTHER_MODEL}")
    if not is_served(name):
        raise NotAPipelineError(f"{name} does not make pictures from text alone. {_OTHER_MODEL}")
    return found


def class_name(directory: Path) -> str:
    """What the model's own index calls its pipeline. Raises NOT_A_PIPELINE."""
    try:
        name = json.loads((directory / "model_index.json").read_text(encoding="utf-8"))["_class_name"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotAPipelineError(
            f"{directory} has no readable model_index.json: it is not the directory of a diffusers pipeline. "
            "Fix: name another, or put the files there"
        ) from error
    return str(name)


def load(request: LoadRequest, device: str, dtype: str, models: Mapping[str, Any] | None = None) -> LoadedPipeline:
    """Reads the weights, but for `models`, which are on the device already. Raises `ImageGenError`; whatever else
    diffusers raises is left to the caller.
    """
    name = request.pipeline or class_name(Path(request.directory))
    cls = pipeline_class(name)
    placement = placement_of(request, device, dtype, complete=True)
    loaded_on = device if placement.where == "device" else "cpu"
    arguments: dict[str, Any] = {
        "dtype": getattr(torch, dtype),
        "use_safetensors": True,
        "local_files_only": True,
        **(models or {}),
        **load_vae(request, loaded_on, dtype),
        **request.load,
    }
    if request.variant:
        arguments["variant"] = request.variant
    if "add_watermarker" in inspect.signature(cls.__init__).parameters:
        arguments["add_watermarker"] = False
    if request.checkpoint:
        [file] = request.files
        pipeline = load_checkpoint(cls, Path(request.directory, file), request.checkpoint, loaded_on, arguments)
    elif placement.where == "device":
        pipeline = without_dynamo(lambda: _from_pretrained(cls, request.directory, arguments, device))
    else:
        pipeline = without_dynamo(lambda: cls.from_pretrained(request.directory, **arguments))
    pipeline.set_progress_bar_config(disable=True)
    accepts = _accepted(pipeline)
    loras = load_loras(pipeline, request.loras, dtype) if request.loras else {}
    options = chosen_options(request.options, device)
    left_out = apply_options(pipeline, options, has_loras=bool(loras))
    apply_placement(pipeline, placement, device)
    at_once = most_at_once(options, name, placement.where)
    if at_once > 1:
        slice_vae(pipeline)
    elif "batches" in options:
        left_out["batches"] = why_no_batches(name, placement.where)
    width, height = bounded_size(*_own_size(pipeline), _multiple(pipeline), request.max_size)
    own = (pipeline, name, width, height, accepts, dtype, bool(request.vae))
    return LoadedPipeline(
        *own, loras=loras, placement=placement, device=device,
        prompts=PromptCache() if "prompt-cache" in options else None,
        options={name: left_out.get(name, "") for name in options},
        most_at_once=at_once,
        size_multiple=size_multiple(pipeline),
        reads_guidance=reads_guidance(pipeline),
    )  # fmt: skip


def _from_pretrained(cls: Any, directory: str, arguments: dict[str, Any], device: str) -> Any:
    # Straight onto the device, without a copy of everything in main memory first; some pipelines refuse it.
    try:
        return cls.from_pretrained(directory, device_map=device, **arguments)
    except (NotImplementedError, ValueError):
        pass
    return cls.from_pretrained(directory, **arguments).to(device)


def _accepted(pipeline: Any) -> frozenset[str]:
    """What a call takes, without a negative prompt where the pipeline would drop it: where it needs
    `true_cfg_scale`, which is 1 by default (FLUX.1), and where the UNet has the guidance as an embedding.
    """
    parameters = inspect.signature(type(pipeline).__call__).parameters
    second = parameters.get("true_cfg_scale")
    is_off = second is not None and isinstance(second.default, (int, float)) and second.default <= 1
    is_embedded = getattr(getattr(getattr(pipeline, "unet", None), "config", None), "time_cond_proj_dim", None)
    return frozenset(parameters) - ({"negative_prompt"} if is_off or is_embedded is not None else set())


def reads_guidance(pipeline: Any) -> bool:
    """Whether `guidance_scale` changes a picture: beside `true_cfg_scale` it is an embedding, which some transformers
    do not have (FLUX.1 schnell, Qwen-Image).
    """
    embeds = getattr(getattr(getattr(pipeline, "transformer", None), "config", None), "guidance_embeds", True)
    return bool(embeds) or "true_cfg_scale" not in inspect.signature(type(pipeline).__call__).parameters


def _own_size(pipeline: Any) -> tuple[int, int]:
    """The size a model was trained for: its latents' side times the VAE's scale, or 1024 where it does not say."""
    scale = getattr(pipeline, "vae_scale_factor", 8)
    side = getattr(pipeline, "default_sample_size", None)
    for part in ("unet", "transformer"):
        if side is None:
            side = getattr(getattr(getattr(pipeline, part, None), "config", None), "sample_size", None)
    if isinstance(side, (list, tuple)) and len(side) == 2:
        return int(side[1]) * scale, int(side[0]) * scale
    return (side * scale, side * scale) if isinstance(side, int) else (1024, 1024)


def _multiple(pipeline: Any) -> int:
    """What the sides of a picture should be a multiple of: the VAE's scale times that of the model's own steps."""
    scale = getattr(pipeline, "vae_scale_factor", STEP)
    unet = getattr(getattr(pipeline, "unet", None), "config", None)
    transformer = getattr(getattr(pipeline, "transformer", None), "config", None)
    blocks = getattr(unet, "block_out_channels", None) or (0,)
    patch = getattr(transformer, "patch_size", None) or 1
    multiple = int(scale) * 2 ** (len(blocks) - 1) * (patch if isinstance(patch, int) else 1)
    return math.lcm(multiple if multiple % STEP == 0 else STEP, size_multiple(pipeline))


def size_multiple(pipeline: Any) -> int:
    """What the sides of a picture have to be a multiple of."""
    name = type(pipeline).__name__
    usual = next((size for family, size in _PATCH_SIZES.items() if name.startswith(family)), 0)
    patch = getattr(pipeline, "patch_size", usual)
    scale = int(getattr(pipeline, "vae_scale_factor", STEP))
    return math.lcm(STEP, scale * (patch if isinstance(patch, int) else usual)) if usual else STEP
