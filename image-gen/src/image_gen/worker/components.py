"""Loads a pipeline's models one by one, each as soon as its files are proven, while others are still being fetched or
read.

Comes in: an order, what is proven. Goes out: models on their device, by their names in the pipeline. Must not: open a
file before it is proven. Whatever is left out here, `pipeline.load` brings in.
"""

import importlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from image_gen.errors import ImageGenError
from image_gen.worker.lean_imports import without_compiler
from image_gen.worker.protocol import LoadOrder
from image_gen.worker.verified_files import Proven

_VAE: Final = "vae"
_INDEX: Final = "model_index.json"
_LIBRARIES: Final = ("diffusers", "transformers")


@dataclass(frozen=True)
class Part:
    """A model of a pipeline: its name there, its library and class, and its files, relative to the pipeline's."""

    name: str
    library: str
    class_name: str
    files: tuple[str, ...]


def load_components(order: LoadOrder, device: str, dtype: str, proven: Proven) -> Iterator[tuple[str, Any]]:
    """The models: of those whose files are proven, always the largest next. Raises `SupersededError`."""
    if _INDEX not in order.files:
        return
    proven.first([{_INDEX}])
    parts = [part for part in _parts(order) if part.name not in order.load and not (order.vae and part.name == _VAE)]
    while parts:
        part = parts.pop(proven.first([part.files for part in parts]))
        yield part.name, load_one(part, order, device, dtype)


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


def _parts(order: LoadOrder) -> list[Part]:
    """Those with one file of weights, the largest first, as they take longest to load."""
    index: dict[str, Any] = json.loads((Path(order.directory) / _INDEX).read_text(encoding="utf-8"))
    sizes = {}
    for name, spec in index.items():
        if not isinstance(spec, list) or len(spec) != 2 or spec[0] not in _LIBRARIES:
            continue
        files = tuple(path for path in order.files if path.startswith(f"{name}/"))
        weights = [path for path in files if _is_weights(path.removeprefix(f"{name}/"), order.variant)]
        if len(weights) == 1 and f"{name}/config.json" in files:
            sizes[Part(name, spec[0], spec[1], files)] = order.files[weights[0]]
    return sorted(sizes, key=lambda part: -sizes[part])


def _is_weights(name: str, variant: str | None) -> bool:
    if variant:
        return "/" not in name and name.endswith(f".{variant}.safetensors")
    return "/" not in name and name.endswith(".safetensors") and name.count(".") == 1
