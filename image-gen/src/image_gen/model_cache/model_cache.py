"""The model store's face: one method for each thing that can be done with a model's files."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from image_gen.errors import ImageGenError
from image_gen.model_cache.backup.compression import Compression
from image_gen.model_cache.backup.create import BackupReport, back_up
from image_gen.model_cache.backup.export import ExportReport, export_baked, export_mirror
from image_gen.model_cache.backup.restore import RestoreReport, restore
from image_gen.model_cache.cache.callbacks import OnFile, OnFound, ProgressCallbacks
from image_gen.model_cache.cache.delete import ClearReport, clear_models, clear_orphans
from image_gen.model_cache.cache.gc import GcReport, collect_garbage
from image_gen.model_cache.cache.lease import Lease, hold, note_verified
from image_gen.model_cache.cache.locate import ReadyModel, open_directory
from image_gen.model_cache.cache.scan import CacheStatus, cache_status, scan_cache
from image_gen.model_cache.core.filesystem import translate_os_errors
from image_gen.model_cache.core.manifest import Manifest
from image_gen.model_cache.core.progress import OnProgress
from image_gen.model_cache.core.s3_uri import S3Uri
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.doctor import DoctorReport, run_checks
from image_gen.model_cache.download.ensure import Ensure
from image_gen.model_cache.download.repair import IntegrityCheck, Verify
from image_gen.model_cache.download.verify import VerifyReport, verify_revisions
from image_gen.model_cache.manifests.check import CheckReport, check_manifest
from image_gen.model_cache.manifests.lock_manifest import LockedManifest, lock_manifest
from image_gen.model_cache.manifests.registry import ManifestRegistry
from image_gen.model_cache.manifests.resolve import resolve
from image_gen.model_cache.sources.hub import HubClient


class ModelCache:
    """Looks after model files. Every method raises `ImageGenError` for whatever can be foreseen."""

    def __init__(self, settings: CacheSettings) -> None:
        self.settings = settings
        self.registry = ManifestRegistry(settings)

    def ensure(
        self,
        model_id: str,
        *,
        revision: str | None = None,
        model_dir: Path | None = None,
        components: bool = False,
        on_progress: OnProgress | None = None,
        on_found: OnFound | None = None,
        on_file: OnFile | None = None,
        cancel: threading.Event | None = None,
    ) -> ReadyModel:
        """The model's directory, complete. Fetches only what is missing, and asks no network when nothing is.

        With `components` that may be a part of a pipeline, such as a VAE; without, it is refused with NOT_A_PIPELINE.

        `on_progress` is called from other threads, one call at a time. Where something has to be fetched, `on_found`
        is told where the model will be before the first byte comes, and `on_file` each path that came and is proven,
        so that a caller can begin with it while others are under way. Setting `cancel` ends it with CANCELLED within
        a read timeout; what has arrived is kept, and the next call goes on from there.
        """
        if model_dir is None and not components:
            self._reject_component(model_id, revision)
        found = self.locate(model_id, revision, model_dir)
        callbacks = ProgressCallbacks(on_progress, cancel or threading.Event(), on_found, on_file)
        return found or self._ensure(model_id, revision).download(callbacks)

    def ensure_vae(
        self, vae_id: str, *, on_progress: OnProgress | None = None, cancel: threading.Event | None = None
    ) -> ReadyModel:
        """A VAE that has a manifest, complete. Raises VAE_INVALID for anything else."""
        known = self.registry.find(self.registry.canonical_id(vae_id), None)
        if known is None or not (known.component or "").startswith("Autoencoder"):
            there = [each.model_id for each in self.registry.bundled() if each.component]
            raise ImageGenError(
                "VAE_INVALID",
                f"VAE_ID: expected a VAE with a manifest ({', '.join(there) or 'none is shipped'}), got {vae_id}. Fix: "
                f"`image-gen models lock {vae_id} --output FILE` into the directory of IMAGE_GEN_MANIFESTS.",
            )
        return self.ensure(vae_id, components=True, on_progress=on_progress, cancel=cancel)

    def verify_and_repair(
        self,
        model: ReadyModel,
        *,
        verify: Verify = "full",
        on_progress: OnProgress | None = None,
        on_file: OnFile | None = None,
        cancel: threading.Event | None = None,
    ) -> ReadyModel:
        """Reads a model that `ensure` found into the page cache and hashes the same bytes. Damaged files are set aside
        and fetched again, and nothing else is. Raises CORRUPT_CACHE when that can't be done.

        `changed` hashes only what changed since it was last hashed, `size` nothing. `on_file` is called from other
        threads with each path whose content is good, one call at a time.
        """
        callbacks = ProgressCallbacks(on_progress, cancel or threading.Event(), on_file=on_file)
        check = IntegrityCheck(self.settings, model, verify)
        damaged = check.run(callbacks)
        if not damaged:
            self._record_verified(model, verify)
            return model
        check.quarantine(damaged, callbacks)
        good = {file.path for file in model.files} - {read.file.path for read in damaged}
        repaired = self._ensure(model.model_id, model.revision or None).redownload_damaged(
            replace(callbacks, on_file=None)
        )
        # What was fine a moment ago still is; the rest was hashed while it was fetched, or by whoever was faster.
        rest = replace(repaired, files=tuple(file for file in repaired.files if file.path not in good))
        still = IntegrityCheck(self.settings, rest, verify).run(callbacks)
        if still:
            raise ImageGenError(
                "CORRUPT_CACHE",
                f"{still[0].file.path} of {model.model_id} is damaged again right after it was fetched: check the disk "
                f"behind {self.settings.hub_cache}.",
            )
        self._record_verified(repaired, verify)
        return repaired

    def locate(self, model_id: str, revision: str | None = None, model_dir: Path | None = None) -> ReadyModel | None:
        """The model if it is complete here: explicit directory, image, volume. No network, no writes."""
        if model_dir is not None:
            return open_directory(model_dir, model_id)
        return self._ensure(model_id, revision).find_local()

    def hold(self, model: ReadyModel) -> Lease:
        """Keeps `clear` and `gc`, in whatever container, from a model on the volume for as long as this process lives
        and keeps the lease.
        """
        return hold(self.settings, model.model_id) if model.source in {"volume", "download"} else Lease(None)

    def resolve(self, model_id: str, revision: str | None = None) -> Manifest:
        """What a model consists of: from a manifest at hand, else from the hub. Writes nothing."""
        model_id = self.registry.canonical_id(model_id)
        known = self.registry.find(model_id, revision or None)
        if known:
            return known
        with HubClient(self.settings) as client:
            return resolve(client, model_id, revision or "main")

    def lock(self, model_id: str, revision: str | None = None, *, allow_pickle: bool = False) -> LockedManifest:
        """A manifest to ship, made from the hub, with a sha256 for every file. Writes nothing."""
        model_id = self.registry.canonical_id(model_id)
        shipped = next((known for known in self.registry.bundled() if known.model_id == model_id), None)
        with HubClient(self.settings) as client:
            locked = lock_manifest(client, model_id, revision or "main", allow_pickle=allow_pickle)
        # Other names are ours to give; no hub knows them.
        return replace(locked, manifest=replace(locked.manifest, aliases=shipped.aliases if shipped else ()))

    def check(self, model_ids: Sequence[str] = ()) -> CheckReport:
        """Compares the shipped manifests, or those of some models, with the hub at their commits."""
        wanted = {self.registry.canonical_id(each) for each in model_ids}
        shipped = {manifest.model_id: manifest for manifest in self.registry.bundled()}
        unknown = sorted(wanted - shipped.keys())
        if unknown:
            raise ImageGenError(
                "MANIFEST_NOT_FOUND",
                f"{self.settings.manifests_dir} has no manifest of {', '.join(unknown)}, only of "
                f"{', '.join(sorted(shipped))}. Fix: `image-gen models lock {unknown[0]}` makes one.",
            )
        with HubClient(self.settings) as client:
            chosen = [manifest for name, manifest in shipped.items() if not wanted or name in wanted]
            return CheckReport(self.settings.endpoint, tuple(check_manifest(client, manifest) for manifest in chosen))

    def status(self) -> CacheStatus:
        """What is cached, complete or not, and the room on the volume. Changes nothing."""
        with translate_os_errors(self.settings.volume_root, "looking at the cache"):
            return cache_status(self.settings)

    def doctor(self, model_id: str, revision: str | None = None, env: Mapping[str, str] | None = None) -> DoctorReport:
        """Where the cache really is and what is wrong with it. `env` is what the settings were read from."""
        return run_checks(self.settings, env or {}, model_id, revision or None)

    def verify(
        self,
        model_id: str | None = None,
        *,
        repair: bool = False,
        on_progress: OnProgress | None = None,
        cancel: threading.Event | None = None,
    ) -> VerifyReport:
        """Hashes every file of one model or of all, offline. `repair` removes damaged files, to be fetched again."""
        wanted = None if model_id is None else self.registry.canonical_id(model_id)
        with translate_os_errors(self.settings.volume_root, "looking at the cache"):
            chosen = [each for each in scan_cache(self.settings) if each.revision and wanted in {None, each.model_id}]
        if wanted is not None and not chosen:
            raise ImageGenError("MODEL_NOT_CACHED", f"{self.settings.hub_cache} does not hold {wanted}.")
        report = verify_revisions(
            chosen, parallel=self.settings.parallel_files, repair=repair, on_progress=on_progress, cancel=cancel
        )
        for model in report.models:
            if model.ok and model.revision and model.source == "volume":
                note_verified(self.settings, model.model_id, model.revision)
        return report

    def clear(self, model_id: str | None = None, *, dry_run: bool = False, force: bool = False) -> ClearReport:
        """Removes one model from the volume, or every one. With `dry_run` it only tells what would go; without
        `force` a model that a service uses is refused with MODEL_IN_USE.
        """
        wanted = None if model_id is None else self.registry.canonical_id(model_id)
        return clear_models(self.settings, wanted, dry_run=dry_run, force=force)

    def clear_orphans(self, *, dry_run: bool = False) -> ClearReport:
        """Removes contents and downloads that no model leads to; never what is being fetched."""
        return clear_orphans(self.settings, dry_run=dry_run)

    def collect_garbage(
        self,
        *,
        older_than: float | None = None,
        keep_free: int | None = None,
        keep: Sequence[str] = (),
        dry_run: bool = False,
    ) -> GcReport:
        """Removes orphans, models that were not used for `older_than` seconds, and further ones, the longest unused
        first, until `keep_free` bytes are free. Never a model in use, nor one of `keep`.
        """
        kept = {self.registry.canonical_id(each) for each in keep}
        return collect_garbage(self.settings, older_than=older_than, keep_free=keep_free, keep=kept, dry_run=dry_run)

    def backup(
        self, output: Path | S3Uri | BinaryIO, *, model_id: str | None = None, compress: bool | Compression = False
    ) -> BackupReport:
        """Writes every complete model, or one, into a tar whose paths begin with `data/huggingface`. True is gzip.

        A file or an object of a bucket appears when it is whole, or not at all.
        """
        wanted = None if model_id is None else self.registry.canonical_id(model_id)
        how = ("gzip" if compress else None) if isinstance(compress, bool) else compress
        return back_up(self.settings, output, model_id=wanted, compress=how)

    def restore(self, source: Path | S3Uri | BinaryIO, *, on_progress: OnProgress | None = None) -> RestoreReport:
        """Brings back the models of a backup once all of them are proven; until then the cache stays as it is."""
        return restore(self.settings, source, on_progress=on_progress)

    def bake(
        self,
        model_id: str,
        output: Path,
        *,
        revision: str | None = None,
        vae: bool = False,
        on_progress: OnProgress | None = None,
        cancel: threading.Event | None = None,
    ) -> ExportReport:
        """Fetches a model into the cache and lays it down below `output` as a plain, proven directory. With `vae` it
        is one that takes the place of a model's own.
        """
        laid = self._model_and_manifest(model_id, revision, components=vae, on_progress=on_progress, cancel=cancel)
        return export_baked(*laid, output)

    def mirror(
        self,
        model_id: str,
        output: Path | S3Uri,
        *,
        revision: str | None = None,
        on_progress: OnProgress | None = None,
        cancel: threading.Event | None = None,
    ) -> ExportReport:
        """The same in the layout that IMAGE_GEN_MIRROR reads, for hosts that reach no hub; parts of pipelines too."""
        model, manifest = self._model_and_manifest(
            model_id, revision, components=True, on_progress=on_progress, cancel=cancel
        )
        if isinstance(output, Path):
            return export_mirror(model, manifest, output)
        from image_gen.model_cache.backup.export_s3 import export_to_s3

        return export_to_s3(self.settings, model, manifest, output, cancel or threading.Event())

    def _model_and_manifest(
        self,
        model_id: str,
        revision: str | None,
        *,
        components: bool = False,
        on_progress: OnProgress | None,
        cancel: threading.Event | None,
    ) -> tuple[ReadyModel, Manifest]:
        # What an image holds already is no source for another image.
        unbaked = ModelCache(replace(self.settings, baked_dir=self.settings.hub_cache / ".none"))
        model = unbaked.ensure(
            model_id, revision=revision, components=components, on_progress=on_progress, cancel=cancel
        )
        manifest = unbaked.registry.find(model.model_id, model.revision)
        if manifest is None:
            raise ImageGenError("CACHE_CHANGED", f"The manifest of {model_id} went away. Try again.", retryable=True)
        return model, manifest

    def _record_verified(self, model: ReadyModel, verify: Verify) -> None:
        if verify == "full" and model.source in {"volume", "download"}:
            note_verified(self.settings, model.model_id, model.revision)

    def _reject_component(self, model_id: str, revision: str | None) -> None:
        manifest = self.registry.find(self.registry.canonical_id(model_id), revision or None)
        if manifest and manifest.component:
            raise ImageGenError(
                "NOT_A_PIPELINE",
                f"{model_id} is only a part of a pipeline ({manifest.component}), and makes no pictures by itself. "
                "Fix: set MODEL_ID to a pipeline; `image-gen prefetch --model` keeps parts too.",
            )

    def _ensure(self, model_id: str, revision: str | None) -> Ensure:
        return Ensure(self.settings, self.registry.canonical_id(model_id), revision or None)
