"""What the tests of several parts share: a hub on loopback, repositories for it, stores that ask it."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from image_gen.model_cache import CacheSettings, ModelCache
from image_gen_demo.hub import DemoHub

# What a developer's shell says of networks must not decide a test: hubs of tests are on loopback.
for name in [
    name for name in os.environ if name.lower().endswith("_proxy") or name in {"SSL_CERT_FILE", "SSL_CERT_DIR"}
]:
    del os.environ[name]
# Models of tests are tiny: a second thread of theirs only waits, and takes a core from another test.
os.environ.setdefault("OMP_NUM_THREADS", "1")

SOURCES = Path(__file__).resolve().parents[1] / "src"
UNET = "unet/diffusion_pytorch_model.fp16.safetensors"

MAKE_TWICE = """
import pathlib, sys
from image_gen_demo.model import write_model
for folder in sys.argv[1:]:
    write_model(pathlib.Path(folder))
"""

MakeRepo = Callable[..., Path]
MakeCache = Callable[..., ModelCache]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files with the longest tests first: with several processes (`-n`), none of them is left for the end."""
    items.sort(key=lambda item: not ({"worker", "demo"} & set(item.path.parts) or "real" in item.path.name))


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """A log that a test has configured writes to that test's streams, which are closed after it."""
    loggers = {name: logging.getLogger(name) for name in ("image_gen", "uvicorn", "asyncio")}
    before = {name: (logger.handlers, logger.level, logger.propagate) for name, logger in loggers.items()}
    yield
    for name, logger in loggers.items():
        logger.handlers, logger.level, logger.propagate = before[name]


@pytest.fixture(scope="session")
def demo_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny SDXL, made twice from one seed: `hub/image-gen/demo` and `again/image-gen/demo`. One for all processes."""
    own = tmp_path_factory.getbasetemp()
    made = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "demo-models"
    with made.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            making = made.with_suffix(".making")
            # In a process of its own, and both in one, as importing torch takes most of the time.
            folders = [str(making / each / "image-gen/demo") for each in ("hub", "again")]
            env = {"PYTHONPATH": str(SOURCES), "PATH": os.environ["PATH"]}
            subprocess.run([sys.executable, "-c", MAKE_TWICE, *folders], env=env, check=True, timeout=600)
            making.rename(made)
    return made


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[DemoHub]:
    """An empty hub on loopback."""
    (tmp_path / "hub-root").mkdir()
    server = DemoHub(tmp_path / "hub-root")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def make_repo(tmp_path: Path) -> MakeRepo:
    """Writes a repository that looks like a pipeline, with random bytes as weights."""

    def make(model_id: str = "test/model", seed: int = 0, unet_bytes: int = 3 << 20, **extra: bytes) -> Path:
        noise = random.Random(seed)
        root = tmp_path / "hub-root" / model_id
        index = {
            "_class_name": "StableDiffusionXLPipeline",
            "unet": ["diffusers", "UNet2DConditionModel"],
            "vae": ["diffusers", "AutoencoderKL"],
            "tokenizer": ["transformers", "CLIPTokenizer"],
            "tokenizer_2": ["transformers", "CLIPTokenizer"],
            "scheduler": ["diffusers", "EulerDiscreteScheduler"],
            "image_encoder": [None, None],
        }
        vocabulary = json.dumps({"seed": seed}).encode()
        files = {
            "model_index.json": json.dumps(index).encode(),
            "README.md": b"---\nlicense: mit\n---\nA model for tests.\n",
            "unet/config.json": b"{}",
            UNET: noise.randbytes(unet_bytes),
            "vae/config.json": b'{"vae": 1}',
            "vae/diffusion_pytorch_model.fp16.safetensors": noise.randbytes(300_000),
            "vae/diffusion_pytorch_model.safetensors": noise.randbytes(1000),
            **{
                f"{folder}/{name}": content
                for folder in ("tokenizer", "tokenizer_2")
                for name, content in (
                    ("vocab.json", vocabulary),
                    ("merges.txt", b"#version: 0.2\n"),
                    ("tokenizer_config.json", b'{"model_max_length": 77}'),
                )
            },
            "scheduler/scheduler_config.json": b'{"steps": 1}',
        }
        for path, content in (files | {name.replace("__", "/"): value for name, value in extra.items()}).items():
            place = root / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        return root

    return make


@pytest.fixture
def make_cache(tmp_path: Path, hub: DemoHub) -> MakeCache:
    """A store with a cache of its own that asks the hub; with short times, as the hub is near."""

    def make(home: Path | None = None, **changes: object) -> ModelCache:
        place = home or tmp_path / "data" / "huggingface"
        settings = CacheSettings(
            hf_home=place,
            hub_cache=place / "hub",
            baked_dir=tmp_path / "baked",
            endpoint=hub.url,
            connect_timeout=0.5,
            read_timeout=0.5,
        )
        return ModelCache(replace(settings, **changes))  # type: ignore[arg-type] # names are the caller's

    return make


@pytest.fixture
def filled(make_repo: MakeRepo, make_cache: MakeCache) -> ModelCache:
    """A store with one model."""
    make_repo()
    store = make_cache()
    store.ensure("test/model")
    return store


@pytest.fixture
def command_env(tmp_path: Path, hub: DemoHub) -> dict[str, str]:
    """The environment for `python -m image_gen …` against the hub, on the cache that `make_cache` uses."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(SOURCES),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HF_HOME": str(tmp_path / "data" / "huggingface"),
        "HF_ENDPOINT": hub.url,
        "IMAGE_GEN_BAKED_DIR": str(tmp_path / "baked"),
    }


@pytest.fixture
def command() -> list[str]:
    """How to start the command `image-gen`."""
    return [sys.executable, "-m", "image_gen"]
