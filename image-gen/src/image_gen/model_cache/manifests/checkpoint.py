"""What a single checkpoint file holds, by its header alone: nothing of it is loaded.

The kinds that are served are those whose configuration is in this package (`worker/checkpoints`). The names of weights
are those of the models' own repositories, by which diffusers tells them apart too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from image_gen import reader
from image_gen.errors import ModelDirInvalidError, UnsafeModelError
from image_gen.model_cache.core.filesystem import format_bytes
from image_gen.model_cache.core.untrusted_files import open_regular, parse_json

_MAX_HEADER_BYTES: Final = 100_000_000
_PICKLE_ENDINGS: Final = (".ckpt", ".pt", ".pth", ".bin", ".pkl")
# A zip archive, as torch has written since 1.6, and a bare pickle.
_PICKLE_STARTS: Final = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_LATENTS: Final = "model.diffusion_model.input_blocks.0.0.weight"
_CLIP: Final = "cond_stage_model.transformer.text_model.embeddings.position_embedding.weight"
_CLIP_XL: Final = "conditioner.embedders.0.transformer.text_model.embeddings.position_embedding.weight"
_OPEN_CLIP_XL: Final = "conditioner.embedders.1.model.transformer.resblocks.9.mlp.c_proj.bias"
_DECODER: Final = "first_stage_model.decoder.conv_in.weight"
STABLE_DIFFUSION: Final = "stable-diffusion"
STABLE_DIFFUSION_XL: Final = "stable-diffusion-xl"
# Weights that only one kind has, and what it is called; the first that is found counts.
_OTHERS: Final = (
    ("edm_mean", "Playground v2.5"),
    ("conditioner.embedders.0.model.transformer.resblocks.9.mlp.c_proj.bias", "the SDXL refiner"),
    ("cond_stage_model.model.token_embedding.weight", "Stable Diffusion 2"),
    ("joint_blocks.0.context_block.adaLN_modulation.1.bias", "Stable Diffusion 3"),
    ("double_blocks.0.img_attn.norm.key_norm.scale", "FLUX.1"),
    ("single_stream_modulation.lin.weight", "FLUX.2"),
    ("double_layers.0.attn.w1q.weight", "AuraFlow"),
    ("control_model.time_embed.0.weight", "a ControlNet"),
    ("decoder.conv_in.weight", "a VAE alone"),
    ("down_blocks.0.resnets.0.norm1.weight", "one part of a diffusers pipeline"),
    ("text_model.embeddings.position_embedding.weight", "a text encoder alone"),
    ("input_blocks.0.0.weight", "a UNet alone"),
)
_PREFIXES: Final = ("", "model.diffusion_model.")


@dataclass(frozen=True)
class Kind:
    """A kind that is served: the name of its configuration, and the pipeline."""

    name: str
    pipeline: str


_KINDS: Final = {
    STABLE_DIFFUSION: Kind(STABLE_DIFFUSION, "StableDiffusionPipeline"),
    STABLE_DIFFUSION_XL: Kind(STABLE_DIFFUSION_XL, "StableDiffusionXLPipeline"),
}


def kind_of(path: Path) -> Kind:
    """Raises MODEL_DIR_INVALID, UNSAFE_MODEL for a pickle, and OSError."""
    weights = _header(path)
    shapes = {name: each.get("shape") for name, each in weights.items() if isinstance(each, dict)}
    other = next((kind for name, kind in _OTHERS if any(f"{prefix}{name}" in shapes for prefix in _PREFIXES)), "")
    if any(".lora_" in name or name.startswith("lora_") for name in shapes):
        other = "a LoRA"
    found = STABLE_DIFFUSION_XL if _OPEN_CLIP_XL in shapes and _CLIP_XL in shapes else ""
    found = found or (STABLE_DIFFUSION if _CLIP in shapes and _LATENTS in shapes else "")
    if not found or other in {"Playground v2.5", "a LoRA", "a ControlNet"}:
        raise _refused(path, f"it is {other}" if other else "its kind is not known")
    channels = (shapes.get(_LATENTS) or [0, 0])[1]
    if channels != 4:
        raise _refused(path, f"it takes a picture beside the text ({channels} channels, not 4), as for inpainting")
    if _DECODER not in shapes:
        raise _refused(path, "it has no VAE")
    return _KINDS[found]


def _header(path: Path) -> Mapping[str, Any]:
    with open_regular(path) as stream:
        start = stream.read(8)
        size = path.stat().st_size
        if path.name.lower().endswith(_PICKLE_ENDINGS) or start.startswith(_PICKLE_STARTS):
            raise UnsafeModelError(
                f"MODEL_DIR: {reader.place(path)} is a pickle, which can run code when it is loaded. Fix: take the "
                "model's .safetensors file."
            )
        length = int.from_bytes(start, "little")
        if start == b"version ":
            raise _no_safetensors(path, "it is a Git LFS pointer, and not the file itself")
        if len(start) < 8 or not 0 < length < _MAX_HEADER_BYTES:
            raise _no_safetensors(path, "it does not begin as one")
        if size < 8 + length:
            raise _cut_off(path, size, 8 + length)
        content = stream.read(length)
    try:
        header = parse_json(content)
        ends = [each["data_offsets"][1] for name, each in header.items() if name != "__metadata__"]
        end = 8 + length + max(ends)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise _no_safetensors(path, "its header can't be read") from error
    if path.suffix != ".safetensors":
        # Libraries go by the name.
        raise _no_safetensors(path, "its name has another ending", "rename it to <name>.safetensors")
    if size < end:
        raise _cut_off(path, size, end)
    if size > end:
        raise _no_safetensors(path, f"it is {size - end} bytes longer than its header says")
    return {name: each for name, each in header.items() if name != "__metadata__"}


def _refused(path: Path, why: str) -> ModelDirInvalidError:
    return ModelDirInvalidError(
        f"MODEL_DIR: {reader.place(path)} is no checkpoint of Stable Diffusion 1.x or SDXL as a whole: {why}. Fix: set "
        "it to one, or to the directory of a diffusers pipeline."
    )


def _no_safetensors(path: Path, why: str, fix: str = "copy it again") -> ModelDirInvalidError:
    return ModelDirInvalidError(f"MODEL_DIR: {reader.place(path)} is no safetensors file: {why}. Fix: {fix}.")


def _cut_off(path: Path, size: int, whole: int) -> ModelDirInvalidError:
    return ModelDirInvalidError(
        f"MODEL_DIR: {reader.place(path)} is cut off: it has {format_bytes(size)} of at least "
        f"{format_bytes(whole)}. Fix: copy it again."
    )
