"""LoRAs by name: one picture has them, the next does not, and what does not fit is one clear error."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from image_gen.errors import ImageGenError
from image_gen.worker.pictures.generate import generate_image
from image_gen.worker.pipeline import load
from image_gen.worker.protocol import ImageJob, LoadRequest

JOB = ImageJob("p", "a lighthouse", seed=5, steps=2, width=64, height=64)
FILE = "pytorch_lora_weights.safetensors"


def write_lora(pipeline: Any, directory: Path, *, seed: int, text: bool) -> Path:
    """Random weights for the UNet, and with `text` for a text encoder. The pipeline is of no use after it."""
    import torch
    import torch.distributed.tensor
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    def added(part: Any, *modules: str) -> Any:
        # With dropout, as some are trained: a picture must not be random by it.
        part.add_adapter(
            LoraConfig(r=4, lora_alpha=8, lora_dropout=0.5, target_modules=modules, init_lora_weights=False)
        )
        return get_peft_model_state_dict(part)

    torch.manual_seed(seed)
    layers = {"unet_lora_layers": added(pipeline.unet, "to_q", "to_k", "to_v", "to_out.0")}
    if text:
        layers["text_encoder_lora_layers"] = added(pipeline.text_encoder, "q_proj", "v_proj")
    type(pipeline).save_lora_weights(directory, **layers)
    return directory / FILE


@pytest.fixture(scope="module")
def files(load_request: LoadRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Two LoRAs for the demo model; the second's name can't be one of a module."""
    made = {}
    for seed, name in enumerate(("sketch", "v1.5-pixels")):
        other = load(load_request, "cpu", "float32").pipeline
        made[name] = str(write_lora(other, tmp_path_factory.mktemp("lora"), seed=seed, text=seed == 0))
    return made


@pytest.fixture(scope="module")
def with_two(load_request: LoadRequest, files: dict[str, str]) -> Any:
    return load(replace(load_request, loras=files), "cpu", "float32")


def made(loaded: Any, **changes: Any) -> bytes:
    return generate_image(loaded, replace(JOB, **changes), lambda: False).data


def test_a_picture_has_its_loras_and_no_other_has(loaded: Any, with_two: Any) -> None:
    plain = made(loaded)
    assert made(with_two) == plain
    choices: list[dict[str, float]] = [
        {"sketch": 1.0}, {"sketch": 0.5}, {"sketch": -1.0}, {"v1.5-pixels": 1.0}, {"sketch": 1.0, "v1.5-pixels": 0.3},
    ]  # fmt: skip
    pictures = [made(with_two, loras=choice) for choice in choices]
    assert len({plain, *pictures}) == len(choices) + 1
    # Whatever came between, a job alone decides.
    assert [made(with_two, loras=choice) for choice in reversed(choices)] == pictures[::-1]
    assert made(with_two, loras={"sketch": 0.0}) == plain
    assert made(with_two) == plain


def test_long_prompts_and_edits_have_loras_too(loaded: Any, with_two: Any) -> None:
    long = "a lighthouse on a rock " * 30
    assert (
        made(with_two, prompt=long) == made(loaded, prompt=long) != made(with_two, prompt=long, loras={"sketch": 1.0})
    )
    edit: dict[str, Any] = {"pixels": bytes(range(256)) * 48, "strength": 0.9}
    plain, changed = made(with_two, **edit), made(with_two, **edit, loras={"sketch": 1.0})
    assert plain == made(loaded, **edit) != changed
    assert made(with_two, **edit) == plain and made(with_two) == made(loaded)


def test_a_cancelled_picture_leaves_no_lora_on(loaded: Any, with_two: Any) -> None:
    with pytest.raises(ImageGenError):
        generate_image(with_two, replace(JOB, loras={"sketch": 1.0}), iter([False, True]).__next__)
    assert made(with_two) == made(loaded)


def test_loras_have_the_models_number_type(load_request: LoadRequest, files: dict[str, str]) -> None:
    import torch

    half = load(replace(load_request, loras=files), "cpu", "bfloat16").pipeline
    assert {weight.dtype for weight in half.unet.parameters()} == {torch.bfloat16}
    assert not any(module.training for module in half.unet.modules())


def changed(files: dict[str, str], folder: Path, change: Any) -> Path:
    from safetensors.torch import load_file, save_file

    weights = change(load_file(files["sketch"]))
    save_file({name: weight.contiguous() for name, weight in weights.items()}, folder / "changed.safetensors")
    return folder / "changed.safetensors"


def wider(weights: Any) -> Any:
    import torch

    return {k: torch.cat([v, v], 1) if "to_k.lora_A" in k else v for k, v in weights.items()}


@pytest.mark.parametrize(
    "change",
    [
        wider,
        lambda weights: {k.replace("blocks.", "stages."): v for k, v in weights.items() if k.startswith("unet")},
        lambda weights: {k.replace("unet.", "transformer."): v for k, v in weights.items() if k.startswith("unet")},
        lambda weights: {k.replace("lora", "weight"): v for k, v in weights.items()},
    ],
    ids=["another width", "other blocks", "a transformer's", "no LoRA"],
)
def test_what_was_made_for_another_model_is_one_error(
    load_request: LoadRequest, files: dict[str, str], tmp_path: Path, change: Any
) -> None:
    broken = changed(files, tmp_path, change)
    with pytest.raises(ImageGenError) as caught:
        load(replace(load_request, loras={"mine": str(broken)}), "cpu", "float32")
    assert caught.value.code == "LORA_INVALID"
    assert "LoRA mine (changed.safetensors) does not fit StableDiffusionXLPipeline" in caught.value.message
    assert "IMAGE_GEN_LORAS" in caught.value.message and len(caught.value.message) < 900


def test_damaged_weights_are_the_same_error(load_request: LoadRequest, tmp_path: Path) -> None:
    (tmp_path / "cut.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(ImageGenError, match="does not fit"):
        load(replace(load_request, loras={"cut": str(tmp_path / "cut.safetensors")}), "cpu", "float32")


def test_a_few_weights_without_a_place_are_said(
    load_request: LoadRequest, files: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    place = "unet.down_blocks.9.attentions.0.transformer_blocks.0.attn1.to_q.lora_"
    more = {f"{place}A.weight": torch.zeros(4, 64), f"{place}B.weight": torch.zeros(64, 4)}
    file = changed(files, tmp_path, lambda weights: weights | more)
    load(replace(load_request, loras={"mine": str(file)}), "cpu", "float32")
    assert "LoRA mine: 2 of its 78 weights have no place in the model." in capsys.readouterr().out


def test_without_loras_peft_is_not_imported() -> None:
    program = "import image_gen.worker.__main__, sys; print(sys.modules.get('peft', 'free'))"
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    for more, expected in (({}, "None"), ({"IMAGE_GEN_LORAS": "a=b/c"}, "free")):
        done = subprocess.run(
            [sys.executable, "-c", program], env=env | more, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == expected
