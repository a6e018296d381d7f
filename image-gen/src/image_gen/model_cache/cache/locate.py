"""Finds a model that is complete locally: in a directory, in the image or on the volume. No network, no writes."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from image_gen.errors import ImageGenError, ModelDirInvalidError, NotAPipelineError
from image_gen.model_cache.core.layout import RepoLayout, folder_name
from image_gen.model_cache.core.manifest import Manifest, ManifestFile, read_manifest
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.manifests.select import FP16, INDEX, is_component, select_files

ModelSource = Literal["directory", "baked", "volume", "host", "download"]
# Parts of a pipeline that are configuration only; every other one has weights.
_WITHOUT_WEIGHTS = ("Tokenizer", "Scheduler", "Processor", "FeatureExtractor")
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


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


def guess_manifest(layout: RepoLayout, commit: str, listed: list[ManifestFile] | None = None) -> Manifest | None:
    """The manifest of a model that another tool downloaded, from its snapshot, if that looks complete. `listed` are the
    files of the repository, where that is known.
    """
    snapshot = layout.snapshot(commit)
    files = listed or [f for f in snapshot_files(snapshot) if has_size(snapshot / f.path, f.size) and f.size]
    try:
        index: Any = json.loads((snapshot / INDEX).read_text(encoding="utf-8"))
        selection = select_files(layout.model_id, index, files)
    except (OSError, ValueError, AttributeError, ImageGenError):
        return None
    weighted = {file.path.partition("/")[0] for file in selection.files if file.path.endswith(".safetensors")}
    for name, spec in index.items():
        if is_component(name, spec) and name not in weighted and not any(word in spec[1] for word in _WITHOUT_WEIGHTS):
            return None
    return Manifest(layout.model_id, commit, selection.pipeline, selection.variant, selection.files)


def snapshot_files(snapshot: Path) -> Iterator[ManifestFile]:
    """The files of a snapshot, with the hashes that are their blobs' names."""
    for path in sorted(snapshot.rglob("*")):
        # What NFS renamed because somebody has it open is no file of the model.
        if path.is_dir() or path.name.startswith(".nfs"):
            continue
        name = path.readlink().name if path.is_symlink() else ""
        known = name if _HASH.fullmatch(name) else ""
        yield ManifestFile(
            path=path.relative_to(snapshot).as_posix(),
            # A broken link counts as incomplete.
            size=path.stat().st_size if path.exists() else 0,
            sha256=known if len(known) == 64 else None,
            git_sha1=known if len(known) == 40 else None,
        )


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
