"""Hashes every file of the cached models. Needs no network."""

import os
from dataclasses import dataclass, field
from typing import Literal

from image_gen import reader
from image_gen.errors import ModelNotCachedError
from image_gen.model_cache.cache.lease import note_verified
from image_gen.model_cache.cache.scan import CachedRevision, scan_cache
from image_gen.model_cache.core.filesystem import to_cache_error
from image_gen.model_cache.core.progress import Meter, ProgressCallbacks
from image_gen.model_cache.core.report import Report
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.download.page_cache import THREADS, FileRead, PageCacheReader
from image_gen.model_cache.download.repair import quarantine


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


def verify_models(
    settings: CacheSettings,
    model_id: str | None,
    revision: str | None,
    callbacks: ProgressCallbacks,
    *,
    repair: bool,
) -> VerifyReport:
    """Hashes every file of the cached revisions, or of those of one model, or of one. `repair` quarantines damaged ones
    on the volume. Raises MODEL_NOT_CACHED.
    """
    here = [each for each in scan_cache(settings) if model_id in {None, each.model_id}]
    chosen = [each for each in here if each.revision or each.contents.problem]
    chosen = [each for each in chosen if revision in {None, each.revision}]
    if model_id is not None and not chosen:
        at = f" at {revision}" if revision else ""
        raise ModelNotCachedError(
            f"{reader.place(settings.hub_cache)} does not contain {model_id}{at}. Fix: "
            f"`{reader.cache_command(f'prefetch --model {model_id}')}`."
        )
    total = sum(file.size for cached in chosen for file in cached.provable)
    meter = Meter("verifying", total, 0, callbacks.on_progress)
    models, repaired = [], False
    for cached in chosen:
        files = sorted(cached.provable, key=lambda file: -file.size)
        # As many files at once as there are cores to hash them.
        lanes = min(settings.parallel_files, len(os.sched_getaffinity(0)))
        reads = PageCacheReader(
            cached.directory, files, meter=meter, cancel=callbacks.cancel, threads=max(THREADS, 2 * lanes), lanes=lanes
        ).run()
        models.append(_result(cached, reads))
        damaged = [read for read in reads if read.matches is False]
        if repair and damaged and cached.source == "volume":
            repaired |= bool(quarantine(settings, cached.model_id, cached.directory, damaged, callbacks))
        if models[-1].ok and cached.revision and cached.source == "volume":
            note_verified(settings, cached.model_id, cached.revision)
    return VerifyReport(tuple(models), repaired)


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
