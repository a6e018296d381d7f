"""Finds a model that is complete locally: in a directory, in the image or on the volume. No network, no writes."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from image_gen import reader
from image_gen.errors import ImageGenError, ModelDirInvalidError, NotAPipelineError
from image_gen.model_cache.cache.complete import check_files, manifest_of, missing_files, read_tree
from image_gen.model_cache.core.layout import BAKED_REVISION, RepoLayout, folder_name
from image_gen.model_cache.core.manifest import Manifest, ManifestFile, ReadyModel, read_manifest, ready
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.manifests.checkpoint import kind_of
from image_gen.model_cache.manifests.select import INDEX


def locate_baked(settings: CacheSettings, model_id: str, revision: str | None) -> ReadyModel | None:
    """A model in the image, when it is the wanted revision and complete."""
    place = settings.baked_dir / folder_name(model_id)
    if not (place / "manifest.json").is_file():
        return None
    manifest, named = read_manifest(place / "manifest.json"), place / BAKED_REVISION
    known = {None, manifest.revision, named.read_text(encoding="utf-8") if named.is_file() else None}
    if revision not in known or missing_files(place / "snapshot", manifest):
        return None
    return ready(place / "snapshot", manifest, "baked")


def locate_cached(settings: CacheSettings, manifest: Manifest) -> ReadyModel | None:
    """A model on the volume, when it is complete."""
    snapshot = RepoLayout(settings.hub_cache, manifest.model_id).snapshot(manifest.revision)
    return None if missing_files(snapshot, manifest) else ready(snapshot, manifest, "volume")


def snapshot_manifest(layout: RepoLayout, commit: str) -> Manifest | None:
    """What a pipeline that another tool put into a cache needs, there or not; None for what can't be served."""
    with suppress(ImageGenError):
        return manifest_of(layout.snapshot(commit), layout.model_id, commit, read_tree(layout.root, commit))
    return None


def open_directory(directory: Path, model_id: str, argument: str | None = None) -> ReadyModel:
    """A pipeline in a directory of the user's, or in one checkpoint. Messages name `argument`, or the setting where
    there is none. Raises MODEL_DIR_INVALID or UNSAFE_MODEL.
    """
    setting = argument or "MODEL_DIR"
    if directory.is_file():
        return _open_checkpoint(directory, model_id, setting)
    if not directory.exists():
        raise _invalid(directory, "it does not exist, or this user can't see it", argument)
    if not (directory / INDEX).is_file():
        single = sorted(directory.glob("*.safetensors"))
        hint = f". For a checkpoint, name the file: {reader.place(single[0])}" if single else ""
        raise _invalid(directory, f"it has no {INDEX}{hint}", argument)
    # `hf download --local-dir` keeps the list of files here.
    kept = directory / ".cache" / "huggingface"
    lists = [read_tree(kept, each.stem) for each in sorted(kept.glob("trees/*.json"))]
    try:
        found = manifest_of(directory, str(directory), "", lists[0] if len(lists) == 1 else {})
    except NotAPipelineError as error:
        raise _invalid(directory, error.message, argument) from error
    if found is None:
        raise _invalid(directory, f"its {INDEX} is not an object", argument)
    contents = check_files(directory, found.files)
    if contents.problem:
        raise ModelDirInvalidError(f"{setting}: {contents.problem}")
    if contents.missing:
        names = ", ".join(contents.missing)
        raise ModelDirInvalidError(
            f"{setting}: {reader.place(directory)} lacks {names}, or has them cut off. Fix: copy it again."
        )
    return ready(directory, replace(found, model_id=model_id), "directory")


def _open_checkpoint(path: Path, model_id: str, setting: str) -> ReadyModel:
    kind = kind_of(path, setting)
    file = ManifestFile(path.name, path.stat().st_size)
    manifest = Manifest(model_id, "", kind.pipeline, None, (file,))
    return replace(ready(path.parent, manifest, "directory"), checkpoint=kind.name)


def _invalid(directory: Path, why: str, argument: str | None) -> ModelDirInvalidError:
    fix = f"set it to a directory with a {INDEX} or to a .safetensors checkpoint, or leave it empty"
    if argument:
        fix = f"name a directory with a {INDEX}, or a .safetensors checkpoint or LoRA"
    place = reader.place(directory)
    return ModelDirInvalidError(f"{argument or 'MODEL_DIR'}: {place} is not a diffusers pipeline: {why}. Fix: {fix}.")
