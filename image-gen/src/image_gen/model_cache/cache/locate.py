"""Finds a model that is complete locally: in a directory, in the image or on the volume. No network, no writes."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from image_gen.errors import ModelDirInvalidError, NotAPipelineError
from image_gen.model_cache.core.layout import RepoLayout, folder_name
from image_gen.model_cache.core.manifest import Manifest, ManifestFile, read_manifest
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.manifests.select import FP16, INDEX, select_files

ModelSource = Literal["directory", "baked", "volume", "download"]


@dataclass(frozen=True, kw_only=True)
class ReadyModel(Manifest):
    """A model of which every file is there. `directory` is what `from_pretrained` is given, with `load` besides."""

    directory: Path
    source: ModelSource
    bytes_fetched: int = 0
    # Paths whose contents were hashed during the download, a moment ago.
    verified: frozenset[str] = frozenset()

    def as_json(self) -> dict[str, object]:
        return {
            "id": self.model_id,
            "revision": self.revision,
            "directory": str(self.directory),
            "source": self.source,
            "bytes": self.bytes_total,
            "bytes_fetched": self.bytes_fetched,
        }


def missing_files(directory: Path, manifest: Manifest) -> list[ManifestFile]:
    """The files that are missing or incomplete; links are followed."""
    return [file for file in manifest.files if not has_size(directory / file.path, file.size)]


def has_size(path: Path, size: int) -> bool:
    """Whether a file is there with its size."""
    try:
        return path.stat().st_size == size and path.is_file()
    except OSError:
        return False


def ready(
    directory: Path, manifest: Manifest, source: ModelSource, fetched: int = 0, verified: frozenset[str] = frozenset()
) -> ReadyModel:
    """A model whose files were just found complete."""
    place: dict[str, Any] = {"directory": directory, "source": source, "bytes_fetched": fetched, "verified": verified}
    return ReadyModel(**vars(manifest), **place)


def locate_baked(settings: CacheSettings, model_id: str, revision: str | None) -> ReadyModel | None:
    """A model in the image, when it is the wanted revision and complete."""
    place = settings.baked_dir / folder_name(model_id)
    if not (place / "manifest.json").is_file():
        return None
    manifest = read_manifest(place / "manifest.json")
    if revision not in {None, manifest.revision} or missing_files(place / "snapshot", manifest):
        return None
    return ready(place / "snapshot", manifest, "baked")


def locate_cached(settings: CacheSettings, manifest: Manifest) -> ReadyModel | None:
    """A model on the volume, when it is complete."""
    snapshot = RepoLayout(settings.hub_cache, manifest.model_id).snapshot(manifest.revision)
    return None if missing_files(snapshot, manifest) else ready(snapshot, manifest, "volume")


def open_directory(directory: Path, model_id: str) -> ReadyModel:
    """A pipeline in a directory of the user's. Raises MODEL_DIR_INVALID or UNSAFE_MODEL."""
    index = directory / INDEX
    if not index.is_file():
        raise _invalid(directory, f"it has no {INDEX}")
    try:
        document: Any = json.loads(index.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _invalid(directory, f"its {INDEX} can't be read: {error}") from error
    if not isinstance(document, dict):
        raise _invalid(directory, f"its {INDEX} is not an object")
    files = [
        ManifestFile(path=path.relative_to(directory).as_posix(), size=path.stat().st_size)
        for path in directory.rglob("*")
        if path.is_file()
    ]
    try:
        selection = select_files(str(directory), document, files)
    except NotAPipelineError as error:
        raise _invalid(directory, error.message) from error
    return ReadyModel(
        directory=directory,
        model_id=model_id,
        revision="",
        pipeline=selection.pipeline,
        variant=FP16 if selection.variant else None,
        source="directory",
        files=selection.files,
    )


def _invalid(directory: Path, why: str) -> ModelDirInvalidError:
    return ModelDirInvalidError(
        f"MODEL_DIR: {directory} is not a diffusers pipeline: {why}. Fix: set it to a directory with a {INDEX}, or "
        "leave it empty."
    )
