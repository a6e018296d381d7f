"""What a single checkpoint file holds, by its header alone: nothing of it is loaded.

The kinds that are served are those whose configuration is in this package (`worker/checkpoints`). The names of weights
are those of the models' own repositories, by which diffusers tells them apart too.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from image_gen import reader
from image_gen.errors import ImageGenError, ModelDirInvalidError, NotAPipelineError, UnsafeModelError
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
# More than any file has.
_MOST_BYTES: Final = 1 << 63


@dataclass(frozen=True)
class Kind:
    """A kind that is served: the name of its configuration, and the pipeline."""

    name: str
    pipeline: str


KINDS: Final = {
    STABLE_DIFFUSION: Kind(STABLE_DIFFUSION, "StableDiffusionPipeline"),
    STABLE_DIFFUSION_XL: Kind(STABLE_DIFFUSION_XL, "StableDiffusionXLPipeline"),
}


@dataclass(frozen=True)
class _Subject:
    """What a message is of: the setting or argument that names it, its place and name; what to do when it is damaged,
    and what else can be served.
    """

    setting: str
    place: str
    name: str
    error: type[ImageGenError]
    again: str
    pipeline: str


def kind_of(path: Path, setting: str = "MODEL_DIR") -> Kind:
    """`setting` is what named the file. Raises MODEL_DIR_INVALID, UNSAFE_MODEL for a pickle, and OSError."""
    subject = _subject_of(path, setting)
    return _kind_of_weights(subject, _weights_of(path, subject))


def is_lora(path: Path, setting: str) -> bool:
    """Whether a file holds a LoRA. Raises as above."""
    return _has_lora(_weights_of(path, _subject_of(path, setting)))


def _subject_of(path: Path, setting: str) -> _Subject:
    place, pipeline = str(reader.place(path)), "the directory of a diffusers pipeline"
    return _Subject(setting, place, path.name, ModelDirInvalidError, "copy it again", pipeline)


def _weights_of(path: Path, subject: _Subject) -> Mapping[str, Any]:
    with open_regular(path) as stream:

        def first(count: int) -> bytes:
            stream.seek(0)
            return stream.read(count)

        return _header(subject, path.stat().st_size, first)


def kind_in_repository(model_id: str, file: str, size: int, first: Callable[[int], bytes]) -> Kind:
    """Of a file on a hub, of which `first` reads so many bytes. Raises NOT_A_PIPELINE and UNSAFE_MODEL."""
    place, pipeline = f"{file} of {model_id}", "a repository with a diffusers pipeline"
    subject = _Subject("MODEL_ID", place, file, NotAPipelineError, "name another file", pipeline)
    return _kind_of_weights(subject, _header(subject, size, first))


def _has_lora(weights: Mapping[str, Any]) -> bool:
    return any(".lora_" in name or name.startswith("lora_") for name in weights)


def _kind_of_weights(subject: _Subject, weights: Mapping[str, Any]) -> Kind:
    shapes = {name: _shape_of(each) for name, each in weights.items()}
    other = next((kind for name, kind in _OTHERS if any(f"{prefix}{name}" in shapes for prefix in _PREFIXES)), "")
    if _has_lora(weights):
        other = "a LoRA"
    found = STABLE_DIFFUSION_XL if _OPEN_CLIP_XL in shapes and _CLIP_XL in shapes else ""
    found = found or (STABLE_DIFFUSION if _CLIP in shapes and _LATENTS in shapes else "")
    if not found or other in {"Playground v2.5", "a LoRA", "a ControlNet"}:
        raise _refused(subject, f"it is {other}" if other else "its kind is not known")
    channels = [*shapes.get(_LATENTS, []), 0, 0][1]
    if channels != 4:
        raise _refused(subject, f"it takes a picture beside the text ({channels} channels, not 4), as for inpainting")
    if _DECODER not in shapes:
        raise _refused(subject, "it has no VAE")
    return KINDS[found]


def _shape_of(weight: Mapping[str, Any]) -> list[int]:
    """Nothing for what is no shape."""
    shape = weight.get("shape")
    return shape if isinstance(shape, list) and all(type(size) is int for size in shape) else []


def _end_of(weight: Mapping[str, Any]) -> int:
    """Raises ValueError, KeyError and TypeError."""
    start, end = weight["data_offsets"]
    if not all(type(at) is int and 0 <= at < _MOST_BYTES for at in (start, end)):
        raise ValueError("an offset is no place in a file")
    return int(end)


def _header(subject: _Subject, size: int, first: Callable[[int], bytes]) -> Mapping[str, Any]:
    start = first(8)
    if subject.name.lower().endswith(_PICKLE_ENDINGS) or start.startswith(_PICKLE_STARTS):
        raise UnsafeModelError(
            f"{subject.setting}: {subject.place} is a pickle, which can run code when it is loaded. Fix: take the "
            "model's .safetensors file."
        )
    length = int.from_bytes(start, "little")
    if start == b"version ":
        raise _no_safetensors(subject, "it is a Git LFS pointer, and not the file itself")
    if len(start) < 8 or not 0 < length < _MAX_HEADER_BYTES:
        raise _no_safetensors(subject, "it does not begin as one")
    if size < 8 + length:
        raise _cut_off(subject, size, 8 + length)
    try:
        header = parse_json(first(8 + length)[8:])
        ends = [_end_of(each) for name, each in header.items() if name != "__metadata__"]
        end = 8 + length + max(ends)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise _no_safetensors(subject, "its header can't be read") from error
    if not subject.name.endswith(".safetensors"):
        # Libraries go by the name.
        raise _no_safetensors(subject, "its name has another ending", "rename it to <name>.safetensors")
    if size < end:
        raise _cut_off(subject, size, end)
    if size > end:
        raise _no_safetensors(subject, f"it is {size - end} bytes longer than its header says")
    return {name: each for name, each in header.items() if name != "__metadata__"}


def _refused(subject: _Subject, why: str) -> ImageGenError:
    return subject.error(
        f"{subject.setting}: {subject.place} is no checkpoint of Stable Diffusion 1.x or SDXL as a whole: {why}. Fix: "
        f"name one, or {subject.pipeline}."
    )


def _no_safetensors(subject: _Subject, why: str, fix: str = "") -> ImageGenError:
    text = f"{subject.setting}: {subject.place} is no safetensors file: {why}. Fix: {fix or subject.again}."
    return subject.error(text)


def _cut_off(subject: _Subject, size: int, whole: int) -> ImageGenError:
    return subject.error(
        f"{subject.setting}: {subject.place} is cut off: it has {format_bytes(size)} of at least "
        f"{format_bytes(whole)}. Fix: {subject.again}."
    )
