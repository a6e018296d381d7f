"""Loads a pipeline's models one by one, each as soon as its files are verified, while others are still being
downloaded or read.

No file is opened before it is verified. `pipeline.load` loads whatever is left out here.
"""

import importlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from image_gen.errors import VaeInvalidError
from image_gen.worker.lean_imports import without_dynamo
from image_gen.worker.protocol import LoadRequest
from image_gen.worker.verified_files import VerifiedFiles

_VAE: Final = "vae"
_INDEX: Final = "model_index.json"
_LIBRARIES: Final = ("diffusers", "transformers")


@dataclass(frozen=True)
class Component:
    """A model of a pipeline: its name there, its library and class, and its files, relative to the pipeline's."""

    name: str
    library: str
    class_name: str
    files: tuple[str, ...]
    variant: str | None = None


def load_components(
    request: LoadRequest, device: str, dtype: str, verified: VerifiedFiles
) -> Iterator[tuple[str, Any]]:
    """The models on their device, by name: always the largest that is verified. Raises `SupersededError`."""
    if _INDEX not in request.files:
        return
    verified.wait_for_any([{_INDEX}])
    components = [
        component
        for component in _components(request)
        if component.name not in request.load and not (request.vae and component.name == _VAE)
    ]
    while components:
        component = components.pop(verified.wait_for_any([component.files for component in components]))
        yield component.name, load_one(component, request, device, dtype)


def load_one(component: Component, request: LoadRequest, device: str, dtype: str) -> Any:
    """One model, by its library's own means."""
    below = {"subfolder": component.name, "variant": component.variant}
    return _from_pretrained(component.library, component.class_name, request.directory, device, dtype, **below)


def load_vae(request: LoadRequest, device: str, dtype: str) -> dict[str, Any]:
    """The VAE that takes the place of the pipeline's own, by its name there; nothing when none does."""
    if not request.vae:
        return {}
    name = json.loads((Path(request.vae) / "config.json").read_text(encoding="utf-8")).get("_class_name")
    if not str(name).startswith("Autoencoder"):
        raise VaeInvalidError(f"VAE_ID: {request.vae} holds {name}, which is no VAE. Fix: leave VAE_ID empty")
    return {_VAE: _from_pretrained("diffusers", str(name), request.vae, device, dtype)}


def _from_pretrained(
    library: str, class_name: str, directory: str, device: str, dtype: str, **below: str | None
) -> Any:
    def work() -> Any:
        cls = getattr(importlib.import_module(library), class_name)
        return cls.from_pretrained(
            directory,
            dtype=getattr(torch, dtype),
            use_safetensors=True,
            local_files_only=True,
            device_map=device,
            **below,
        )

    return without_dynamo(work)


def _components(request: LoadRequest) -> list[Component]:
    """Those with one file of weights, the largest first, as they take longest to load."""
    index: dict[str, Any] = json.loads((Path(request.directory) / _INDEX).read_text(encoding="utf-8"))
    sizes = {}
    for name, spec in index.items():
        if not isinstance(spec, list) or len(spec) != 2 or spec[0] not in _LIBRARIES:
            continue
        files = tuple(path for path in request.files if path.startswith(f"{name}/"))
        # `name/base.safetensors`, or with a variant `name/base.fp16.safetensors`; not every component has that.
        weights = [path for path in files if path.count("/") == 1 and path.endswith(".safetensors")]
        variant = weights[0].partition(".")[2].removesuffix("safetensors").rstrip(".") if weights else None
        if len(weights) == 1 and variant in {"", request.variant} and f"{name}/config.json" in files:
            sizes[Component(name, spec[0], spec[1], files, variant or None)] = request.files[weights[0]]
    return sorted(sizes, key=lambda component: -sizes[component])
