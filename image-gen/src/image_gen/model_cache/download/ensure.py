"""Makes sure that a model is here: finds it, or resolves it and fetches what it lacks."""

from __future__ import annotations

from dataclasses import replace

from image_gen.errors import ImageGenError
from image_gen.model_cache.cache.callbacks import Watch
from image_gen.model_cache.cache.import_existing import adopt
from image_gen.model_cache.cache.locate import ReadyModel, locate_baked, locate_cached, missing_files, ready
from image_gen.model_cache.core.atomic_files import put_ref
from image_gen.model_cache.core.file_lock import file_lock
from image_gen.model_cache.core.filesystem import clear_errors
from image_gen.model_cache.core.layout import RepoLayout
from image_gen.model_cache.core.manifest import Manifest, ManifestFile, is_commit
from image_gen.model_cache.core.settings import StoreSettings
from image_gen.model_cache.download.downloader import Fetch, Fetched, not_offline, waiting
from image_gen.model_cache.download.mirror import fill_from_mirror
from image_gen.model_cache.download.repair import drop_set_aside, not_mended, set_aside_files
from image_gen.model_cache.manifests.registry import Catalogue
from image_gen.model_cache.manifests.resolve import resolve
from image_gen.model_cache.sources.hub import HubClient, HubSource

_NO_ANSWER = {
    "CACHE_NOT_WRITABLE",
    "CACHE_READ_ONLY",
    "HUB_ERROR",
    "HUB_SILENT",
    "HUB_UNREACHABLE",
    "OFFLINE",
    "RATE_LIMITED",
}
_GONE = {"REVISION_NOT_FOUND", "FILE_NOT_FOUND"}


class Ensure:
    """One model at one revision (None: the default one) on one cache."""

    def __init__(self, settings: StoreSettings, model_id: str, revision: str | None) -> None:
        self._settings = settings
        self._catalogue = Catalogue(settings)
        self._model_id = model_id
        self._revision = revision
        self._layout = RepoLayout(settings.hub_cache, model_id)

    def here(self) -> ReadyModel | None:
        """The model if it is complete: in the image or on the volume."""
        with clear_errors(self._settings.volume_root, f"looking for {self._model_id}"):
            return self._here()

    def _here(self) -> ReadyModel | None:
        baked = locate_baked(self._settings, self._model_id, self._revision)
        if baked:
            return baked
        manifest = self._catalogue.find(self._model_id, self._revision)
        return locate_cached(self._settings, manifest) if manifest else None

    def fetched(self, watch: Watch) -> ReadyModel:
        """The model, after its missing files came from the mirror or the hub, one process at a time for a model."""
        copied = fill_from_mirror(self._settings, self._model_id, self._revision, watch)
        if copied.paths and (found := self.here()):
            drop_set_aside(self._layout)
            return _with(found, copied)
        try:
            return _with(self._fetched(watch), copied)
        except ImageGenError as error:
            adopted = error.code in _NO_ANSWER and adopt(self._settings, self._model_id, self._revision)
            # With a manifest it is known what is missing, and there is nothing to judge.
            if not adopted or self._catalogue.find(self._model_id, self._revision):
                if error.code in _NO_ANSWER and set_aside_files(self._layout):
                    raise not_mended(self._layout, error) from error
                raise self._after_mirror(error) from error
            return adopted

    def _after_mirror(self, error: ImageGenError) -> ImageGenError:
        """Where there is a mirror, a hub that does not answer is not what has to be mended."""
        if self._settings.mirror is None or error.code not in _NO_ANSWER:
            return error
        text = (
            f"The mirror {self._settings.mirror} lacks {self._model_id} or parts of it (see the log). {error.message}"
        )
        return ImageGenError(error.code, text, retryable=error.retryable)

    def mended(self, watch: Watch) -> ReadyModel:
        """The model after damaged files were set aside: as another service has mended it, or from the hub."""
        return self.here() or self.fetched(watch)

    def _fetched(self, watch: Watch) -> ReadyModel:
        manifest = self._catalogue.find(self._model_id, self._revision)
        with (
            clear_errors(self._settings.volume_root, f"fetching {self._model_id}"),
            file_lock(self._layout.lock, waiting(self._layout, manifest, watch)),
        ):
            found = self.here()
            if found:
                return found
            manifest = self._catalogue.find(self._model_id, self._revision)
            lacks = f"{len(self._missing(manifest))} files" if manifest else "everything"
            not_offline(self._settings, self._model_id, lacks)
            with HubClient(self._settings, watch.cancel) as client:
                try:
                    return self._fetch(client, manifest or self._resolve(client), watch)
                except ImageGenError as error:
                    if error.code not in _GONE or manifest is None or not self._may_move_on(manifest):
                        raise
                    return self._fetch(client, self._resolve(client, newest=True), watch)

    def _fetch(self, client: HubClient, manifest: Manifest, watch: Watch) -> ReadyModel:
        if self._revision is None:
            put_ref(self._layout, "main", manifest.revision)
        elif not is_commit(self._revision):
            put_ref(self._layout, self._revision, manifest.revision)
        source = HubSource(client, manifest, self._settings.endpoint)
        fetched = Fetch(self._settings, manifest, source, watch).run()
        lost = self._missing(manifest)
        if lost:
            raise ImageGenError(
                "CACHE_CHANGED",
                f"{lost[0].path} of {self._model_id} went away while it was fetched; cleared meanwhile? Start again.",
                retryable=True,
            )
        drop_set_aside(self._layout)
        return ready(self._layout.snapshot(manifest.revision), manifest, "download", fetched.bytes, fetched.paths)

    def _resolve(self, client: HubClient, *, newest: bool = False) -> Manifest:
        # A commit that is here already, whatever tool fetched it, is as good as the newest, and costs less.
        here = None if newest else self._catalogue.commit_of(self._model_id, "main")
        default = here if here and is_commit(here) and self._layout.snapshot(here).is_dir() else "main"
        try:
            manifest = resolve(client, self._model_id, self._revision or default)
        except ImageGenError as error:
            if error.code != "REVISION_NOT_FOUND" or self._revision or default == "main":
                raise
            return self._resolve(client, newest=True)
        self._catalogue.keep(manifest, default=self._revision is None)
        return manifest

    def _missing(self, manifest: Manifest | None) -> list[ManifestFile]:
        return missing_files(self._layout.snapshot(manifest.revision), manifest) if manifest else []

    def _may_move_on(self, manifest: Manifest) -> bool:
        """Whether a newer commit may take the place of one that the hub has no more: nobody asked for that one."""
        return self._revision is None and all(known != manifest for known in self._catalogue.shipped())


def _with(model: ReadyModel, copied: Fetched) -> ReadyModel:
    """Counts what the mirror gave."""
    if not copied.paths:
        return model
    return replace(
        model,
        source="download",
        bytes_fetched=model.bytes_fetched + copied.bytes,
        proven=model.proven | copied.paths,
    )
