"""Selects the files of a repository that a pipeline loads."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from image_gen.errors import ImageGenError, NotAPipelineError, UnsafeModelError
from image_gen.model_cache.core.manifest import ManifestFile

INDEX = "model_index.json"
COMPONENT_CONFIG = "config.json"
FP16 = "fp16"
SIDE_FILES = (".json", ".txt", ".model", ".jinja")
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
# Components of configuration only, and the files of each, of which one set is needed; every other one has weights.
_WITHOUT_WEIGHTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "ByT5Tokenizer": ((),),
    "Tokenizer": (("tokenizer.json",), ("vocab.json", "merges.txt"), ("vocab.txt",), ("spiece.model",),
                  ("sentencepiece.bpe.model",), ("tokenizer.model",)),
    "Scheduler": (("scheduler_config.json",),),
    "Processor": (("preprocessor_config.json",), ("processor_config.json",)),
    "FeatureExtractor": (("preprocessor_config.json",),),
    "Guidance": (("guider_config.json",),),
}  # fmt: skip
_BASES = ("diffusion_pytorch_model", "model")
# PyTorch's own format, and the names that diffusers and transformers give to it.
_PICKLED = ("bin", ("diffusion_pytorch_model", "pytorch_model"))
# Both spellings are in use: `model.fp16-00001-of-00002` and `model-00001-of-00002.fp16`.
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})")


@dataclass(frozen=True)
class Selection:
    """The files to download, the class that loads them and the variant for `from_pretrained`.

    `pickles` are those among the files that can run code when they are loaded; none unless that was allowed.
    """

    pipeline: str
    variant: str | None
    files: tuple[ManifestFile, ...]

    @property
    def pickles(self) -> tuple[str, ...]:
        return tuple(file.path for file in self.files if file.path.endswith(PICKLES))


def select_files(
    model_id: str, index: Mapping[str, Any], files: Sequence[ManifestFile], *, allow_pickle: bool = False
) -> Selection:
    """Selects what `model_index.json` names, weights as safetensors, at half precision where that is complete.

    With `allow_pickle` a component without safetensors is taken as it is. Raises NOT_A_PIPELINE or UNSAFE_MODEL.
    """
    pipeline = index.get("_class_name")
    if isinstance(pipeline, list):
        raise UnsafeModelError(
            f"{model_id} runs code of its own ({pipeline}); only pipelines of diffusers itself are loaded."
        )
    if not isinstance(pipeline, str):
        raise not_a_pipeline(model_id, f"its {INDEX} names no pipeline class")
    if not is_served(pipeline):
        raise NotAPipelineError(
            f"{model_id} is a {pipeline}, which does not make pictures from text alone in this version. Fix: set "
            "MODEL_ID to another model; nothing was downloaded."
        )
    parts = [
        _Component(model_id, name, spec, files, allow_pickle)
        for name, spec in index.items()
        if is_component(name, spec)
    ]
    if not parts:
        raise not_a_pipeline(model_id, f"its {INDEX} names no component")
    variant = _variant(parts)
    chosen = [file for file in files if file.path == INDEX]
    for part in parts:
        chosen += part.side_files() + part.weights(variant)
    return Selection(pipeline=pipeline, variant=variant, files=tuple(sorted(chosen, key=lambda file: file.path)))


def has_weights(spec: Sequence[str]) -> bool:
    """Whether a component of that library and class has weights."""
    return not any(word in spec[1] for word in _WITHOUT_WEIGHTS)


def needed_leafs(spec: Sequence[str], leafs: Collection[str]) -> list[str]:
    """The files that a component needs besides weights: of several ways the one of which most is among `leafs`, so that
    a message names what is really lost.
    """
    sets = next((sets for word, sets in _WITHOUT_WEIGHTS.items() if word in spec[1]), ((COMPONENT_CONFIG,),))
    best = max(sets, key=lambda each: (set(each).issubset(leafs), len(set(each).intersection(leafs))))
    return [*best, *(["tokenizer_config.json"] if "Tokenizer" in spec[1] else [])]


def lacking(index: object, files: Sequence[ManifestFile]) -> list[str]:
    """What the components of a pipeline need, and a selection of files has not. An index that is none says nothing."""
    if not isinstance(index, dict):
        return []
    found = [INDEX] if all(file.path != INDEX for file in files) else []
    for name, spec in index.items():
        if is_component(name, spec):
            leafs = {file.path.removeprefix(f"{name}/") for file in files if file.path.startswith(f"{name}/")}
            found += [f"{name}/{leaf}" for leaf in needed_leafs(spec, leafs) if leaf not in leafs]
            if has_weights(spec) and not any(leaf.endswith((".safetensors", *PICKLES)) for leaf in leafs):
                found.append(f"the weights of {name}")
    return found


def select_component(
    model_id: str, config: Mapping[str, Any], files: Sequence[ManifestFile], *, allow_pickle: bool = False
) -> Selection:
    """The same for a repository that is one component by itself, such as a VAE. Raises NOT_A_PIPELINE, UNSAFE_MODEL."""
    name = config.get("_class_name")
    if not isinstance(name, str):
        raise not_a_pipeline(model_id, f"it has no {INDEX}, and its {COMPONENT_CONFIG} names no class of diffusers")
    # As if it were a directory of a pipeline: the rules for its files are the same.
    moved = [replace(file, path=f"component/{file.path}") for file in files]
    part = _Component(model_id, "component", ["diffusers", name], moved, allow_pickle)
    variant = _variant([part])
    chosen = {file.path.partition("/")[2] for file in part.weights(variant)} | {COMPONENT_CONFIG}
    if len(chosen) == 1:
        raise not_a_pipeline(model_id, "it has no weights")
    return Selection(name, variant, tuple(sorted((f for f in files if f.path in chosen), key=lambda file: file.path)))


def not_a_pipeline(model_id: str, why: str) -> ImageGenError:
    """The error for a repository that diffusers can't load as a whole."""
    return NotAPipelineError(
        f"{model_id} is not a diffusers pipeline: {why}. Fix: set MODEL_ID to a repository with a {INDEX} at its top."
    )


def is_component(name: str, spec: object) -> bool:
    """Components are `name: [library, class]`; settings and parts that the author left out are not."""
    return (
        not name.startswith("_")
        and isinstance(spec, list)
        and len(spec) == 2
        and all(each and isinstance(each, str) for each in spec)
    )


def is_served(pipeline: str) -> bool:
    """Whether a class of diffusers makes pictures from text alone: a test compares the list with the library."""
    return pipeline in _served()


@cache
def _served() -> frozenset[str]:
    return frozenset(Path(__file__).with_name("served_pipelines.txt").read_text(encoding="ascii").split())


def _variant(parts: "Sequence[_Component]") -> str | None:
    """fp16 where any component has it: diffusers takes plain weights for the others."""
    return FP16 if any(part.options[FP16] for part in parts) else None


class _Component:
    """One directory of the repository, as `model_index.json` names it."""

    def __init__(
        self, model_id: str, name: str, spec: Sequence[str], files: Sequence[ManifestFile], allow_pickle: bool
    ) -> None:
        self.name = name
        self._model_id = model_id
        self._files = {
            file.path.removeprefix(f"{name}/"): file
            for file in files
            if file.path.startswith(f"{name}/") and file.path.count("/") == 1
        }
        if f"{spec[0]}.py" in self._files or any(file.path == f"{spec[0]}.py" for file in files):
            raise UnsafeModelError(f"{model_id} has code of its own for its {name} ({spec[0]}.py), which is not run.")
        self.options: dict[str | None, list[ManifestFile]] = {FP16: self._complete(FP16), None: self._complete(None)}
        if allow_pickle and not any(self.options.values()):
            self.options = {FP16: self._complete(FP16, *_PICKLED), None: self._complete(None, *_PICKLED)}
        if not any(self.options.values()):
            self._refuse_unusable_weights()

    def side_files(self) -> list[ManifestFile]:
        """Configuration and tokenizer files: small, and read by the loaders as they like."""
        return [
            file
            for leaf, file in self._files.items()
            if leaf.endswith(SIDE_FILES) and ".index." not in leaf and not leaf.startswith("flax_")
        ]

    def weights(self, variant: str | None) -> list[ManifestFile]:
        return self.options[variant] or self.options[None]

    def _complete(
        self, variant: str | None, ending: str = "safetensors", bases: Sequence[str] = _BASES
    ) -> list[ManifestFile]:
        """The weights of a variant, or nothing when a piece is missing."""
        dotted = f".{variant}" if variant else ""
        for base in bases:
            single = f"{base}{dotted}.{ending}"
            if single in self._files:
                return [self._files[single]]
            index = self._files.get(f"{base}.{ending}.index{dotted}.json")
            shards = [file for leaf, file in self._files.items() if _SHARD.sub("", leaf) == single != leaf]
            if index and shards and (found := _SHARD.search(shards[0].path)) and len(shards) == int(found[2]):
                return [index, *shards]
        return []

    def _refuse_unusable_weights(self) -> None:
        weights = sorted(leaf for leaf in self._files if leaf.endswith((".safetensors", ".msgpack", ".onnx")))
        pickles = sorted(leaf for leaf in self._files if leaf.endswith(PICKLES) and not leaf.startswith("openvino_"))
        if pickles and not any(leaf.endswith(".safetensors") for leaf in weights):
            raise UnsafeModelError(
                f"{self._model_id} has its {self.name} only as a pickle ({self.name}/{pickles[0]}), which can run code "
                "when it is loaded. Fix: set MODEL_ID or MODEL_REVISION to a version with .safetensors files."
            )
        if weights:
            raise NotAPipelineError(
                f"{self._model_id} has no weights of its {self.name} that are loaded here: complete .safetensors for "
                f"PyTorch, plain or of the variant fp16. There is {', '.join(weights[:3])}. Fix: set MODEL_ID or "
                "MODEL_REVISION to a version that has them."
            )
        if not self._files:
            raise not_a_pipeline(self._model_id, f"the directory of its {self.name} is missing or empty")
