"""Uses a model that another tool downloaded into the cache, when no hub can be asked for its files."""

import json
from typing import Any

from image_gen.errors import ImageGenError
from image_gen.model_cache.cache.locate import ReadyModel, has_size, ready
from image_gen.model_cache.cache.scan import snapshot_files
from image_gen.model_cache.core.layout import RepoLayout
from image_gen.model_cache.core.manifest import Manifest, is_commit
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.manifests.registry import ManifestRegistry
from image_gen.model_cache.manifests.select import INDEX, is_component, select_files

# Parts of a pipeline that are configuration only; every other one has weights.
_WITHOUT_WEIGHTS = ("Tokenizer", "Scheduler", "Processor", "FeatureExtractor")


def import_existing(settings: CacheSettings, model_id: str, revision: str | None) -> ReadyModel | None:
    """The model if its snapshot looks complete. No manifest is kept, as this is a guess."""
    layout = RepoLayout(settings.hub_cache, model_id)
    commit = (
        revision
        if revision and is_commit(revision)
        else ManifestRegistry(settings).commit_of(model_id, revision or "main")
    )
    if commit is None or not is_commit(commit):
        return None
    snapshot = layout.snapshot(commit)
    files = [file for file in snapshot_files(snapshot) if has_size(snapshot / file.path, file.size) and file.size]
    try:
        index: Any = json.loads((snapshot / INDEX).read_text(encoding="utf-8"))
        selection = select_files(model_id, index, files)
    except (OSError, ValueError, AttributeError, ImageGenError):
        return None
    weighted = {file.path.partition("/")[0] for file in selection.files if file.path.endswith(".safetensors")}
    for name, spec in index.items():
        if is_component(name, spec) and name not in weighted and not any(word in spec[1] for word in _WITHOUT_WEIGHTS):
            return None
    manifest = Manifest(model_id, commit, selection.pipeline, selection.variant, selection.files)
    return ready(snapshot, manifest, "volume")
