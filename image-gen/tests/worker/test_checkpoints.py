"""One checkpoint file as a model: its weights are the pipeline's again, and its picture the same."""

import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from image_gen.errors import ImageGenError
from image_gen.model_cache.cache.locate import open_directory
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.manifests.registry import ManifestRegistry
from image_gen.worker.checkpoints import configuration
from image_gen.worker.checkpoints.clip_tokenizer import clip_tokenizer, vocabulary
from image_gen.worker.pictures.generate import generate_image
from image_gen.worker.pipeline import LoadedPipeline, load
from image_gen.worker.protocol import ImageJob, LoadRequest

from .original_layout import write_checkpoint
from .small_checkpoint import KINDS, made, write_small_configs
from .test_loras import write_lora

JOB = ImageJob("p", "a lighthouse", seed=5, steps=2, width=64, height=64, negative_prompt="fog")


@pytest.fixture
def small_configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configurations that ship, with fewer and smaller layers."""
    place = tmp_path / "configs"
    write_small_configs(place)
    monkeypatch.setattr(configuration, "CONFIGS", place)
    return place


def loaded(file: Path, **changes: Any) -> LoadedPipeline:
    model = open_directory(file, str(file))
    files = {each.path: each.size for each in model.files}
    # No option of the engine: its pictures are compared with those of a plain pipeline.
    own: dict[str, Any] = {"files": files, "checkpoint": model.checkpoint, "options": (), **changes}
    request = LoadRequest(str(file.parent), model.pipeline, None, **own)
    return load(request, "cpu", "float32")


def picture(pipeline: LoadedPipeline, loras: dict[str, float] | None = None) -> bytes:
    job = replace(JOB, loras=loras or {})
    return Image.open(io.BytesIO(generate_image(pipeline, job, lambda: False).data)).tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_is_the_pipeline_again(kind: str, small_configs: Path, tmp_path: Path) -> None:
    original = made(kind)
    file = tmp_path / "my model.safetensors"
    write_checkpoint(original, file)
    again = loaded(file)
    assert (again.name, again.width, again.height) == (KINDS[kind], 64, 64)
    for name, part in original.components.items():
        if isinstance(part, torch.nn.Module):
            theirs = again.pipeline.components[name].state_dict()
            assert all(torch.equal(theirs[key], weight) for key, weight in part.state_dict().items()), name
    original.set_progress_bar_config(disable=True)
    own = LoadedPipeline(original, KINDS[kind], 64, 64, again.accepts)
    assert picture(again) == picture(own)
    assert again.pipeline.scheduler.config.prediction_type == "epsilon"


@pytest.mark.parametrize("kind", KINDS)
def test_loras_change_pictures_of_a_checkpoint_as_those_of_its_directory(
    kind: str, small_configs: Path, tmp_path: Path
) -> None:
    file, directory = tmp_path / "own.safetensors", tmp_path / "own"
    write_checkpoint(made(kind), file)
    made(kind).save_pretrained(directory)
    loras = {"mine": str(write_lora(made(kind), tmp_path / "lora", seed=1, text=True))}
    plain, from_file = picture(loaded(file)), loaded(file, loras=loras)
    files = {each.path: each.size for each in open_directory(directory, "own").files}
    of_directory = LoadRequest(str(directory), KINDS[kind], None, files=files, options=(), loras=loras)
    from_directory = load(of_directory, "cpu", "float32")
    assert picture(from_file) == plain
    assert picture(from_directory) == picture(load(replace(of_directory, loras={}), "cpu", "float32"))
    with_lora, again = (picture(each, {"mine": 1.0}) for each in (from_file, from_directory))
    # Sums of 32 bits, in another order.
    assert max(abs(one - other) for one, other in zip(with_lora, again, strict=True)) <= 1
    assert max(abs(one - other) for one, other in zip(with_lora, plain, strict=True)) > 20
    assert picture(from_file) == plain


def test_a_checkpoint_of_velocities_says_so(small_configs: Path, tmp_path: Path) -> None:
    file = tmp_path / "v.safetensors"
    write_checkpoint(made("stable-diffusion-xl"), file, v_pred=torch.zeros(0), ztsnr=torch.zeros(0))
    config = loaded(file).pipeline.scheduler.config
    assert (config.prediction_type, config.rescale_betas_zero_snr) == ("v_prediction", True)


def test_weights_of_another_shape_are_one_line(small_configs: Path, tmp_path: Path) -> None:
    file = tmp_path / "other.safetensors"
    write_checkpoint(made("stable-diffusion"), file)
    changed = configuration.configuration_of("stable-diffusion")
    changed["unet/config.json"]["block_out_channels"] = [16, 16, 32, 64]
    (small_configs / "stable-diffusion.json").write_text(json.dumps(changed))
    with pytest.raises(ImageGenError, match="has not the weights of a whole") as caught:
        loaded(file)
    assert caught.value.code == "NOT_A_PIPELINE" and "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("kind", "model_id"),
    [
        ("stable-diffusion", "stable-diffusion-v1-5/stable-diffusion-v1-5"),
        ("stable-diffusion-xl", "stabilityai/stable-diffusion-xl-base-1.0"),
    ],
)
def test_the_configurations_have_the_sizes_of_the_models(kind: str, model_id: str, tmp_path: Path) -> None:
    """In half precision a weight has two bytes, and a file of weights little else."""
    registry = ManifestRegistry(CacheSettings(hf_home=tmp_path, hub_cache=tmp_path / "hub"))
    manifest = registry.find(model_id, None)
    assert manifest is not None
    sizes = {file.path.partition("/")[0]: file.size for file in manifest.files if file.path.endswith(".safetensors")}
    whole = made(kind, "meta")
    for name, part in whole.components.items():
        if isinstance(part, torch.nn.Module):
            size = 2 * sum(weight.numel() for weight in part.parameters())
            assert 0 <= sizes.pop(name) - size < 500_000, name
    assert not sizes


def test_the_tokenizer_is_that_of_the_repositories() -> None:
    text = json.dumps(dict(sorted(vocabulary().items())), ensure_ascii=False, indent=2) + "\n"
    known = "e089ad92ba36837a0d31433e555c8f45fe601ab5c221d4f607ded32d9f7a4349"
    assert hashlib.sha256(text.encode()).hexdigest() == known
    merges = configuration.CONFIGS / "clip-merges.txt"
    known = "9fd691f7c8039210e0fced15865466c65820d09b63988b0174bfe25de299051a"
    assert hashlib.sha256(merges.read_bytes()).hexdigest() == known
    assert clip_tokenizer()("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert clip_tokenizer("!")("a", padding="max_length").input_ids[-1] == 0
