"""The demo model, made once and loaded once: real classes, random weights, nothing from a network."""

import os
from pathlib import Path
from typing import Any

import pytest

from image_gen.worker.protocol import LoadRequest

from .engines import with_options


@pytest.fixture(scope="session")
def demo_model(demo_models: Path) -> Path:
    """The directory of a tiny SDXL pipeline."""
    return demo_models / "hub" / "image-gen" / "demo"


@pytest.fixture(scope="session")
def load_request(demo_model: Path) -> LoadRequest:
    """How the server would have it loaded."""
    # For torch in this process: more threads than one only get in each other's way with so small a model.
    os.environ["OMP_NUM_THREADS"] = "1"
    paths = [path for path in demo_model.rglob("*") if path.is_file()]
    files = {path.relative_to(demo_model).as_posix(): path.stat().st_size for path in paths}
    return LoadRequest(str(demo_model), "StableDiffusionXLPipeline", "fp16", files=files)


@pytest.fixture(scope="session")
def loaded(load_request: LoadRequest) -> Any:
    """The pipeline on the CPU."""
    from image_gen.worker.pipeline import load

    return load(load_request, "cpu", "float32")


@pytest.fixture(scope="session")
def plain(load_request: LoadRequest) -> Any:
    """The pipeline without any option of the engine."""
    return with_options(load_request)
