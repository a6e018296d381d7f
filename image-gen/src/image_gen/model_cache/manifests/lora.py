"""LoRAs as manifests: the files of one repository at one commit that are used, apart from a pipeline's there."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Final

from image_gen.errors import LoraInvalidError, UnsafeModelError
from image_gen.model_cache.core.manifest import LORA, Manifest
from image_gen.model_cache.manifests.lora_source import ENDING, USUAL_FILE
from image_gen.model_cache.manifests.resolve import RepoTree
from image_gen.model_cache.manifests.select import PICKLES
from image_gen.model_cache.sources.hub import HubClient

# As diffusers calls the file of a LoRA: in a manifest, the one that is meant where none is named, or null where one
# must be.
DEFAULT_FILE: Final = "weight_name"


def resolve_lora(client: HubClient, model_id: str, revision: str, file: str | None) -> Manifest:
    """The manifest with one file of the repository.

    Raises LORA_INVALID, UNSAFE_MODEL, MODEL_NOT_FOUND, REVISION_NOT_FOUND, GATED_MODEL and errors of the network.
    """
    tree = RepoTree.read(client, model_id, revision)
    names = [each.path for each in tree.files]
    path = only_file(names, f"{model_id} at {tree.commit[:12]}", file)
    chosen = tree.completed(next(each for each in tree.files if each.path == path))
    return Manifest(
        model_id, tree.commit, None, None, (chosen,), licence=tree.licence, gated=tree.gated, component=LORA,
        load=MappingProxyType({DEFAULT_FILE: _usual(_weights(names))}),
    )  # fmt: skip


def lora_file(manifest: Manifest, file: str | None) -> str | None:
    """The path of the file that is meant, where the manifest has it."""
    paths = [each.path for each in manifest.files]
    if file is None:
        # Manifests of earlier versions do not say it.
        file = str(manifest.load[DEFAULT_FILE]) if DEFAULT_FILE in manifest.load else _usual(paths)
    return file if file in paths else None


def only_file(names: Sequence[str], where: str, file: str | None) -> str:
    """The file of weights among these, `file` if it is named. Raises LORA_INVALID and UNSAFE_MODEL."""
    weights = _weights(names)
    if file is not None and (file in names or file.endswith(PICKLES)):
        found = file
    elif file is None and (usual := _usual(weights)):
        found = usual
    elif file is None and not weights and (pickles := sorted(name for name in names if name.endswith(PICKLES))):
        found = pickles[0]
    else:
        there = f"there is {', '.join(weights[:8])}" if weights else f"it has no {ENDING} at its top"
        what = f"has no {file}" if file else "does not say which file is the LoRA" if weights else "has no LoRA"
        raise LoraInvalidError(f"{where} {what}: {there}. Fix: name the file in IMAGE_GEN_LORAS (the key `loras`)")
    if found.endswith(PICKLES):
        raise UnsafeModelError(
            f"{where} has its LoRA as a pickle ({found}), which can run code when it is loaded; only {ENDING} are. "
            "Fix: take another file or LoRA in IMAGE_GEN_LORAS (the key `loras`)"
        )
    if not found.endswith(ENDING):
        raise LoraInvalidError(
            f"{where}: {found} is no {ENDING}. Fix: another file in IMAGE_GEN_LORAS (the key `loras`)"
        )
    return found


def _weights(names: Sequence[str]) -> list[str]:
    return sorted(name for name in names if name.endswith(ENDING) and "/" not in name)


def _usual(weights: Sequence[str]) -> str | None:
    """The file that is meant where none is named."""
    return USUAL_FILE if USUAL_FILE in weights else weights[0] if len(weights) == 1 else None
