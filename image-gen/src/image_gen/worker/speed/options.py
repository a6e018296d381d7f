"""What makes an engine faster, by name, and which of it is used on a device.

Comes in: the names that were asked for, a loaded pipeline. Goes out: the same pipeline with those that it can have.
Must not: use by itself what changes a picture by more than rounding, or what was not measured on that kind of device.

`npm run bench:pictures -- --options` measures each: its time, its memory and the largest difference of a pixel.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import torch
from torch.nn import Module

from image_gen.engine_options import AUTO, ENGINE_OPTIONS
from image_gen.worker.failures import one_line

# Of `ENGINE_OPTIONS`, those that are used without being asked for, by device. The cache gives the very numbers that the
# encoders gave, on every device; the other ones stay off where nobody measured their pictures.
DEFAULTS: Final[dict[str, tuple[str, ...]]] = {
    "cpu": ("batches", "prompt-cache", "channels-last"),
    "cuda": ("prompt-cache",),
    "mps": ("prompt-cache",),
}
# Parts that consist of convolutions, where a model has them.
_CONVOLUTIONS: Final = ("unet", "vae")


def chosen_options(asked: Sequence[str], device: str) -> tuple[str, ...]:
    """`auto` stands for the device's defaults."""
    wanted = {*asked} | ({*DEFAULTS.get(device, ())} if AUTO in asked else set())
    return tuple(name for name in ENGINE_OPTIONS if name in wanted)


def apply_options(pipeline: Any, options: Sequence[str], *, has_loras: bool) -> dict[str, str]:
    """Changes the pipeline's parts. Returns why an option is not used, by its name; one that fails is such a reason."""
    changes: dict[str, Callable[[], str]] = {
        "channels-last": lambda: _reorder(pipeline),
        "fused-projections": lambda: "LoRAs change the projections one by one" if has_loras else _fuse(pipeline),
    }
    reasons = {name: _reason(change) for name, change in changes.items() if name in options}
    return {name: reason for name, reason in reasons.items() if reason}


def _reason(change: Callable[[], str]) -> str:
    try:
        return change()
    except Exception as error:  # A plain pipeline makes the same pictures.
        return one_line(error)


def _reorder(pipeline: Any) -> str:
    """`Module.to` would also reorder weights of five dimensions, those of 3-D convolutions, and fails with them."""
    parts = {name: part for name in _CONVOLUTIONS if isinstance(part := getattr(pipeline, name, None), Module)}
    if not parts:
        return "the model has no UNet and no VAE"
    refused = [name for name, part in parts.items() if _has_five_dimensions(part)]
    for name, part in parts.items():
        if name not in refused:
            part.to(memory_format=torch.channels_last)
    return f"weights of {' and '.join(refused)} have five dimensions" if refused else ""


def _has_five_dimensions(part: Module) -> bool:
    return any(tensor.dim() == 5 for tensor in (*part.parameters(), *part.buffers()))


def _fuse(pipeline: Any) -> str:
    parts: list[Any] = [getattr(pipeline, name, None) for name in ("unet", "vae", "transformer")]
    unet, vae, transformer = parts
    if unet is not None and hasattr(pipeline, "fuse_qkv_projections"):
        from diffusers import AutoencoderKL

        # Diffusers refuses every other VAE, and only after it has fused the UNet.
        has_vae = isinstance(vae, AutoencoderKL)
        try:
            pipeline.fuse_qkv_projections(vae=has_vae)
        except Exception:
            for part in (unet, vae):
                with suppress(AttributeError):  # It was not fused.
                    part.unfuse_qkv_projections()
            raise
    elif hasattr(transformer, "fuse_qkv_projections"):
        transformer.fuse_qkv_projections()
    else:
        return "diffusers has none for this model"
    return ""
