"""Makes sure that a LoRA is there, or opens one that is a file of the user's."""

from pathlib import Path

from image_gen.errors import LoraInvalidError
from image_gen.model_cache.cache.complete import check_files
from image_gen.model_cache.core.manifest import LORA, Manifest, ManifestFile, ReadyModel, ready
from image_gen.model_cache.download.ensure_file import EnsureFile
from image_gen.model_cache.manifests.lora import lora_file, only_file, resolve_lora
from image_gen.model_cache.manifests.lora_source import ENDING, LoraSource
from image_gen.model_cache.sources.hub import HubClient


class EnsureLora(EnsureFile):
    """Without a file's name, the usual one or the only one."""

    component = LORA

    def _path_in(self, manifest: Manifest) -> str | None:
        return lora_file(manifest, self._file)

    def listed(self, client: HubClient, revision: str) -> Manifest:
        return resolve_lora(client, self._model_id, revision, self._file)


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
