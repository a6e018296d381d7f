"""LoRAs as manifests: the files of one repository at one commit that are used, apart from a pipeline's there."""

from collections.abc import Sequence
from dataclasses import replace

from image_gen.errors import LoraInvalidError, UnsafeModelError
from image_gen.model_cache.core.manifest import Manifest, ManifestFile
from image_gen.model_cache.manifests.lora_source import ENDING, LORA, USUAL_FILE
from image_gen.model_cache.manifests.resolve import RepoTree
from image_gen.model_cache.manifests.select import PICKLES
from image_gen.model_cache.sources.hub import HubClient


def resolve_lora(
    client: HubClient, model_id: str, revision: str, file: str | None, known: Sequence[Manifest]
) -> Manifest:
    """The manifest with a file of the repository, and those of its commit that are `known`.

    Raises LORA_INVALID, UNSAFE_MODEL, MODEL_NOT_FOUND, REVISION_NOT_FOUND, GATED_MODEL and errors of the network.
    """
    tree = RepoTree.read(client, model_id, revision)
    chosen = tree.completed(_chosen(tree, file))
    others = {each.path: each for manifest in known if manifest.revision == tree.commit for each in manifest.files}
    return Manifest(
        model_id, tree.commit, None, None,
        tuple((others | {chosen.path: chosen}).values()), licence=tree.licence, gated=tree.gated, component=LORA,
    )  # fmt: skip


def lora_file(manifest: Manifest, file: str | None) -> str | None:
    """The path of the file that is meant, where the manifest has it."""
    paths = [each.path for each in manifest.files]
    if file is not None:
        return file if file in paths else None
    return USUAL_FILE if USUAL_FILE in paths else paths[0] if len(paths) == 1 else None


def only_file(names: Sequence[str], where: str, file: str | None) -> str:
    """The file of weights among these, `file` if it is named. Raises LORA_INVALID and UNSAFE_MODEL."""
    weights = sorted(name for name in names if name.endswith(ENDING) and "/" not in name)
    if file is not None and (file in names or file.endswith(PICKLES)):
        found = file
    elif file is None and (USUAL_FILE in weights or len(weights) == 1):
        found = USUAL_FILE if USUAL_FILE in weights else weights[0]
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


def _chosen(tree: RepoTree, file: str | None) -> ManifestFile:
    path = only_file([each.path for each in tree.files], f"{tree.model_id} at {tree.commit[:12]}", file)
    return replace(next(each for each in tree.files if each.path == path))
