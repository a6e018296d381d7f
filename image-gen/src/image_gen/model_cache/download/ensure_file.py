"""Makes sure that a single file of a repository is there, apart from a pipeline's that may be in it: a LoRA, say."""

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Self

from image_gen.model_cache.cache.complete import missing_files
from image_gen.model_cache.cache.locate import locate_cached
from image_gen.model_cache.core.layout import baked_files_name, folder_name
from image_gen.model_cache.core.manifest import SINGLE_FILES, Manifest, ReadyModel, read_manifest, ready
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.download.ensure import Ensure
from image_gen.model_cache.download.mirror import Asked


class EnsureFile(Ensure, ABC):
    """One file of a repository at one revision (None: the one of its first download) in one cache. Its manifest names
    that file alone; the one that is kept has all files of its kind and commit.
    """

    component: str

    def __init__(self, settings: CacheSettings, model_id: str, revision: str | None, file: str | None) -> None:
        super().__init__(settings, model_id, revision)
        self._file = file

    @abstractmethod
    def _path_in(self, manifest: Manifest) -> str | None:
        """The path of the file that is meant, where the manifest has it."""

    def find_local(self) -> ReadyModel | None:
        """In the image or on the volume: a host's cache says of no file what it is."""
        if baked := self._baked():
            return baked
        manifest = self.manifest()
        return locate_cached(self._settings, manifest) if manifest else None

    def _baked(self) -> ReadyModel | None:
        """The one of the revision as the setting names it; else the only one where none is named, or that commit."""
        kind = SINGLE_FILES[self.component]
        named = baked_files_name(self._model_id, self._revision, kind)
        for name in (named, f"{folder_name(self._model_id)}@*~{kind}"):
            found = {}
            for listing in sorted(self._settings.baked_dir.glob(f"{name}/manifest.json")):
                manifest, place = self._narrowed(read_manifest(listing)), listing.parent / "snapshot"
                fits = name == named or self._revision in {None, manifest and manifest.revision}
                if manifest and fits and not missing_files(place, manifest):
                    found[manifest.revision] = ready(place, manifest, "baked")
            if len(found) == 1:
                return found.popitem()[1]
        return None

    def _at(self, revision: str) -> Self:
        return type(self)(self._settings, self._model_id, revision, self._file)

    def _asked_of_mirror(self) -> Asked:
        listing = f"{SINGLE_FILES[self.component]}.json"
        return replace(super()._asked_of_mirror(), listing=listing, narrow=self._narrowed, what=self._file or "")

    def _keep(self, manifest: Manifest) -> None:
        self._registry.keep_file(manifest)

    def _keep_new(self, manifest: Manifest) -> None:
        self._keep(manifest)

    def manifest(self) -> Manifest | None:
        commit = self._registry.commit_of(self._model_id, self._revision)
        kept = [found for each in self._registry.cached(self._model_id) if (found := self._narrowed(each))]
        known = next((each for each in kept if each.revision == commit), None)
        # Another tool may have moved `main` since the file was downloaded.
        return kept[0] if not known and commit and not self._revision and len(kept) == 1 else known

    def _narrowed(self, manifest: Manifest) -> Manifest | None:
        path = self._path_in(manifest) if manifest.component == self.component else None
        files = tuple(file for file in manifest.files if file.path == path)
        return replace(manifest, files=files) if files else None

    def _guess(self) -> Manifest | None:
        return None

    def _whole(self) -> list[Manifest]:
        return []
