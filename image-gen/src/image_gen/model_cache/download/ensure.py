"""Makes sure that a model is here: finds it, or resolves it and fetches what it lacks."""

from __future__ import annotations

from dataclasses import replace

from image_gen.errors import ImageGenError
from image_gen.model_cache.cache.callbacks import ProgressCallbacks
from image_gen.model_cache.cache.import_existing import import_existing
from image_gen.model_cache.cache.locate import ReadyModel, locate_baked, locate_cached, missing_files, ready
from image_gen.model_cache.core.atomic_files import write_ref
from image_gen.model_cache.core.file_lock import file_lock
from image_gen.model_cache.core.filesystem import translate_os_errors
from image_gen.model_cache.core.layout import RepoLayout
from image_gen.model_cache.core.manifest import Manifest, ManifestFile, is_commit
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.download.downloader import Downloaded, Downloader, require_online, wait_for_download
from image_gen.model_cache.download.mirror import download_from_mirror
from image_gen.model_cache.download.repair import delete_quarantined, quarantined_files, repair_failed
from image_gen.model_cache.manifests.registry import ManifestRegistry
from image_gen.model_cache.manifests.resolve import resolve
from image_gen.model_cache.sources.hub import HubClient, HubSource

_HUB_UNAVAILABLE = {
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

    def __init__(self, settings: CacheSettings, model_id: str, revision: str | None) -> None:
        self._settings = settings
        self._registry = ManifestRegistry(settings)
        self._model_id = model_id
        self._revision = revision
        self._layout = RepoLayout(settings.hub_cache, model_id)

    def find_local(self) -> ReadyModel | None:
        """The model if it is complete: in the image or on the volume."""
        with translate_os_errors(self._settings.volume_root, f"looking for {self._model_id}"):
            return self._find_local()

    def _find_local(self) -> ReadyModel | None:
        baked = locate_baked(self._settings, self._model_id, self._revision)
        if baked:
            return baked
        manifest = self._registry.find(self._model_id, self._revision)
        return locate_cached(self._settings, manifest) if manifest else None

    def download(self, callbacks: ProgressCallbacks) -> ReadyModel:
        """The model, after its missing files came from the mirror or the hub, one process at a time for a model."""
        copied = download_from_mirror(self._settings, self._model_id, self._revision, callbacks)
        if copied.paths and (found := self.find_local()):
            delete_quarantined(self._layout)
            return _with(found, copied)
        try:
            return _with(self._download_locked(callbacks), copied)
        except ImageGenError as error:
            imported = error.code in _HUB_UNAVAILABLE and import_existing(
                self._settings, self._model_id, self._revision
            )
            # With a manifest it is known what is missing, and there is nothing to judge.
            if not imported or self._registry.find(self._model_id, self._revision):
                if error.code in _HUB_UNAVAILABLE and quarantined_files(self._layout):
                    raise repair_failed(self._layout, error) from error
                raise self._after_mirror(error) from error
            return imported

    def _after_mirror(self, error: ImageGenError) -> ImageGenError:
        """Where there is a mirror, a hub that does not answer is not what has to be repaired."""
        if self._settings.mirror is None or error.code not in _HUB_UNAVAILABLE:
            return error
        text = (
            f"The mirror {self._settings.mirror} lacks {self._model_id} or parts of it (see the log). {error.message}"
        )
        return ImageGenError(error.code, text, retryable=error.retryable)

    def redownload_damaged(self, callbacks: ProgressCallbacks) -> ReadyModel:
        """The model after damaged files were quarantined: repaired by another process, or from the hub."""
        return self.find_local() or self.download(callbacks)

    def _download_locked(self, callbacks: ProgressCallbacks) -> ReadyModel:
        manifest = self._registry.find(self._model_id, self._revision)
        with (
            translate_os_errors(self._settings.volume_root, f"fetching {self._model_id}"),
            file_lock(self._layout.lock, wait_for_download(self._layout, manifest, callbacks)),
        ):
            found = self.find_local()
            if found:
                return found
            manifest = self._registry.find(self._model_id, self._revision)
            lacks = f"{len(self._missing(manifest))} files" if manifest else "everything"
            require_online(self._settings, self._model_id, lacks)
            with HubClient(self._settings, callbacks.cancel) as client:
                try:
                    return self._download_missing(client, manifest or self._resolve(client), callbacks)
                except ImageGenError as error:
                    if error.code not in _GONE or manifest is None or not self._may_move_on(manifest):
                        raise
                    return self._download_missing(client, self._resolve(client, newest=True), callbacks)

    def _download_missing(self, client: HubClient, manifest: Manifest, callbacks: ProgressCallbacks) -> ReadyModel:
        if self._revision is None:
            write_ref(self._layout, "main", manifest.revision)
        elif not is_commit(self._revision):
            write_ref(self._layout, self._revision, manifest.revision)
        source = HubSource(client, manifest, self._settings.endpoint)
        download = Downloader(self._settings, manifest, source, callbacks).run()
        lost = self._missing(manifest)
        if lost:
            raise ImageGenError(
                "CACHE_CHANGED",
                f"{lost[0].path} of {self._model_id} went away while it was fetched; cleared meanwhile? Start again.",
                retryable=True,
            )
        delete_quarantined(self._layout)
        return ready(self._layout.snapshot(manifest.revision), manifest, "download", download.bytes, download.paths)

    def _resolve(self, client: HubClient, *, newest: bool = False) -> Manifest:
        # A commit that is here already, whatever tool fetched it, is as good as the newest, and costs less.
        find_local = None if newest else self._registry.commit_of(self._model_id, "main")
        default = (
            find_local
            if find_local and is_commit(find_local) and self._layout.snapshot(find_local).is_dir()
            else "main"
        )
        try:
            manifest = resolve(client, self._model_id, self._revision or default)
        except ImageGenError as error:
            if error.code != "REVISION_NOT_FOUND" or self._revision or default == "main":
                raise
            return self._resolve(client, newest=True)
        self._registry.keep(manifest, default=self._revision is None)
        return manifest

    def _missing(self, manifest: Manifest | None) -> list[ManifestFile]:
        return missing_files(self._layout.snapshot(manifest.revision), manifest) if manifest else []

    def _may_move_on(self, manifest: Manifest) -> bool:
        """Whether a newer commit may take the place of one that the hub has no more: nobody asked for that one."""
        return self._revision is None and all(known != manifest for known in self._registry.bundled())


def _with(model: ReadyModel, copied: Downloaded) -> ReadyModel:
    """Counts what the mirror gave."""
    if not copied.paths:
        return model
    return replace(
        model,
        source="download",
        bytes_fetched=model.bytes_fetched + copied.bytes,
        verified=model.verified | copied.paths,
    )
