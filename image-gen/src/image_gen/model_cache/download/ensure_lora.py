"""Makes sure that a LoRA is there: as a model, but of its repository one file, which no mirror has."""

from pathlib import Path

from image_gen.errors import LoraInvalidError
from image_gen.model_cache.cache.complete import check_files
from image_gen.model_cache.cache.locate import locate_cached
from image_gen.model_cache.core.manifest import Manifest, ManifestFile, ReadyModel, ready
from image_gen.model_cache.core.progress import ProgressCallbacks
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.download.downloader import Downloaded
from image_gen.model_cache.download.ensure import Ensure
from image_gen.model_cache.manifests.lora import lora_file, only_file, resolve_lora
from image_gen.model_cache.manifests.lora_source import ENDING, LORA, LoraSource
from image_gen.model_cache.sources.hub import HubClient


class EnsureLora(Ensure):
    """One file of a repository at one revision (None: the one of its first download) in one cache."""

    def __init__(self, settings: CacheSettings, model_id: str, revision: str | None, file: str | None) -> None:
        super().__init__(settings, model_id, revision)
        self._file = file

    def find_local(self) -> ReadyModel | None:
        """On the volume: no image has LoRAs in it."""
        manifest = self._manifest()
        return locate_cached(self._settings, manifest) if manifest else None

    def _at(self, revision: str) -> Ensure:
        return EnsureLora(self._settings, self._model_id, revision, self._file)

    def _from_mirror(self, _callbacks: ProgressCallbacks) -> Downloaded | None:
        return None

    def _list(self, client: HubClient, revision: str) -> Manifest:
        return resolve_lora(client, self._model_id, revision, self._file, self._known())

    def _manifest(self) -> Manifest | None:
        commit = self._registry.commit_of(self._model_id, self._revision)
        return next((each for each in self._known() if each.revision == commit and lora_file(each, self._file)), None)

    def _known(self) -> list[Manifest]:
        return [each for each in self._registry.cached(self._model_id) if each.component == LORA]

    def _guess(self) -> Manifest | None:
        return None

    def _whole(self) -> list[Manifest]:
        return []


def open_lora(source: LoraSource) -> ReadyModel:
    """A file of the user's, or the one in a directory. Raises LORA_INVALID and UNSAFE_MODEL."""
    path = source.path or Path()
    if path.is_dir():
        path /= only_file([each.name for each in path.iterdir() if each.is_file()], str(path), source.file)
    else:
        only_file([path.name], str(path), path.name)
    contents = check_files(path.parent, [ManifestFile(path.name, path.stat().st_size if path.is_file() else 0)])
    if not contents.complete:
        why = contents.problem or "there is no such file, as the service sees it"
        raise LoraInvalidError(
            f"The LoRA {source.name}, {path}: {why}. Fix: put a {ENDING} there, or correct IMAGE_GEN_LORAS (the key "
            "`loras`)"
        )
    file = ManifestFile(path.name, path.stat().st_size)
    return ready(path.parent, Manifest(str(path), "", None, None, (file,), component=LORA), "directory")
