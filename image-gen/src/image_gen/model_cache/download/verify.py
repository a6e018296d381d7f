"""Reads every byte of the models that are here and compares them with their hashes. Needs no network."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from image_gen.model_cache.cache.locate import is_whole
from image_gen.model_cache.cache.scan import Holding
from image_gen.model_cache.core.filesystem import clear_errors
from image_gen.model_cache.core.progress import Meter, OnProgress
from image_gen.model_cache.download.page_cache import Warming


@dataclass(frozen=True)
class VerifiedModel:
    """What became of one model; the paths in `damaged` have their size but not their content."""

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

    def as_json(self) -> dict[str, object]:
        return {
            "id": self.model_id,
            "revision": self.revision,
            "source": self.source,
            "ok": self.ok,
            "files": self.files,
            "bytes": self.bytes_read,
            "damaged": list(self.damaged),
            "missing": list(self.missing),
        }


@dataclass(frozen=True)
class VerifyReport:
    """All that was verified. `repaired` tells that damaged files were removed, to be fetched again."""

    models: tuple[VerifiedModel, ...]
    repaired: bool = False

    @property
    def ok(self) -> bool:
        return all(model.ok for model in self.models)

    def as_json(self) -> dict[str, object]:
        return {"ok": self.ok, "repaired": self.repaired, "models": [model.as_json() for model in self.models]}


def verify_holdings(
    holdings: Iterable[Holding],
    *,
    parallel: int,
    repair: bool = False,
    on_progress: OnProgress | None = None,
    cancel: threading.Event | None = None,
) -> VerifyReport:
    """Hashes the files of `holdings`, `parallel` at once where there are the cores. `repair` removes damaged ones from
    the volume.
    """
    everything = list(holdings)
    total = sum(file.size for holding in everything for file in holding.files)
    meter = Meter("verifying", total, 0, on_progress)
    stop = cancel or threading.Event()
    models = [_verify(holding, min(parallel, _cores()), meter, stop) for holding in everything]
    damaged = any(model.damaged for model in models)
    if repair:
        for holding, model in zip(everything, models, strict=True):
            _remove_damaged(holding, model)
    return VerifyReport(tuple(models), repaired=repair and damaged)


def _verify(holding: Holding, lanes: int, meter: Meter, stop: threading.Event) -> VerifiedModel:
    """Reads as a start does, with as many files at once as there are cores to hash them."""
    provable = [file for file in holding.files if file.content_key]
    present = [file for file in provable if is_whole(holding.directory / file.path, file.size)]
    with clear_errors(holding.directory, f"verifying {holding.model_id}"):
        for file in present:
            _must_be_readable(holding.directory / file.path)
        reads = Warming(holding.directory, present, hashed=lambda _: True, meter=meter, cancel=stop, lanes=lanes).run()
    return VerifiedModel(
        model_id=holding.model_id,
        revision=holding.revision,
        source=holding.source,
        files=len(holding.files),
        bytes_read=sum(file.size for file in present),
        damaged=tuple(sorted(read.file.path for read in reads if read.right is False)),
        missing=tuple(holding.missing),
    )


def _must_be_readable(path: Path) -> None:
    """What only this user may not read is not damaged, and must not be repaired away."""
    if not os.access(path, os.R_OK, effective_ids=True):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _remove_damaged(holding: Holding, model: VerifiedModel) -> None:
    """A missing file is fetched again by the next start, a damaged one would be served."""
    if holding.source == "baked":
        return
    with clear_errors(holding.directory, f"repairing {holding.model_id}"):
        for path in model.damaged:
            link = holding.directory / path
            link.resolve().unlink(missing_ok=True)
            link.unlink(missing_ok=True)
