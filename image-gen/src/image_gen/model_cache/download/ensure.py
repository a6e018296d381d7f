"""Makes sure that a model is complete locally: finds it, or resolves it and downloads missing files."""

import logging
import shutil
from contextlib import suppress
from dataclasses import replace

from image_gen import errors, reader
from image_gen.model_cache.cache.complete import missing_files, snapshot_files
from image_gen.model_cache.cache.host import HostCache
from image_gen.model_cache.cache.locate import locate_baked, locate_cached, snapshot_manifest
from image_gen.model_cache.core.atomic_files import read_ref, write_ref
from image_gen.model_cache.core.layout import RepoLayout
from image_gen.model_cache.core.manifest import Manifest, ManifestFile, ReadyModel, is_commit, ready
from image_gen.model_cache.core.progress import ProgressCallbacks
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.download.downloader import Downloaded, Downloader, download_lock
from image_gen.model_cache.download.mirror import Asked, download_from_mirror
from image_gen.model_cache.download.page_cache import read_again
from image_gen.model_cache.download.repair import (
    delete_quarantined,
    put_back,
    quarantine,
    quarantined_files,
    repair_failed,
)
from image_gen.model_cache.manifests.registry import ManifestRegistry
from image_gen.model_cache.manifests.resolve import resolve
from image_gen.model_cache.sources.hub import HubClient

CANNOT_DOWNLOAD = (
    errors.CacheNotWritableError,
    errors.CacheReadOnlyError,
    errors.CertificateUntrustedError,
    errors.HubError,
    errors.HubSilentError,
    errors.HubUnreachableError,
    errors.OfflineError,
    errors.ProxyFailedError,
    errors.RateLimitedError,
    errors.SettingInvalidError,
)
# What a list that was wrong, and is kept, leads to: a size that is too large, too.
ASK_AGAIN = (errors.CorruptDownloadError, errors.DiskFullError, errors.FileMissingError, errors.RevisionNotFoundError)
# For the question what a branch is now.
_CHECK_SECONDS = 4.0

log = logging.getLogger(__name__)


class Ensure:
    """One model at one revision (None: the default one) in one cache."""

    def __init__(self, settings: CacheSettings, model_id: str, revision: str | None) -> None:
        self._settings = settings
        self._registry = ManifestRegistry(settings)
        self._model_id = model_id
        self._revision = revision
        self._layout = RepoLayout(settings.hub_cache, model_id)

    def run(self, callbacks: ProgressCallbacks) -> ReadyModel:
        """The model: a branch or tag that is named as it is on the hub now, where that can be reached; else the one
        that is here; else it is downloaded.
        """
        if self._revision and (commit := self.moved(callbacks)):
            newer = self._at(commit)
            try:
                model = newer.find_local() or newer.download(callbacks)
            except CANNOT_DOWNLOAD as error:
                log.warning("%s %s stays at the commit that is cached.", error.message, self._revision)
            else:
                self._note_ref(commit, callbacks)
                return model
        found = self.find_local()
        if found is None:
            return self.download(callbacks)
        if found.source == "volume" and not self._revision:
            self._restore_main(found.revision)
        return found

    def find_local(self) -> ReadyModel | None:
        """The model if it is complete: in the image, on the volume or in the host's cache."""
        if baked := locate_baked(self._settings, self._model_id, self._revision):
            return baked
        host = HostCache(self._settings)
        manifest = self.manifest()
        if manifest is None and (commit := host.commit_of(self._model_id, self._revision)):
            # What was copied from there, as something in it was damaged.
            manifest = self._registry.find(self._model_id, commit)
        if manifest and (cached := locate_cached(self._settings, manifest)):
            return cached
        return host.locate(self._model_id, manifest, self._revision)

    def find_unlisted(self) -> ReadyModel | None:
        """One on the volume that is complete by what it says of itself: it is served where the hub can't be asked."""
        guess = None if self.manifest() else self._guess()
        if guess is None or self._missing(guess):
            return None
        return ready(self._layout.snapshot(guess.revision), guess, "volume")

    def lacking(self) -> tuple[str, str]:
        """What the cache lacks of the model, and the setting that chooses a whole revision that nothing names."""
        manifest = self.manifest()
        lacks, fix = f"{len(self._missing(manifest))} files" if manifest else "everything", ""
        if manifest is None and (others := [each.revision for each in self._whole()]):
            lacks = f"{self._revision or 'main'}, but has {', '.join(others)}"
            fix = f"{reader.setting('MODEL_REVISION', others[0])}, or "
        return f"{reader.place(self._settings.hub_cache)} lacks {lacks} of {self._model_id}", fix

    def download(self, callbacks: ProgressCallbacks) -> ReadyModel:
        """The model, after its missing files came from the mirror or the hub; one process at a time for each model."""
        known = self.manifest()
        if known is None and (known := self._guess()) and not self._settings.offline:
            self._set_aside(known, callbacks)
        if known and put_back(self._settings, known, callbacks) and (found := self.find_local()):
            return found
        copied = download_from_mirror(self._settings, self._asked_of_mirror(), callbacks)
        if copied.paths and (found := self.find_local()):
            delete_quarantined(self._layout)
            return _with(found, copied)
        try:
            return _with(self._download_locked(callbacks), copied)
        except CANNOT_DOWNLOAD as error:
            if found := self.find_unlisted():
                return found
            if quarantined_files(self._layout):
                raise repair_failed(self._layout, error) from error
            if self._settings.mirror is None:
                raise
            # The mirror has to be fixed, and not the hub.
            lacks = f"The mirror {self._settings.mirror} lacks {self._model_id} or parts of it (see the log)."
            raise type(error)(f"{copied.problem or lacks} {error.message}", retryable=error.retryable) from error

    def moved(self, callbacks: ProgressCallbacks) -> str | None:
        """The commit of a named branch or tag on the hub, where that answers and it is another than the cached one."""
        name, settings = self._revision, self._settings
        known = self._registry.commit_of(self._model_id, name) if name and not is_commit(name) else None
        if name is None or known is None or settings.offline:
            return None
        # There is an answer already, so that the wait for a newer one is short.
        connect, read = (min(each, _CHECK_SECONDS) for each in (settings.connect_timeout, settings.read_timeout))
        try:
            with HubClient(replace(settings, connect_timeout=connect, read_timeout=read), callbacks.cancel) as client:
                commit = client.revision_info(self._model_id, name).get("sha")
        except errors.CancelledError:
            raise
        except errors.ImageGenError as error:
            log.warning("%s %s stays at the commit that is cached, %s.", error.message, name, known[:12])
            return None
        return commit if isinstance(commit, str) and is_commit(commit) and commit != known else None

    def _set_aside(self, guess: Manifest, callbacks: ProgressCallbacks) -> None:
        """What another tool left altered would pass for whole at the hub's size: only its hash, or what it says of
        itself, tells.
        """
        snapshot = self._layout.snapshot(guess.revision)
        here, lost = {file.path: file for file in snapshot_files(snapshot)}, self._missing(guess)
        named = [here[file.path] for file in lost if file.path in here and here[file.path].content_key]
        reads = [read_again(snapshot / file.path, file, callbacks.cancel) for file in named]
        if damaged := [each for each in reads if each.matches is False]:
            quarantine(self._settings, self._model_id, snapshot, damaged, callbacks)

    def _restore_main(self, commit: str) -> None:
        """A power cut may have emptied `refs/main`, which this model does not need and other tools do."""
        if self._layout.ref("main").exists() and not read_ref(self._layout, "main"):
            with suppress(OSError):
                write_ref(self._layout, "main", commit)

    def _note_ref(self, commit: str, callbacks: ProgressCallbacks) -> None:
        """Records that the branch or tag is at a commit now, which is complete. Best effort on a read-only volume."""
        with suppress(OSError), download_lock(self._settings, self._model_id, callbacks, self.manifest):
            write_ref(self._layout, str(self._revision), commit)

    def _download_locked(self, callbacks: ProgressCallbacks) -> ReadyModel:
        with download_lock(self._settings, self._model_id, callbacks, self.manifest):
            if found := self.find_local():
                return found
            manifest = self.manifest()
            if self._settings.offline:
                lacks, fix = self.lacking()
                raise errors.OfflineError(
                    f"HF_HUB_OFFLINE is set, and {lacks}. Fix: {fix}{reader.setting('HF_HUB_OFFLINE', '')} once, or "
                    f"restore a backup (`{reader.cache_command('restore --input FILE')}`)."
                )
            begun = self._layout.snapshot(manifest.revision) if manifest else None
            there = begun is not None and begun.exists()
            with HubClient(self._settings, callbacks.cancel) as client:
                try:
                    wanted = manifest or self._resolve(client)
                    return self._download_missing(client, wanted, callbacks, moves=manifest is None)
                except ASK_AGAIN as error:
                    again = self._asked_again(client, manifest, error) if manifest else None
                    if manifest is None or again is None or again == manifest:
                        raise
                    moves = again.revision != manifest.revision
                    if moves and begun and not there:
                        # Otherwise a few links of a revision that is nowhere would stay.
                        shutil.rmtree(begun, ignore_errors=True)
                    return self._download_missing(client, again, callbacks, moves=moves)

    def _download_missing(
        self, client: HubClient, manifest: Manifest, callbacks: ProgressCallbacks, *, moves: bool
    ) -> ReadyModel:
        if self._revision is None or not is_commit(self._revision):
            # A start at a pinned commit must not take `main` back from where another tool has moved it.
            write_ref(self._layout, self._revision or "main", manifest.revision, move=moves)
        downloaded = Downloader(self._settings, manifest, client.source(manifest), callbacks).run()
        if lost := self._missing(manifest):
            raise errors.CacheChangedError(
                f"{lost[0].path} of {self._model_id} was deleted during the download; was the cache cleared? Fix: "
                "start again."
            )
        delete_quarantined(self._layout)
        snapshot = self._layout.snapshot(manifest.revision)
        return ready(snapshot, manifest, "download", downloaded.bytes, downloaded.paths)

    def _asked_again(self, client: HubClient, manifest: Manifest, error: errors.ImageGenError) -> Manifest | None:
        """The hub's list for a kept manifest that can't be met: that may come from a wrong answer, or be too old."""
        if manifest in self._registry.bundled():
            return None
        with suppress(errors.RevisionNotFoundError, errors.ModelNotFoundError):
            again = self.listed(client, manifest.revision)
            if again != manifest:
                self._keep(again)
                return again
        # A newer commit replaces one that the hub no longer has only where no user pinned that one.
        is_gone = not self._revision and isinstance(error, errors.RevisionNotFoundError | errors.FileMissingError)
        return self._resolve(client, newest=True) if is_gone else None

    def _resolve(self, client: HubClient, *, newest: bool = False) -> Manifest:
        # A cached commit, whatever tool downloaded it, serves as well as the newest, and costs less.
        cached = None if newest else self._registry.commit_of(self._model_id, "main")
        default = cached if cached and self._layout.snapshot(cached).is_dir() else "main"
        try:
            manifest = self.listed(client, self._revision or default)
        except errors.RevisionNotFoundError:
            if self._revision or default == "main":
                raise
            return self._resolve(client, newest=True)
        self._keep(manifest)
        return manifest

    def _at(self, revision: str) -> "Ensure":
        return Ensure(self._settings, self._model_id, revision)

    def _asked_of_mirror(self) -> Asked:
        return Asked(self._model_id, self._revision, self.manifest(), self._keep_new)

    def _keep_new(self, manifest: Manifest) -> None:
        self._registry.keep_new(manifest, default=self._revision is None)

    def _keep(self, manifest: Manifest) -> None:
        self._registry.keep(manifest, default=self._revision is None)

    def listed(self, client: HubClient, revision: str) -> Manifest:
        """The manifest of what the hub lists."""
        return resolve(client, self._model_id, revision)

    def manifest(self) -> Manifest | None:
        """The one that is known here."""
        return self._registry.find(self._model_id, self._revision)

    def _guess(self) -> Manifest | None:
        """That of what another tool downloaded. It is not kept."""
        named = self._revision or "main"
        if commit := self._registry.commit_of(self._model_id, named):
            return snapshot_manifest(self._layout, commit)
        # A copy without `refs`, say: the only snapshot that is complete is meant.
        whole = self._whole() if named == "main" else []
        return whole[0] if len(whole) == 1 else None

    def _whole(self) -> list[Manifest]:
        """The revisions that are complete, whatever refers to them."""
        commits = sorted(path.name for path in self._layout.snapshot("").glob("*") if is_commit(path.name))
        found = [each for commit in commits if (each := snapshot_manifest(self._layout, commit))]
        return [each for each in found if not self._missing(each)]

    def _missing(self, manifest: Manifest) -> list[ManifestFile]:
        return missing_files(self._layout.snapshot(manifest.revision), manifest)


def _with(model: ReadyModel, copied: Downloaded) -> ReadyModel:
    """Counts the bytes from the mirror."""
    if not copied.paths:
        return model
    total, verified = model.bytes_fetched + copied.bytes, model.verified | copied.paths
    return replace(model, source="download", bytes_fetched=total, verified=verified)
