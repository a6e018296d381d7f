"""Loads a pipeline's models one by one, each as soon as its files are proven, while others are still being read.

Comes in: an order, a way to wait for files. Goes out: models on their device, by their names in the pipeline. Must not:
open a file before it was waited for. Whatever is left out here, `pipeline.load` brings in.
"""

import importlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from image_gen.engine.imports import without_compiler
from image_gen.engine.protocol import LoadOrder
from image_gen.errors import ImageGenError

_VAE: Final = "vae"
_INDEX: Final = "model_index.json"
_LIBRARIES: Final = ("diffusers", "transformers")

Wait = Callable[[str], None]


@dataclass(frozen=True)
class Part:
    """A model of a pipeline: its name there, its library and class, and its files, relative to the pipeline's."""

    name: str
    library: str
    class_name: str
    files: tuple[str, ...]


def load_components(order: LoadOrder, device: str, dtype: str, wait: Wait) -> dict[str, Any]:
    """The models, the largest first. `wait` returns when a path, relative to the directory, may be opened."""
    wait(_INDEX)
    models = {}
    for part in _parts(Path(order.directory), order.variant):
        if part.name in order.load or (order.vae and part.name == _VAE):
            continue
        for file in part.files:
            wait(file)
        models[part.name] = load_one(part, order, device, dtype)
    return models


def load_one(part: Part, order: LoadOrder, device: str, dtype: str) -> Any:
    """One model, by its library's own means."""

    def work() -> Any:
        cls = getattr(importlib.import_module(part.library), part.class_name)
        return cls.from_pretrained(
            order.directory,
            subfolder=part.name,
            variant=order.variant,
            dtype=getattr(torch, dtype),
            use_safetensors=True,
            local_files_only=True,
            device_map=device,
        )

    return without_compiler(work)


def load_vae(order: LoadOrder, device: str, dtype: str) -> dict[str, Any]:
    """The VAE that takes the place of the pipeline's own, by its name there; nothing when none does."""
    if not order.vae:
        return {}
    name = json.loads((Path(order.vae) / "config.json").read_text(encoding="utf-8")).get("_class_name")
    if not str(name).startswith("Autoencoder"):
        raise ImageGenError("VAE_INVALID", f"VAE_ID: {order.vae} holds {name}, which is no VAE. Fix: leave it empty.")

    def work() -> Any:
        cls = getattr(importlib.import_module("diffusers"), str(name))
        return cls.from_pretrained(
            order.vae, dtype=getattr(torch, dtype), use_safetensors=True, local_files_only=True, device_map=device
        )

    return {_VAE: without_compiler(work)}


def _parts(directory: Path, variant: str | None) -> Iterator[Part]:
    """Those with one file of weights, in the order in which such files are read at a start."""
    index: dict[str, Any] = json.loads((directory / _INDEX).read_text(encoding="utf-8"))
    ending = f".{variant}.safetensors" if variant else ".safetensors"
    sizes = {}
    for name, spec in index.items():
        if not isinstance(spec, list) or len(spec) != 2 or spec[0] not in _LIBRARIES:
            continue
        weights = [path for path in (directory / name).glob(f"*{ending}") if variant or path.name.count(".") == 1]
        if len(weights) == 1 and (directory / name / "config.json").is_file():
            files = (f"{name}/config.json", f"{name}/{weights[0].name}")
            sizes[Part(name, spec[0], spec[1], files)] = weights[0].stat().st_size
    yield from sorted(sizes, key=lambda part: -sizes[part])
