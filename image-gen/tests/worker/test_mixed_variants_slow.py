"""A component without fp16 weights is loaded from its plain ones, the others from fp16."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from image_gen.worker.components import _components, load_one
from image_gen.worker.pipeline import load
from image_gen.worker.protocol import LoadRequest


@pytest.fixture
def mixed(load_request: LoadRequest, tmp_path: Path) -> LoadRequest:
    place = shutil.copytree(load_request.directory, tmp_path / "model")
    weights = next((place / "vae").glob("*.fp16.safetensors"))
    plain = weights.rename(weights.with_name(weights.name.replace(".fp16", "")))
    files = {each.relative_to(place).as_posix(): each.stat().st_size for each in place.rglob("*") if each.is_file()}
    assert f"vae/{plain.name}" in files
    return replace(load_request, directory=str(place), files=files)


def test_components_have_a_variant_each(mixed: LoadRequest) -> None:
    found = {component.name: component for component in _components(mixed)}
    assert {name: component.variant for name, component in found.items() if name in {"unet", "vae"}} == {
        "unet": "fp16",
        "vae": None,
    }
    assert load_one(found["vae"], mixed, "cpu", "float32").dtype is torch.float32


def test_the_pipeline_is_loaded_as_a_whole(mixed: LoadRequest) -> None:
    assert load(mixed, "cpu", "float32").name == "StableDiffusionXLPipeline"
