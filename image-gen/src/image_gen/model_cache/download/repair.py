"""Proves a model that is here, and mends it: damage is set aside, and only the damaged file is fetched again."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from image_gen.errors import ImageGenError
from image_gen.model_cache.cache.callbacks import Watch
from image_gen.model_cache.cache.locate import ReadyModel
from image_gen.model_cache.core.file_lock import file_lock
from image_gen.model_cache.core.filesystem import clear_errors, human
from image_gen.model_cache.core.layout import RepoLayout
from image_gen.model_cache.core.manifest import ManifestFile
from image_gen.model_cache.core.progress import Meter
from image_gen.model_cache.core.settings import StoreSettings
from image_gen.model_cache.core.verification_record import Mark, Stamp
from image_gen.model_cache.download.downloader import waiting
from image_gen.model_cache.download.page_cache import Read, Warming, reading_order

Verify = Literal["full", "stamp", "size"]
log = logging.getLogger(__name__)
_DAMAGED = ".damaged"


class Proof:
    """One pass over a model's files; `mode` says how much of it is hashed, all of it is read."""

    def __init__(self, settings: StoreSettings, model: ReadyModel, mode: Verify) -> None:
        self._settings = settings
        self._model = model
        self._mode = mode
        self._layout = RepoLayout(settings.hub_cache, model.model_id)
        self._stamp = Stamp(settings, model.model_id, model.revision)

    def run(self, watch: Watch) -> list[Read]:
        """Returns the damaged files. `watch.on_file` is told each path that may be loaded from now on.

        Files that were fetched a moment ago were hashed on their way, and are neither read nor hashed again.
        """
        model = self._model
        files = [file for file in reading_order(model.files) if file.path not in model.proven]
        for path in sorted(model.proven):
            watch.file(path)
        marks = self._stamp.read() if self._mode == "stamp" else {}

        def hashed(file: ManifestFile) -> bool:
            return bool(file.content_key) and self._mode != "size" and not self._unchanged(file, marks)

        def on_read(read: Read) -> None:
            if read.right is not False:
                watch.file(read.file.path)

        total = sum(file.size for file in files)
        meter = Meter("verifying", total, 0, watch.on_progress)
        with clear_errors(model.directory, f"verifying {model.model_id}"):
            warming = Warming(model.directory, files, hashed=hashed, meter=meter, cancel=watch.cancel, on_read=on_read)
            reads = warming.run()
        if self._mode != "size" and model.source in {"volume", "download"}:
            self._write_stamp(reads)
        return [read for read in reads if read.right is False]

    def set_aside(self, damaged: Sequence[Read], watch: Watch) -> None:
        """Renames damaged contents, so that nothing loads them. Raises CORRUPT_CACHE where that can't be done."""
        model, names = self._model, ", ".join(read.file.path for read in damaged)
        if model.source == "baked":
            raise ImageGenError(
                "CORRUPT_CACHE",
                f"{names} of {model.model_id} is damaged in the image itself. Fix: remove the image and pull or build "
                "it again.",
            )
        if model.source == "directory":
            raise ImageGenError(
                "CORRUPT_CACHE", f"{names} in MODEL_DIR {model.directory} can't be read. Fix: copy the model again."
            )
        try:
            with (
                clear_errors(self._settings.volume_root, f"repairing {model.model_id}"),
                file_lock(self._layout.lock, waiting(self._layout, None, watch)),
            ):
                for read in damaged:
                    self._rename(read)
        except ImageGenError as error:
            raise ImageGenError(
                "CORRUPT_CACHE", f"{names} of {model.model_id} is damaged. {error.message}", retryable=error.retryable
            ) from error

    def _rename(self, read: Read) -> None:
        place = (self._model.directory / read.file.path).resolve()
        target = set_aside_path(self._layout, read.file)
        try:
            # Another service may have mended it meanwhile: only what was seen to be damaged is moved.
            if read.status is not None and not os.path.samestat(place.stat(), read.status):
                return
            place.replace(target)
        except FileNotFoundError:
            return
        log.warning(
            "%s is damaged (%s): set aside as %s, and fetched again.", read.file.path, human(read.file.size), target
        )

    def _unchanged(self, file: ManifestFile, marks: dict[str, Mark]) -> bool:
        mark = marks.get(file.path)
        if mark is None:
            return False
        try:
            return mark == Mark.of(file, (self._model.directory / file.path).stat())
        except OSError:
            return False

    def _write_stamp(self, reads: Sequence[Read]) -> None:
        """Adds what was hashed now, or on its way here; what was not looked at keeps its mark."""
        before = self._stamp.read()
        marks = dict(before)
        for read in reads:
            if read.right is False:
                marks.pop(read.file.path, None)
            elif read.right and read.status is not None:
                marks[read.file.path] = Mark.of(read.file, read.status)
        for file in self._model.files:
            if file.path in self._model.proven and file.content_key:
                marks[file.path] = Mark.of(file, (self._model.directory / file.path).stat())
        if marks != before:
            self._stamp.write(marks)


def set_aside_path(layout: RepoLayout, file: ManifestFile) -> Path:
    """Beside the blobs, where the standard tools overlook it and `clear` takes it along."""
    return layout.blobs / f"{file.content_key}{_DAMAGED}"


def set_aside_files(layout: RepoLayout) -> list[Path]:
    """The damaged contents of a model that wait to be replaced."""
    return sorted(layout.blobs.glob(f"*{_DAMAGED}"))


def drop_set_aside(layout: RepoLayout) -> None:
    """Once a model is whole again, nothing needs its damaged contents."""
    for path in set_aside_files(layout):
        path.unlink(missing_ok=True)


def not_mended(layout: RepoLayout, error: ImageGenError) -> ImageGenError:
    """What a failed fetch means for a model of which damaged files were set aside."""
    return ImageGenError(
        "CORRUPT_CACHE",
        f"Damaged files of {layout.model_id} were set aside ({', '.join(str(p) for p in set_aside_files(layout))}) and "
        f"could not be fetched again: {error.message} Fix: give this service a way to the hub for one start (unset "
        "HF_HUB_OFFLINE, check HF_ENDPOINT), or bring a backup back with `image-gen restore --input FILE`.",
        retryable=error.retryable,
    )
