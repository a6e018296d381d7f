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


def test_a_component_without_fp16_is_taken_plain_and_no_other_one() -> None:
    fp16 = "text_encoder/model.fp16.safetensors"
    variant, chosen = select(without(NEEDED + NOT_LOADED, fp16))
    assert variant == "fp16"
    assert chosen == sorted([*without(NEEDED, fp16), "text_encoder/model.safetensors"])


def test_weights_in_another_precision_alone_are_named() -> None:
    unet = next(path for path in NEEDED if path.startswith("unet/") and path.endswith(".safetensors"))
    with pytest.raises(ImageGenError) as caught:
        select([*without(NEEDED, unet), unet.replace("fp16", "bf16"), "unet/diffusion_pytorch_model.bin"])
    assert caught.value.code == "NOT_A_PIPELINE"
    assert "diffusion_pytorch_model.bf16.safetensors" in caught.value.message
    assert "not a diffusers pipeline" not in caught.value.message


def test_a_pipeline_that_needs_more_than_a_prompt_is_refused_by_its_index() -> None:
    for name in (
        "StableDiffusionXLImg2ImgPipeline", "StableVideoDiffusionPipeline", "OnnxStableDiffusionPipeline",
        "StableDiffusionXLControlNetPipeline", "FluxControlPipeline", "KandinskyV22Pipeline", "KandinskyPriorPipeline",
        "StableAudioPipeline", "SanaVideoPipeline", "QwenImageEditPipeline", "StableCascadeCombinedPipeline",
    ):  # fmt: skip
        with pytest.raises(ImageGenError) as caught:
            select(NEEDED, INDEX | {"_class_name": name})
        assert caught.value.code == "NOT_A_PIPELINE" and name in caught.value.message


def test_a_pipeline_that_can_do_without_its_image_is_taken() -> None:
    for name in ("FluxKontextPipeline", "Flux2KleinPipeline", "QwenImage21Pipeline", "ZImageOmniPipeline"):
        assert select(NEEDED, INDEX | {"_class_name": name})[1] == NEEDED


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
        (NEEDED, {"_class_name": "StableDiffusionPipeline"}, "NOT_A_PIPELINE", "no component"),
        ([path for path in NEEDED if "unet" not in path], None, "NOT_A_PIPELINE", "unet"),
        (
            [*without(NEEDED, NEEDED[-1]), "unet/diffusion_flax_model.msgpack"],
            None,
            "NOT_A_PIPELINE",
            "complete .safetensors",
        ),
    ],
)
def test_select_rejects_models_that_can_not_be_loaded(
    paths: list[str], index: dict[str, object] | None, code: str, named: str
) -> None:
    with pytest.raises(ImageGenError) as caught:
        select(paths, index)
    assert caught.value.code == code and named in caught.value.message
