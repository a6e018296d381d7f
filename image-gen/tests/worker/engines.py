"""The demo model with options of the engine, a small job for it, and how far two pictures are from each other."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from image_gen.worker.protocol import ImageJob, LoadRequest

JOB = ImageJob("p", "a lighthouse", seed=5, steps=4, width=64, height=64, negative_prompt="fog")


def with_options(load_request: LoadRequest, *names: str) -> Any:
    from image_gen.worker.pipeline import load

    return load(replace(load_request, options=names), "cpu", "float32")


def difference(one: bytes, other: bytes) -> int:
    """The largest of a colour value, of 255."""
    first, second = (np.asarray(Image.open(io.BytesIO(each)), dtype=int) for each in (one, other))
    return int(np.abs(first - second).max())
