"""Which files of a repository are fetched."""

from __future__ import annotations

import pytest

from image_gen.errors import ImageGenError
from image_gen.model_cache.core.manifest import ManifestFile
from image_gen.model_cache.manifests.select import select_files

INDEX = {
    "_class_name": "StableDiffusionXLPipeline",
    "_diffusers_version": "0.19.0",
    "force_zeros_for_empty_prompt": True,
    "scheduler": ["diffusers", "EulerDiscreteScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "feature_extractor": [None, None],
}
NEEDED = [
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model.fp16.safetensors",
    "tokenizer/merges.txt",
    "tokenizer/vocab.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.fp16.safetensors",
]
NOT_LOADED = [
    ".gitattributes",
    "01.png",
    "README.md",
    "sd_xl_base_1.0.safetensors",
    "text_encoder/flax_model.msgpack",
    "text_encoder/model.onnx",
    "text_encoder/model.safetensors",
    "text_encoder/openvino_model.bin",
    "text_encoder/openvino_model.xml",
    "unet/diffusion_flax_model.msgpack",
    "unet/diffusion_pytorch_model.bin",
    "unet/diffusion_pytorch_model.non_ema.safetensors",
    "unet/diffusion_pytorch_model.safetensors",
    "unet/sub/config.json",
    "vae_1_0/config.json",
    "vae_1_0/diffusion_pytorch_model.fp16.safetensors",
]


def select(paths: list[str], index: dict[str, object] | None = None) -> tuple[str | None, list[str]]:
    files = [ManifestFile(path=path, size=1, git_sha1="0" * 40) for path in paths]
    selection = select_files("a/b", index or INDEX, files)
    return selection.variant, [file.path for file in selection.files]


def without(paths: list[str], *gone: str) -> list[str]:
    return [path for path in paths if path not in gone]


def test_select_takes_only_files_that_are_loaded() -> None:
    assert select(NEEDED + NOT_LOADED) == ("fp16", NEEDED)


def test_select_takes_plain_weights_where_fp16_is_incomplete() -> None:
    variant, chosen = select(without(NEEDED + NOT_LOADED, "text_encoder/model.fp16.safetensors"))
    assert variant is None
    assert "unet/diffusion_pytorch_model.safetensors" in chosen and "text_encoder/model.safetensors" in chosen
    assert not any("fp16" in path for path in chosen)


def test_select_mixes_variants_where_none_is_complete() -> None:
    gone = ("text_encoder/model.fp16.safetensors", "unet/diffusion_pytorch_model.safetensors")
    variant, chosen = select(without(NEEDED + NOT_LOADED, *gone))
    assert variant == "fp16"
    assert "text_encoder/model.safetensors" in chosen and "unet/diffusion_pytorch_model.fp16.safetensors" in chosen


@pytest.mark.parametrize("spelling", ["model.fp16-0000{n}-of-00002", "model-0000{n}-of-00002.fp16"])
def test_select_takes_sharded_weights_with_their_index(spelling: str) -> None:
    pieces = [f"text_encoder/{spelling.format(n=n)}.safetensors" for n in (1, 2)]
    index = "text_encoder/model.safetensors.index.fp16.json"
    rest = without(NEEDED, "text_encoder/model.fp16.safetensors")
    assert select([*rest, index, *pieces])[1] == sorted([*rest, index, *pieces])
    with pytest.raises(ImageGenError) as caught:
        select([*rest, index, pieces[0]])
    assert caught.value.code == "NOT_A_PIPELINE"


@pytest.mark.parametrize(
    ("paths", "index", "code", "named"),
    [
        (
            [*without(NEEDED, NEEDED[-1]), "unet/diffusion_pytorch_model.bin"],
            None,
            "UNSAFE_MODEL",
            "unet/diffusion_pytorch_model.bin",
        ),
        ([*NEEDED, "unet/my_unet.py"], INDEX | {"unet": ["my_unet", "MyUnet"]}, "UNSAFE_MODEL", "my_unet.py"),
        (NEEDED, INDEX | {"_class_name": ["pipeline", "Mine"]}, "UNSAFE_MODEL", "code of its own"),
        (NEEDED, {"unet": INDEX["unet"]}, "NOT_A_PIPELINE", "no pipeline class"),
        (NEEDED, {"_class_name": "X"}, "NOT_A_PIPELINE", "no component"),
        ([path for path in NEEDED if "unet" not in path], None, "NOT_A_PIPELINE", "unet"),
        (
            [*without(NEEDED, NEEDED[-1]), "unet/diffusion_flax_model.msgpack"],
            None,
            "NOT_A_PIPELINE",
            "no complete .safetensors",
        ),
    ],
)
def test_select_rejects_models_that_can_not_be_loaded(
    paths: list[str], index: dict[str, object] | None, code: str, named: str
) -> None:
    with pytest.raises(ImageGenError) as caught:
        select(paths, index)
    assert caught.value.code == code and named in caught.value.message
