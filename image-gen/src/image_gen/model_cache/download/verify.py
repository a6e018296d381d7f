"""Hashes every file of the cached models. Needs no network."""

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from image_gen.model_cache.cache.callbacks import ProgressCallbacks
from image_gen.model_cache.cache.scan import CachedRevision
from image_gen.model_cache.core.filesystem import to_cache_error
from image_gen.model_cache.core.manifest import ManifestFile
from image_gen.model_cache.core.progress import Meter
from image_gen.model_cache.core.report import Report
from image_gen.model_cache.download.page_cache import FileRead, PageCacheReader


@dataclass(frozen=True)
class VerifiedModel(Report):
    """The result for one model. Files in `damaged` have the right size but not the right content; those in
    `unreadable` exist, and may be good; those in `unprovable` have no hash to compare with.
    """

    json_bytes = "bytes_read"
    json_extra = ("ok",)
    model_id: str
    revision: str | None
    source: Literal["volume", "baked"]
    files: int
    bytes_read: int
    damaged: tuple[str, ...]
    missing: tuple[str, ...]
    unreadable: tuple[str, ...] = ()
    unprovable: tuple[str, ...] = ()
    # Why something can't be read, with the fix.
    problem: str = field(default="", metadata={"json": "set"})

    @property
    def ok(self) -> bool:
        """Every byte was compared with a hash."""
        return not (self.damaged or self.missing or self.unreadable or self.unprovable or self.problem)


@dataclass(frozen=True)
class VerifyReport(Report):
    """The verified models. `repaired`: damaged files were quarantined, so that the next start downloads them again."""

    json_extra = ("ok",)
    models: tuple[VerifiedModel, ...]
    repaired: bool = False

    @property
    def ok(self) -> bool:
        return all(model.ok for model in self.models)

    @property
    def is_damaged(self) -> bool:
        return any(model.damaged or model.missing for model in self.models)


def verify_revisions(
    revisions: Iterable[CachedRevision],
    *,
    parallel: int,
    repair: Callable[[CachedRevision, list[FileRead]], bool] | None = None,
    callbacks: ProgressCallbacks | None = None,
) -> VerifyReport:
    """Hashes the files of `revisions`, up to `parallel` at once. `repair` gets the damaged ones of each on the volume,
    and says whether it did anything.
    """
    everything = list(revisions)
    callbacks = callbacks or ProgressCallbacks()
    total = sum(file.size for cached in everything for file in cached.provable)
    meter = Meter("verifying", total, 0, callbacks.on_progress)
    models, repaired = [], False
    for cached in everything:
        reads = _read(cached.directory, cached.provable, min(parallel, _cores()), meter, callbacks.cancel)
        models.append(_result(cached, reads))
        damaged = [read for read in reads if read.matches is False]
        if damaged and cached.source == "volume" and repair is not None:
            repaired |= repair(cached, damaged)
    return VerifyReport(tuple(models), repaired)


def _read(
    directory: Path, files: list[ManifestFile], lanes: int, meter: Meter, cancel: threading.Event
) -> list[FileRead]:
    """Reads as a start does, with as many files at once as there are cores to hash them."""
    rows: list[list[ManifestFile]] = [[] for _ in range(lanes)]
    for file in sorted(files, key=lambda file: -file.size):
        min(rows, key=lambda row: sum(each.size for each in row)).append(file)

    def read(row: list[ManifestFile]) -> list[FileRead]:
        return PageCacheReader(
            directory, row, hashed=lambda _: True, meter=meter, cancel=cancel, threads=max(2, 6 // lanes)
        ).run()

    with ThreadPoolExecutor(lanes) as pool:
        return [each for reads in pool.map(read, rows) for each in reads]


def _result(cached: CachedRevision, reads: list[FileRead]) -> VerifiedModel:
    errors = {read.file.path: read.error for read in reads if read.error}
    problem = next((to_cache_error(each, cached.directory, "verify").message for each in errors.values()), "")
    return VerifiedModel(
        model_id=cached.model_id,
        revision=cached.revision,
        source=cached.source,
        files=len(cached.files),
        bytes_read=sum(read.file.size for read in reads if not read.error),
        damaged=tuple(sorted(read.file.path for read in reads if read.matches is False)),
        missing=cached.missing,
        unreadable=tuple(sorted({*cached.contents.unreadable, *errors})),
        unprovable=cached.unprovable,
        problem=cached.contents.problem or problem,
    )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
