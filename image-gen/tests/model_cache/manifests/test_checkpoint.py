"""What a single checkpoint file is, by its header."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from image_gen.errors import ImageGenError
from image_gen.model_cache.cache.locate import open_directory

UNET = "model.diffusion_model.input_blocks.0.0.weight"
VAE = "first_stage_model.decoder.conv_in.weight"
CLIP = "cond_stage_model.transformer.text_model.embeddings.position_embedding.weight"
XL = (
    "conditioner.embedders.0.transformer.text_model.embeddings.position_embedding.weight",
    "conditioner.embedders.1.model.transformer.resblocks.9.mlp.c_proj.bias",
)
Names = Sequence[str]


def content(names: Names, channels: int = 4) -> bytes:
    """One byte a weight; only the shape of the first of the UNet is looked at."""
    header = {
        name: {"dtype": "U8", "shape": [320, channels, 3, 3], "data_offsets": [index, index + 1]}
        for index, name in enumerate(names)
    }
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    return len(text).to_bytes(8, "little") + text + bytes(len(names))


def written(folder: Path, data: bytes, name: str = "mine.safetensors") -> Path:
    (folder / name).write_bytes(data)
    return folder / name


@pytest.mark.parametrize(
    ("names", "kind", "pipeline"),
    [
        ([UNET, VAE, CLIP], "stable-diffusion", "StableDiffusionPipeline"),
        ([UNET, VAE, *XL], "stable-diffusion-xl", "StableDiffusionXLPipeline"),
        ([UNET, VAE, *XL, "v_pred"], "stable-diffusion-xl", "StableDiffusionXLPipeline"),
    ],
)
def test_a_whole_checkpoint_is_a_model(tmp_path: Path, names: Names, kind: str, pipeline: str) -> None:
    file = written(tmp_path, content(names))
    model = open_directory(file, str(file))
    assert (model.checkpoint, model.pipeline, model.source, model.directory) == (kind, pipeline, "directory", tmp_path)
    assert [(each.path, each.size) for each in model.files] == [("mine.safetensors", file.stat().st_size)]


@pytest.mark.parametrize(
    ("names", "channels", "why"),
    [
        ([UNET, VAE, CLIP], 9, "inpainting"),
        ([UNET, CLIP], 4, "it has no VAE"),
        ([UNET, VAE], 4, "a UNet alone"),
        ([UNET, VAE, *XL, "edm_mean"], 4, "Playground"),
        ([UNET, VAE, "cond_stage_model.model.token_embedding.weight"], 4, "Stable Diffusion 2"),
        (["conditioner.embedders.0.model.transformer.resblocks.9.mlp.c_proj.bias", UNET], 4, "refiner"),
        (["model.diffusion_model.joint_blocks.0.context_block.adaLN_modulation.1.bias"], 4, "Stable Diffusion 3"),
        (["double_blocks.0.img_attn.norm.key_norm.scale"], 4, r"FLUX\.1"),
        (["lora_unet_down_blocks_0.lora_up.weight"], 4, "a LoRA"),
        (["unet.down_blocks.0.lora_A.weight"], 4, "a LoRA"),
        (["down_blocks.0.resnets.0.norm1.weight"], 4, "one part of a diffusers pipeline"),
        (["something"], 4, "not known"),
    ],
)
def test_another_kind_is_refused_by_its_name(tmp_path: Path, names: Names, channels: int, why: str) -> None:
    file = written(tmp_path, content(names, channels))
    with pytest.raises(ImageGenError, match=why) as caught:
        open_directory(file, str(file))
    assert caught.value.code == "MODEL_DIR_INVALID" and str(file) in caught.value.message


WHOLE = content([UNET, VAE, CLIP])


@pytest.mark.parametrize(
    ("data", "name", "code", "why"),
    [
        (WHOLE[:-1], "a.safetensors", "MODEL_DIR_INVALID", "cut off"),
        (WHOLE[:40], "a.safetensors", "MODEL_DIR_INVALID", "cut off"),
        (WHOLE + b"x", "a.safetensors", "MODEL_DIR_INVALID", "1 bytes longer"),
        (WHOLE[:5], "a.safetensors", "MODEL_DIR_INVALID", "does not begin as one"),
        (b"", "a.safetensors", "MODEL_DIR_INVALID", "does not begin as one"),
        (b"<!doctype html><html>", "a.safetensors", "MODEL_DIR_INVALID", "does not begin as one"),
        (b"version https://git-lfs.github.com/spec/v1", "a.safetensors", "MODEL_DIR_INVALID", "Git LFS pointer"),
        ((8).to_bytes(8, "little") + b"{" * 8, "a.safetensors", "MODEL_DIR_INVALID", "header can't be read"),
        (WHOLE, "a.sft", "MODEL_DIR_INVALID", "rename it"),
        (WHOLE, "a.ckpt", "UNSAFE_MODEL", "a pickle"),
        (b"PK\x03\x04rest", "a.safetensors", "UNSAFE_MODEL", "a pickle"),
        (b"\x80\x02}q\x00.", "a.safetensors", "UNSAFE_MODEL", "a pickle"),
    ],
)
def test_what_is_no_whole_safetensors_file_is_one_line(
    tmp_path: Path, data: bytes, name: str, code: str, why: str
) -> None:
    file = written(tmp_path, data, name)
    with pytest.raises(ImageGenError, match=why) as caught:
        open_directory(file, str(file))
    assert caught.value.code == code and "Fix: " in caught.value.message and "\n" not in caught.value.message


@pytest.mark.parametrize("shape", [[1], [], {"a": 1}, 7, "4444", ["320", "4"], [320, True], None])
def test_what_is_no_shape_of_latents_is_no_checkpoint(tmp_path: Path, shape: object) -> None:
    file = written(tmp_path, with_header({UNET: {"shape": shape}}))
    with pytest.raises(ImageGenError, match=r"is no checkpoint of .*channels, not 4") as caught:
        open_directory(file, str(file))
    assert caught.value.code == "MODEL_DIR_INVALID"


@pytest.mark.parametrize(
    "offsets",
    [[0, 10**400], [0, 2**63], [0, -1], [0, 3.0], [0, True], ["0", 3], [-(10**400), 3], [3], 3, "ab", None, {}],
)
def test_what_are_no_offsets_is_one_line(tmp_path: Path, offsets: object) -> None:
    file = written(tmp_path, with_header({CLIP: {"data_offsets": offsets}}))
    with pytest.raises(ImageGenError, match="its header can't be read") as caught:
        open_directory(file, str(file))
    assert caught.value.code == "MODEL_DIR_INVALID" and "\n" not in caught.value.message


def with_header(changes: dict[str, dict[str, object]]) -> bytes:
    """A checkpoint in whose header something else is said of a weight."""
    header = {
        name: {"dtype": "U8", "shape": [320, 4, 3, 3], "data_offsets": [index, index + 1]} | changes.get(name, {})
        for index, name in enumerate([UNET, VAE, CLIP])
    }
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + b"abc"


def test_a_directory_of_checkpoints_says_how_to_name_one(tmp_path: Path) -> None:
    file = written(tmp_path, WHOLE)
    with pytest.raises(ImageGenError, match=f"name the file: {file}"):
        open_directory(tmp_path, str(tmp_path))
    with pytest.raises(ImageGenError, match="does not exist"):
        open_directory(tmp_path / "other", "x")
