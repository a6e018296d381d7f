"""Hashes every file of the cached models. Needs no network."""

import errno
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from image_gen.model_cache.cache.callbacks import ProgressCallbacks
from image_gen.model_cache.cache.locate import has_size
from image_gen.model_cache.cache.scan import CachedRevision
from image_gen.model_cache.core.filesystem import translate_os_errors
from image_gen.model_cache.core.progress import Meter
from image_gen.model_cache.core.report import Report
from image_gen.model_cache.download.page_cache import PageCacheReader


@dataclass(frozen=True)
class VerifiedModel(Report):
    """The result for one model; the files in `damaged` have the right size but not the right content."""

    json_bytes = "bytes_read"
    json_extra = ("ok",)
    model_id: str
    revision: str | None
    source: Literal["volume", "baked"]
    files: int
    bytes_read: int
    damaged: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.damaged and not self.missing


@dataclass(frozen=True)
class VerifyReport(Report):
    """The verified models. `repaired`: damaged files were deleted, so that the next start downloads them again."""

    json_extra = ("ok",)
    models: tuple[VerifiedModel, ...]
    repaired: bool = False

    @property
    def ok(self) -> bool:
        return all(model.ok for model in self.models)


def verify_revisions(
    revisions: Iterable[CachedRevision],
    *,
    parallel: int,
    repair: bool = False,
    callbacks: ProgressCallbacks | None = None,
) -> VerifyReport:
    """Hashes the files of `revisions`, up to `parallel` at once. `repair` deletes damaged ones from the volume."""
    everything = list(revisions)
    callbacks = callbacks or ProgressCallbacks()
    total = sum(file.size for cached in everything for file in cached.files)
    meter = Meter("verifying", total, 0, callbacks.on_progress)
    models = [_verify(cached, min(parallel, _cores()), meter, callbacks.cancel) for cached in everything]
    if repair:
        for cached, model in zip(everything, models, strict=True):
            _remove_damaged(cached, model)
    return VerifyReport(tuple(models), repaired=repair and any(model.damaged for model in models))


def _verify(cached: CachedRevision, concurrency: int, meter: Meter, stop: threading.Event) -> VerifiedModel:
    """Reads as a start does, with as many files at once as there are cores to hash them."""
    provable = [file for file in cached.files if file.content_key]
    present = [file for file in provable if has_size(cached.directory / file.path, file.size)]
    with translate_os_errors(cached.directory, f"verifying {cached.model_id}"):
        for file in present:
            _must_be_readable(cached.directory / file.path)
        reads = PageCacheReader(
            cached.directory, present, hashed=lambda _: True, meter=meter, cancel=stop, concurrency=concurrency
        ).run()
    return VerifiedModel(
        model_id=cached.model_id,
        revision=cached.revision,
        source=cached.source,
        files=len(cached.files),
        bytes_read=sum(file.size for file in present),
        damaged=tuple(sorted(read.file.path for read in reads if read.matches is False)),
        missing=tuple(cached.missing),
    )


def _must_be_readable(path: Path) -> None:
    """A file that this user may not read is not damaged, and must not be deleted."""
    if not os.access(path, os.R_OK, effective_ids=True):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _remove_damaged(cached: CachedRevision, model: VerifiedModel) -> None:
    """The next start downloads a missing file again, but would serve a damaged one."""
    if cached.source == "baked":
        return
    with translate_os_errors(cached.directory, f"repairing {cached.model_id}"):
        for path in model.damaged:
            link = cached.directory / path
            link.resolve().unlink(missing_ok=True)
            link.unlink(missing_ok=True)
