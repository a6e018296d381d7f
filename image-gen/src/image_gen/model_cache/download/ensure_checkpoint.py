"""Makes sure that a checkpoint of a repository is there: one file that is a whole pipeline."""

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from image_gen.errors import ModelNotFoundError
from image_gen.model_cache.core.manifest import CHECKPOINT, Manifest, ReadyModel, split_file
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.download.ensure import Ensure
from image_gen.model_cache.download.ensure_file import EnsureFile
from image_gen.model_cache.manifests.checkpoint import KINDS, kind_in_repository
from image_gen.model_cache.manifests.registry import ManifestRegistry
from image_gen.model_cache.manifests.resolve import RepoTree
from image_gen.model_cache.sources.hub import HubClient

# In a manifest: the kind of a checkpoint, which its header says before the rest is downloaded.
_KIND: Final = CHECKPOINT


class EnsureCheckpoint(EnsureFile):
    """The file is named."""

    component = CHECKPOINT

    def _path_in(self, manifest: Manifest) -> str | None:
        return self._file if manifest.kind(self._file or "") in KINDS else None

    def _narrowed(self, manifest: Manifest) -> Manifest | None:
        found = super()._narrowed(manifest)
        return found and replace(found, load=MappingProxyType({_KIND: found.kind(found.files[0].path)}))

    def listed(self, client: HubClient, revision: str) -> Manifest:
        tree = RepoTree.read(client, self._model_id, revision)
        found = next((each for each in tree.files if each.path == self._file), None)
        if found is None:
            others = [each.path for each in tree.files if each.path.endswith(".safetensors")][:8]
            raise ModelNotFoundError(
                f"{self._model_id} at {tree.commit[:12]} has no {self._file}: it has "
                f"{', '.join(others) or 'no safetensors'}. Fix: correct the file in MODEL_ID, or leave it out."
            )
        file = tree.completed(found)
        kind = kind_in_repository(
            self._model_id,
            file.path,
            file.size,
            lambda count: client.beginning(tree.model_id, tree.commit, file.path, count),
        )
        return Manifest(
            self._model_id, tree.commit, None, None, (file,), licence=tree.licence, gated=tree.gated,
            component=CHECKPOINT, load=MappingProxyType({_KIND: kind.name}),
        )  # fmt: skip


def ensure_for(settings: CacheSettings, model_id: str, revision: str | None) -> Ensure:
    """Of a model, or of a checkpoint in a repository. Raises MODEL_ID_INVALID."""
    registry = ManifestRegistry(settings)
    repository, file = split_file(registry.canonical_id(model_id))
    revision = registry.revision(repository, revision)
    return EnsureCheckpoint(settings, repository, revision, file) if file else Ensure(settings, repository, revision)


def opened(model: ReadyModel) -> ReadyModel:
    """What is loaded of a model: of a checkpoint, its kind's pipeline."""
    if model.component != CHECKPOINT or model.checkpoint:
        return model
    kind = KINDS[str(model.load[_KIND])]
    return replace(model, pipeline=kind.pipeline, checkpoint=kind.name, load=MappingProxyType({}))
