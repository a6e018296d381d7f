"""The model store's face: one method for each thing that can be done with a model's files."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from image_gen.errors import ImageGenError
from image_gen.store.backup import BackupReport, back_up
from image_gen.store.bake import BakeReport, bake
from image_gen.store.catalogue import Catalogue
from image_gen.store.clear import ClearReport, clear_models
from image_gen.store.ensure import Ensure
from image_gen.store.http import HubClient
from image_gen.store.inventory import CacheStatus, cache_status, holdings
from image_gen.store.locate import ReadyModel, open_directory
from image_gen.store.manifest import Manifest
from image_gen.store.progress import OnProgress
from image_gen.store.repair import OnFile, Proof, Verify
from image_gen.store.resolve import resolve
from image_gen.store.restore import RestoreReport, restore
from image_gen.store.settings import StoreSettings
from image_gen.store.verify import VerifyReport, verify_holdings
from image_gen.store.volume import clear_errors


class ModelStore:
    """Looks after model files. Every method raises `ImageGenError` for whatever can be foreseen."""

    def __init__(self, settings: StoreSettings) -> None:
        self.settings = settings
        self.catalogue = Catalogue(settings)

    def ensure(
        self,
        model_id: str,
        *,
        revision: str | None = None,
        model_dir: Path | None = None,
        on_progress: OnProgress | None = None,
        cancel: threading.Event | None = None,
    ) -> ReadyModel:
        """The model's directory, complete. Fetches only what is missing, and asks no network when nothing is.

        `on_progress` is called from other threads, one call at a time. Setting `cancel` ends it with CANCELLED within
        a read timeout; what has arrived is kept, and the next call goes on from there.
        """
        found = self.locate(model_id, revision, model_dir)
        return found or self._ensure(model_id, revision).fetched(on_progress, cancel or threading.Event())

    def prove(
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

        `stamp` hashes only what changed since it was last hashed, `size` nothing. `on_file` is called from other
        threads with each path whose content is good, one call at a time.
        """
        stop = cancel or threading.Event()
        proof = Proof(self.settings, model, verify)
        damaged = proof.run(on_progress, on_file, stop)
        if not damaged:
            return model
        proof.set_aside(damaged, stop)
        good = {file.path for file in model.files} - {read.file.path for read in damaged}
        mended = self._ensure(model.model_id, model.revision or None).mended(on_progress, stop)
        # What was fine a moment ago still is; the rest was hashed while it was fetched, or by whoever was faster.
        rest = replace(mended, files=tuple(file for file in mended.files if file.path not in good))
        still = Proof(self.settings, rest, verify).run(on_progress, on_file, stop)
        if still:
            raise ImageGenError(
                "CORRUPT_CACHE",
                f"{still[0].file.path} of {model.model_id} is damaged again right after it was fetched: check the disk "
                f"behind {self.settings.hub_cache}.",
            )
        return mended

    def locate(self, model_id: str, revision: str | None = None, model_dir: Path | None = None) -> ReadyModel | None:
        """The model if it is complete here: explicit directory, image, volume. No network, no writes."""
        if model_dir is not None:
            return open_directory(model_dir, model_id)
        return self._ensure(model_id, revision).here()

    def resolve(self, model_id: str, revision: str | None = None) -> Manifest:
        """What a model consists of: from a manifest at hand, else from the hub. Writes nothing."""
        model_id = self.catalogue.canonical_id(model_id)
        known = self.catalogue.find(model_id, revision or None)
        if known:
            return known
        with HubClient(self.settings) as client:
            return resolve(client, model_id, revision or "main")

    def status(self) -> CacheStatus:
        """What is cached, complete or not, and the room on the volume. Changes nothing."""
        with clear_errors(self.settings.volume_root, "looking at the cache"):
            return cache_status(self.settings)

    def verify(
        self,
        model_id: str | None = None,
        *,
        repair: bool = False,
        on_progress: OnProgress | None = None,
        cancel: threading.Event | None = None,
    ) -> VerifyReport:
        """Hashes every file of one model or of all, offline. `repair` removes damaged files, to be fetched again."""
        wanted = None if model_id is None else self.catalogue.canonical_id(model_id)
        with clear_errors(self.settings.volume_root, "looking at the cache"):
            chosen = [each for each in holdings(self.settings) if each.revision and wanted in {None, each.model_id}]
        if wanted is not None and not chosen:
            raise ImageGenError("MODEL_NOT_CACHED", f"{self.settings.hub_cache} does not hold {wanted}.")
        return verify_holdings(
            chosen, parallel=self.settings.parallel_files, repair=repair, on_progress=on_progress, cancel=cancel
        )

    def clear(self, model_id: str | None = None, *, dry_run: bool = False) -> ClearReport:
        """Removes one model from the volume, or every one. With `dry_run` it only tells what would go."""
        wanted = None if model_id is None else self.catalogue.canonical_id(model_id)
        return clear_models(self.settings, wanted, dry_run=dry_run)

    def backup(self, output: Path | BinaryIO, *, model_id: str | None = None, compress: bool = False) -> BackupReport:
        """Writes every complete model, or one, into a tar whose paths begin with `data/huggingface`."""
        wanted = None if model_id is None else self.catalogue.canonical_id(model_id)
        return back_up(self.settings, output, model_id=wanted, compress=compress)

    def restore(self, source: Path | BinaryIO, *, on_progress: OnProgress | None = None) -> RestoreReport:
        """Brings back the models of a backup once all of them are proven; until then the cache stays as it is."""
        return restore(self.settings, source, on_progress=on_progress)

    def bake(
        self,
        model_id: str,
        output: Path,
        *,
        revision: str | None = None,
        on_progress: OnProgress | None = None,
        cancel: threading.Event | None = None,
    ) -> BakeReport:
        """Fetches a model into the cache and lays it down below `output` as a plain, proven directory."""
        # What an image holds already is no source for another image.
        unbaked = ModelStore(replace(self.settings, baked_dir=output / ".none"))
        model = unbaked.ensure(model_id, revision=revision, on_progress=on_progress, cancel=cancel)
        manifest = unbaked.catalogue.find(model.model_id, model.revision)
        if manifest is None:
            raise ImageGenError("CACHE_CHANGED", f"The manifest of {model_id} went away. Try again.", retryable=True)
        return bake(model, manifest, output)

    def _ensure(self, model_id: str, revision: str | None) -> Ensure:
        return Ensure(self.settings, self.catalogue.canonical_id(model_id), revision or None)
