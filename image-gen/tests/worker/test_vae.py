"""A VAE of one's own takes the place of the pipeline's, whichever way the pipeline is loaded."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from image_gen.errors import ImageGenError
from image_gen.worker.pictures.generate import generate_image
from image_gen.worker.pipeline import load
from image_gen.worker.protocol import ImageJob, LoadRequest

ORDER = ImageJob("p", "a lighthouse", seed=5, steps=2, width=64, height=64)


@pytest.fixture
def other_vae(demo_model: Path, tmp_path: Path) -> Path:
    """Of the same shape, with other weights, in a file without a variant, as the real one has it."""
    from safetensors.torch import load_file, save_file

    weights = next((demo_model / "vae").glob("*.safetensors"))
    shutil.copy(demo_model / "vae" / "config.json", tmp_path)
    changed = {name: tensor.float() * 1.5 for name, tensor in load_file(weights).items()}
    save_file(changed, tmp_path / "diffusion_pytorch_model.safetensors", metadata={"format": "pt"})
    return tmp_path


def picture(loaded: Any) -> bytes:
    return generate_image(loaded, ORDER, lambda: False).data


def test_a_replacement_vae_decodes_images(loaded: Any, load_request: LoadRequest, other_vae: Path) -> None:
    with_it = load(replace(load_request, vae=str(other_vae)), "cpu", "float32")
    assert picture(with_it) != picture(loaded)
    ours, own = (each.pipeline.vae.decoder.conv_out.weight for each in (with_it, loaded))
    assert ours.dtype == own.dtype and ours.allclose(own * 1.5, rtol=1e-3)


def test_load_vae_rejects_a_model_that_is_no_vae(load_request: LoadRequest, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"_class_name": "UNet2DConditionModel"}), encoding="utf-8")
    with pytest.raises(ImageGenError) as caught:
        load(replace(load_request, vae=str(tmp_path)), "cpu", "float32")
    assert caught.value.code == "VAE_INVALID"
