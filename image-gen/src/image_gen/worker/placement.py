"""Chooses where a pipeline's weights are while it works, by the GPU's free memory, and puts them there.

Comes in: the sizes of the weights, and what is free. Goes out: a `Placement`. Must not: change anything where all fits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import torch

from image_gen.worker.free_memory import free_gpu_bytes
from image_gen.worker.protocol import LoadRequest

Where = Literal["device", "encoders", "model", "layers"]
# A pixel, by the VAE: the peak above the weights of a picture of 1024 x 1024 by SDXL in half precision.
_DECODING_BYTES: Final = 5_200
# A pixel, by a step: an estimate, as no step was measured apart from the VAE.
_STEP_BYTES: Final = 1_000
_USUAL_SIDE: Final = 1024
_TILE_SIDE: Final = 512
_GB: Final = 1e9
# What parts that only encode a prompt are called in a pipeline's directory and in a checkpoint.
_ENCODERS: Final = ("text_encoder", "cond_stage_model.", "conditioner.")


@dataclass(frozen=True)
class Placement:
    """`device`: all of it on the GPU; `encoders`: all but the text encoders, whose layers come one at a time; `model`:
    one part at a time, `layers`: one layer at a time. With `tiled`, the VAE decodes a larger picture in pieces.
    """

    where: Where = "device"
    tiled: bool = False
    free: int = 0
    needed: int = 0

    @property
    def line(self) -> str:
        """For the log; nothing where all fits."""
        if self == Placement(free=self.free, needed=self.needed):
            return ""
        how = {
            "device": "the whole model stays on it",
            "encoders": "text encoders are in main memory, and layer by layer on it for a prompt that is new",
            "model": "each part of the model is on it while it works",
            "layers": "each layer is on it while it works, which is many times slower",
        }[self.where]
        tiles = f", and pictures above {_TILE_SIDE} pixels are decoded in tiles" if self.tiled else ""
        free, needed = self.free / _GB, self.needed / _GB
        return f"The GPU has {free:.1f} GB free, model and picture take about {needed:.1f} GB: {how}{tiles}."


def choose_placement(asked: str, weights: Mapping[str, int], side: int, free: int) -> Placement:
    """`weights` are bytes by part, `side` that of a picture, in pixels; `asked` is auto or one of IMAGE_GEN_OFFLOAD."""
    pixels = side * side
    total, largest = sum(weights.values()), max(weights.values(), default=0)
    whole, tile = pixels * _DECODING_BYTES, min(pixels, _TILE_SIDE**2) * _DECODING_BYTES
    step, needed = pixels * _STEP_BYTES, total + whole
    encoders = sum(count for name, count in weights.items() if name.startswith(_ENCODERS))
    resident = total - encoders
    if asked == "none" or (asked == "auto" and needed <= free):
        return Placement("device", False, free, needed)
    # Before the encoders leave the GPU, as that was never measured on one.
    if asked == "auto" and total + max(step, tile) <= free:
        return Placement("device", True, free, needed)
    if asked == "encoders" or (asked == "auto" and encoders and resident + max(step, tile) <= free):
        return Placement("encoders", resident + whole > free, free, needed)
    if asked == "model" or (asked == "auto" and max(largest + step, tile) <= free):
        return Placement("model", whole > free, free, needed)
    return Placement("layers", whole > free, free, needed)


def peak_bytes(pixels: int, count: int, dtype: str, *, sliced: bool, tiled: bool) -> int:
    """What so many pictures of one call take beside the weights; `sliced`: they are decoded one after another."""
    halves = int(torch.finfo(getattr(torch, dtype)).bits) // 16
    decoded = min(pixels, _TILE_SIDE**2) if tiled else pixels
    decoding = decoded * _DECODING_BYTES * (1 if sliced else count)
    return halves * max(decoding, pixels * _STEP_BYTES * count)


def placement_of(request: LoadRequest, device: str, dtype: str, *, complete: bool) -> Placement:
    """On this machine. The files are only opened when the model is `complete`; until then, their sizes count."""
    if device != "cuda":
        return Placement()
    weights = weight_bytes(request, dtype) if complete else _file_bytes(request)
    side = min(request.max_size or _USUAL_SIDE, _USUAL_SIDE)
    return choose_placement(request.offload, weights, side, free_gpu_bytes())


def weight_bytes(request: LoadRequest, dtype: str) -> dict[str, int]:
    """Of each part in the number type that it is loaded in."""
    from safetensors import safe_open

    size = torch.finfo(getattr(torch, dtype)).bits // 8
    found: dict[str, int] = {}
    for path in _weight_files(request):
        with safe_open(str(Path(request.directory, path)), "pt") as opened:
            for name in opened.keys():  # noqa: SIM118 - it is no mapping
                # A checkpoint's parts have their names before those of the weights.
                part = ".".join(name.split(".")[:2]) if request.checkpoint else path.partition("/")[0]
                numbers = 1
                for length in opened.get_slice(name).get_shape():
                    numbers *= length
                found[part] = found.get(part, 0) + numbers * size
    return found


def apply_placement(pipeline: Any, placement: Placement, device: str) -> None:
    """A pipeline that was loaded into main memory, and one that shares its parts."""
    if placement.where == "model":
        pipeline.enable_model_cpu_offload(device=device)
    elif placement.where in {"encoders", "layers"}:
        cpu, onto = torch.device("cpu"), torch.device(device)
        parts = pipeline.components if placement.where == "encoders" else {}
        stay = [name for name in parts if not name.startswith("text_encoder")]
        pipeline.enable_group_offload(
            onload_device=onto, offload_device=cpu, offload_type="leaf_level", exclude_modules=stay
        )
    vae: Any = getattr(pipeline, "vae", None)
    if placement.tiled and hasattr(vae, "enable_tiling"):
        vae.enable_tiling()
        if hasattr(vae, "tile_sample_min_size"):
            scale = getattr(pipeline, "vae_scale_factor", 8)
            vae.tile_sample_min_size = min(vae.tile_sample_min_size, _TILE_SIDE)
            vae.tile_latent_min_size = vae.tile_sample_min_size // scale


def _weight_files(request: LoadRequest) -> list[str]:
    return [path for path in request.files if path.endswith(".safetensors")]


def _file_bytes(request: LoadRequest) -> dict[str, int]:
    found: dict[str, int] = {}
    for path in _weight_files(request):
        part = path.partition("/")[0]
        found[part] = found.get(part, 0) + request.files[path]
    return found
