"""LoRAs, by name: loaded once beside the weights of the pipeline, used for one picture, and off for every other.

Comes in: a loaded pipeline, files of weights. Goes out: the pipeline with some of them, for as long as a picture takes.
Must not: change a weight of the model: what is off gives the very bytes of a pipeline without them.
"""

import importlib
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch

from image_gen.errors import LoraInvalidError
from image_gen.worker.failures import one_line

# A file that fits leaves out a few weights at most: some tools write such that diffusers has no place for.
_FITTING: Final = 0.5


def load_loras(pipeline: Any, files: Mapping[str, str], dtype: str) -> dict[str, str]:
    """Loads all, and turns them off. The adapters' names by those of the LoRAs: a module's name has no dot in it.

    Raises LORA_INVALID for the first that the pipeline can't take.
    """
    # peft asks layers whether they are spread over processes, by a class that nothing else here has imported.
    importlib.import_module("torch.distributed.tensor")
    adapters = {name: f"lora_{index}" for index, name in enumerate(files)}
    for name, adapter in adapters.items():
        _load(pipeline, name, Path(files[name]), adapter, getattr(torch, dtype))
    if adapters:
        pipeline.disable_lora()
    return adapters


@contextmanager
def with_loras(loaded: Any, weights: Mapping[str, float]) -> Iterator[None]:
    """While the context lasts, the model has these LoRAs. Pipelines of other classes on its weights have them too."""
    if not weights:
        yield
        return
    pipeline = loaded.pipeline
    pipeline.set_adapters([loaded.loras[name] for name in weights], list(weights.values()))
    pipeline.enable_lora()
    try:
        yield
    finally:
        pipeline.disable_lora()


def _load(pipeline: Any, name: str, file: Path, adapter: str, dtype: torch.dtype) -> None:
    if not hasattr(pipeline, "load_lora_weights"):
        raise _misfit(name, file, pipeline, "diffusers has no LoRAs for it")
    source = {"weight_name": file.name, "local_files_only": True, "use_safetensors": True}
    try:
        with _quiet():
            pipeline.load_lora_weights(str(file.parent), adapter_name=adapter, **source)
            converted = pipeline.lora_state_dict(str(file.parent), **source)
    except Exception as error:
        raise _misfit(name, file, pipeline, one_line(error)) from error
    tensors = converted[0] if isinstance(converted, tuple) else converted
    expected = sum(not key.endswith(".alpha") for key in tensors)
    loaded = 0
    for part in _parts(pipeline):
        # In the model's type, as a picture is computed in one. New modules are in training, with its random dropout.
        part.eval()
        for key, weight in part.named_parameters():
            if f".{adapter}" in f".{key}":
                loaded += 1
                weight.data = weight.data.to(dtype)
    if loaded < expected * _FITTING or not loaded:
        raise _misfit(name, file, pipeline, f"{expected - loaded} of its {expected} weights have no place in it")
    if loaded < expected:
        missing = expected - loaded
        print(f"LoRA {name}: {missing} of its {expected} weights have no place in the model.", flush=True)  # noqa: T201 - the server logs it


def _parts(pipeline: Any) -> list[torch.nn.Module]:
    return [part for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]


def _misfit(name: str, file: Path, pipeline: Any, why: str) -> LoraInvalidError:
    return LoraInvalidError(
        f"The LoRA {name} ({file.name}) does not fit {type(pipeline).__name__}, which is being served: {why}. Most "
        f"often it was made for another base model. Fix: take {name} out of IMAGE_GEN_LORAS (the key `loras`), or "
        "serve the model that its page names: `imagegen up --model <id>`"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """The libraries report at length what the error says in a line, and warn that there are several."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(before)
