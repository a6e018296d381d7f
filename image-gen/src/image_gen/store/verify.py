"""Reads every byte of the models that are here and compares them with their hashes. Needs no network."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from image_gen.store.attempts import check_cancelled
from image_gen.store.digest import CHUNK_BYTES, ContentDigest
from image_gen.store.inventory import Holding
from image_gen.store.locate import is_whole
from image_gen.store.manifest import ManifestFile
from image_gen.store.progress import Meter, OnProgress
from image_gen.store.volume import clear_errors


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
    """Hashes the files of `holdings`, a few at once. With `repair`, damaged files on the volume are removed."""
    everything = list(holdings)
    total = sum(file.size for holding in everything for file in holding.files)
    meter = Meter("verifying", total, 0, on_progress)
    stop = cancel or threading.Event()
    with ThreadPoolExecutor(parallel, thread_name_prefix="verify") as pool:
        models = [_verify(pool, holding, meter, stop) for holding in everything]
    damaged = any(model.damaged for model in models)
    if repair:
        for holding, model in zip(everything, models, strict=True):
            _remove_damaged(holding, model)
    return VerifyReport(tuple(models), repaired=repair and damaged)


def _verify(pool: ThreadPoolExecutor, holding: Holding, meter: Meter, stop: threading.Event) -> VerifiedModel:
    provable = [file for file in holding.files if file.content_key]
    present = [file for file in provable if is_whole(holding.directory / file.path, file.size)]
    # The largest first: it decides when all is done.
    present.sort(key=lambda file: -file.size)
    right = list(pool.map(lambda file: _is_right(holding, file, meter, stop), present))
    return VerifiedModel(
        model_id=holding.model_id,
        revision=holding.revision,
        source=holding.source,
        files=len(holding.files),
        bytes_read=sum(file.size for file in present),
        damaged=tuple(sorted(file.path for file, fine in zip(present, right, strict=True) if not fine)),
        missing=tuple(holding.missing),
    )


def _is_right(holding: Holding, file: ManifestFile, meter: Meter, stop: threading.Event) -> bool:
    digest = ContentDigest(file.size)
    path = holding.directory / file.path
    with clear_errors(holding.directory, f"verifying {holding.model_id}"), path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            check_cancelled(stop)
            digest.update(chunk)
            meter.add(len(chunk), file.path)
    meter.finish(file.path)
    return digest.matches(file)


def _remove_damaged(holding: Holding, model: VerifiedModel) -> None:
    """A missing file is fetched again by the next start, a damaged one would be served."""
    if holding.source == "baked":
        return
    with clear_errors(holding.directory, f"repairing {holding.model_id}"):
        for path in model.damaged:
            link = holding.directory / path
            link.resolve().unlink(missing_ok=True)
            link.unlink(missing_ok=True)
