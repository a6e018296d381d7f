"""A real tiny SDXL: made, fetched by the store, and then used by Hugging Face's own tools and by diffusers."""

from __future__ import annotations

import sys
from pathlib import Path

from demo.conftest import ID, Downloaded
from image_gen_demo.repository import Repositories


def test_demo_model_has_real_names_and_a_small_size(fetched: Downloaded) -> None:
    assert fetched.model.pipeline == "StableDiffusionXLPipeline" and fetched.model.variant == "fp16"
    assert fetched.model.bytes_total < 30_000_000
    names = {path.relative_to(fetched.model.directory).as_posix() for path in fetched.model.directory.rglob("*.*")}
    assert {"unet/diffusion_pytorch_model.fp16.safetensors", "text_encoder_2/model.fp16.safetensors"} <= names


def test_demo_model_is_determined_by_its_seed(fetched: Downloaded) -> None:
    again = Repositories(fetched.home.parent / "again").find(ID, "main")
    assert again and again.commit == fetched.model.revision


def test_hf_cache_ls_lists_the_demo_model(fetched: Downloaded) -> None:
    run = fetched.run(str(Path(sys.executable).with_name("hf")), "cache", "ls")
    assert run.returncode == 0 and f"model/{ID}" in run.stdout and "main" in run.stdout, run.stderr


def test_hf_cache_verify_accepts_the_demo_model(fetched: Downloaded) -> None:
    hf = str(Path(sys.executable).with_name("hf"))
    run = fetched.run(hf, "cache", "verify", ID, HF_ENDPOINT=fetched.hub.url)
    assert run.returncode == 0, run.stdout + run.stderr
    # It tells that the card is not there: the store fetches only what is loaded.
    assert "README.md" in run.stdout + run.stderr or "missing" in run.stdout + run.stderr


LOAD = """
import sys
import torch
from diffusers import StableDiffusionXLPipeline
for what, options in ((sys.argv[1], {}), (sys.argv[2], {"local_files_only": True})):
    pipeline = StableDiffusionXLPipeline.from_pretrained(
        what, variant="fp16", use_safetensors=True, dtype=torch.float32, add_watermarker=False, **options
    )
    pipeline.set_progress_bar_config(disable=True)
    image = pipeline("a house", num_inference_steps=2, guidance_scale=1.0).images[0]
    assert image.size == (128, 128), image.size
"""


def test_diffusers_makes_pictures_from_the_directory_and_from_the_id(fetched: Downloaded) -> None:
    fetched.hub.forget()
    endpoint = fetched.hub.url
    run = fetched.run(sys.executable, "-c", LOAD, str(fetched.model.directory), ID, HF_ENDPOINT=endpoint)
    assert run.returncode == 0, run.stderr
    assert fetched.hub.requests == []
