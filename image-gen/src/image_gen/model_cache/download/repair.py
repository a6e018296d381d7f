"""Verifies a local model: damaged files are quarantined, so that they are downloaded again."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from image_gen import reader
from image_gen.errors import CorruptCacheError, ImageGenError
from image_gen.model_cache.cache.callbacks import ProgressCallbacks
from image_gen.model_cache.cache.locate import ReadyModel
from image_gen.model_cache.core.file_lock import file_lock
from image_gen.model_cache.core.filesystem import format_bytes, translate_os_errors
from image_gen.model_cache.core.layout import RepoLayout
from image_gen.model_cache.core.manifest import ManifestFile
from image_gen.model_cache.core.progress import Meter
from image_gen.model_cache.core.settings import CacheSettings, Verify
from image_gen.model_cache.core.verification_record import FileFingerprint, VerificationRecord
from image_gen.model_cache.download.downloader import wait_for_download
from image_gen.model_cache.download.page_cache import FileRead, PageCacheReader, loading_order

log = logging.getLogger(__name__)
_DAMAGED = ".damaged"


class IntegrityCheck:
    """One pass over a model's files: all are read, and `mode` says which are hashed."""

    def __init__(self, settings: CacheSettings, model: ReadyModel, mode: Verify) -> None:
        self._settings = settings
        self._model = model
        self._mode = mode
        self._layout = RepoLayout(settings.hub_cache, model.model_id)
        self._record = VerificationRecord(settings, model.model_id, model.revision)

    def run(self, callbacks: ProgressCallbacks) -> list[FileRead]:
        """Returns the damaged files. `callbacks.on_file` gets each path that may be loaded from now on.

        Files that were downloaded a moment ago were hashed then, and are not read again.
        """
        model = self._model
        files = [file for file in loading_order(model.files) if file.path not in model.verified]
        for path in sorted(model.verified):
            callbacks.on_file(path)
        fingerprints = self._record.read() if self._mode == "changed" else {}

        def hashed(file: ManifestFile) -> bool:
            return bool(file.content_key) and self._mode != "size" and not self._unchanged(file, fingerprints)

        def on_read(read: FileRead) -> None:
            if read.matches is not False:
                callbacks.on_file(read.file.path)

        total = sum(file.size for file in files)
        meter = Meter("verifying", total, 0, callbacks.on_progress)
        with translate_os_errors(model.directory, f"verifying {model.model_id}"):
            reader = PageCacheReader(
                model.directory, files, hashed=hashed, meter=meter, cancel=callbacks.cancel, on_read=on_read
            )
            reads = reader.run()
        if self._mode != "size" and model.source in {"volume", "host", "download"}:
            self._update_record(reads)
        return [read for read in reads if read.matches is False]

    def quarantine(self, damaged: Sequence[FileRead], callbacks: ProgressCallbacks) -> None:
        """Renames damaged blobs, so that nothing loads them. Raises CORRUPT_CACHE where that can't be done."""
        model, names = self._model, ", ".join(read.file.path for read in damaged)
        if model.source == "baked":
            raise CorruptCacheError(
                f"{names} of {model.model_id} is damaged in the image itself. Fix: remove the image and pull or build "
                "it again."
            )
        if model.source == "directory":
            raise CorruptCacheError(
                f"{names} in MODEL_DIR {reader.place(model.directory)} can't be read. Fix: copy the model again."
            )
        try:
            with (
                translate_os_errors(self._settings.volume_root, f"repairing {model.model_id}"),
                file_lock(self._layout.lock, wait_for_download(self._layout, None, callbacks)),
            ):
                for read in damaged:
                    self._rename(read)
        except ImageGenError as error:
            raise CorruptCacheError(
                f"{names} of {model.model_id} is damaged. {error.message}", retryable=error.retryable
            ) from error

    def _rename(self, read: FileRead) -> None:
        place = (self._model.directory / read.file.path).resolve()
        # Beside the blobs, where standard tools ignore it and `clear` deletes it.
        target = self._layout.blobs / f"{read.file.content_key}{_DAMAGED}"
        try:
            # Another process may have repaired it meanwhile: only the file that was read is moved.
            if read.status is not None and not os.path.samestat(place.stat(), read.status):
                return
            place.replace(target)
        except FileNotFoundError:
            return
        size = format_bytes(read.file.size)
        log.warning("%s is damaged (%s): quarantined as %s, and downloaded again.", read.file.path, size, target)

    def _unchanged(self, file: ManifestFile, fingerprints: dict[str, FileFingerprint]) -> bool:
        fingerprint = fingerprints.get(file.path)
        if fingerprint is None:
            return False
        try:
            return fingerprint == FileFingerprint.of(file, (self._model.directory / file.path).stat())
        except OSError:
            return False

    def _update_record(self, reads: Sequence[FileRead]) -> None:
        """Adds files that were hashed now or during the download; the entries of other files are kept."""
        before = self._record.read()
        fingerprints = dict(before)
        for read in reads:
            if read.matches is False:
                fingerprints.pop(read.file.path, None)
            elif read.matches and read.status is not None:
                fingerprints[read.file.path] = FileFingerprint.of(read.file, read.status)
        for file in self._model.files:
            if file.path in self._model.verified and file.content_key:
                fingerprints[file.path] = FileFingerprint.of(file, (self._model.directory / file.path).stat())
        if fingerprints != before:
            self._record.write(fingerprints)


def quarantined_files(layout: RepoLayout) -> list[Path]:
    """The damaged blobs of a model that have not been replaced yet."""
    return sorted(layout.blobs.glob(f"*{_DAMAGED}"))


def delete_quarantined(layout: RepoLayout) -> None:
    """Once a model is complete again, its damaged blobs are not needed."""
    for path in quarantined_files(layout):
        path.unlink(missing_ok=True)


def repair_failed(layout: RepoLayout, error: ImageGenError) -> ImageGenError:
    """For a failed download of a model with quarantined files."""
    return CorruptCacheError(
        f"Damaged files of {layout.model_id} were quarantined ({', '.join(map(str, quarantined_files(layout)))}) and "
        f"could not be downloaded again: {error.message} Fix: give this service access to the hub for one start "
        f"({reader.setting('HF_HUB_OFFLINE', '')}, check HF_ENDPOINT), or restore a backup with "
        f"`{reader.cache_command('restore --input FILE')}`.",
        retryable=error.retryable,
    )
