"""A real tiny SDXL: made, fetched by the store, and then used by Hugging Face's own tools and by diffusers."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import SOURCES

from image_gen.store import ModelStore, ReadyModel, StoreSettings
from image_gen_demo.hub import DemoHub
from image_gen_demo.repository import Repositories

pytest.importorskip("diffusers", reason="the demo model is made with torch and diffusers, which are not installed")
ID = "image-gen/demo"


@dataclass(frozen=True)
class Fetched:
    hub: DemoHub
    home: Path
    model: ReadyModel

    def run(self, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Runs a command with nothing in its environment but the cache and the hub."""
        clean = {"PATH": os.environ["PATH"], "HF_HOME": str(self.home), "HF_HUB_DISABLE_TELEMETRY": "1"}
        return subprocess.run(command, env=clean | env, capture_output=True, text=True, check=False, timeout=120)


MAKE_TWICE = """
import pathlib, sys
from image_gen_demo.model import write_model
for place in sys.argv[1:]:
    write_model(pathlib.Path(place))
"""


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fetched]:
    place = tmp_path_factory.mktemp("demo")
    repositories = [str(place / "hub" / ID), str(place / "again" / ID)]
    # One process for both, as importing torch takes most of the time.
    subprocess.run(
        [sys.executable, "-c", MAKE_TWICE, *repositories],
        env={"PYTHONPATH": str(SOURCES), "PATH": os.environ["PATH"]}, check=True, timeout=120,
    )  # fmt: skip
    hub = DemoHub(place / "hub")
    threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    home = place / "huggingface"
    settings = StoreSettings.from_env({"HF_HOME": str(home), "HF_ENDPOINT": hub.url})
    yield Fetched(hub, home, ModelStore(settings).ensure("demo"))
    hub.shutdown()
    hub.server_close()


def test_the_model_has_real_names_and_a_small_size(fetched: Fetched) -> None:
    assert fetched.model.pipeline == "StableDiffusionXLPipeline" and fetched.model.variant == "fp16"
    assert fetched.model.bytes_total < 30_000_000
    names = {path.relative_to(fetched.model.directory).as_posix() for path in fetched.model.directory.rglob("*.*")}
    assert {"unet/diffusion_pytorch_model.fp16.safetensors", "text_encoder_2/model.fp16.safetensors"} <= names


def test_the_same_seed_makes_the_same_bytes(fetched: Fetched) -> None:
    again = Repositories(fetched.home.parent / "again").find(ID, "main")
    assert again and again.commit == fetched.model.revision


def test_hf_cache_ls_lists_it(fetched: Fetched) -> None:
    run = fetched.run(str(Path(sys.executable).with_name("hf")), "cache", "ls")
    assert run.returncode == 0 and f"model/{ID}" in run.stdout and "main" in run.stdout, run.stderr


def test_hf_cache_verify_agrees(fetched: Fetched) -> None:
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


def test_diffusers_makes_pictures_from_the_directory_and_from_the_id(fetched: Fetched) -> None:
    fetched.hub.forget()
    endpoint = fetched.hub.url
    run = fetched.run(sys.executable, "-c", LOAD, str(fetched.model.directory), ID, HF_ENDPOINT=endpoint)
    assert run.returncode == 0, run.stderr
    assert fetched.hub.requests == []
