"""Deletes models from the volume, with all that belongs to them, and reports the space that this freed."""

import errno
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from image_gen import reader
from image_gen.errors import CacheBusyError, ModelNotCachedError
from image_gen.model_cache.cache.lease import in_use, model_in_use, unused
from image_gen.model_cache.cache.orphans import delete_orphaned_files, find_orphans
from image_gen.model_cache.cache.scan import disk_usage, repo_roots
from image_gen.model_cache.core.file_lock import file_lock
from image_gen.model_cache.core.filesystem import translate_os_errors
from image_gen.model_cache.core.layout import BACKUP_INDEX, STAGING, RepoLayout, model_id_of
from image_gen.model_cache.core.report import Report
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.core.verification_record import record_files
from image_gen.model_cache.manifests.registry import ManifestRegistry


@dataclass(frozen=True)
class Removal(Report):
    """One deleted model, or with `orphans` that many files that it left behind. `in_use`: a service uses it."""

    json_bytes = "bytes_freed"
    model_id: str
    bytes_freed: int
    orphans: int = field(default=0, metadata={"json": "set"})
    in_use: bool = field(default=False, metadata={"json": "set"})


@dataclass(frozen=True)
class ClearReport(Report):
    """What was deleted, or with `dry_run` would be. `skipped` models are being downloaded: their orphans are kept."""

    json_bytes = "bytes_freed"
    json_extra: ClassVar[tuple[str, ...]] = ("bytes_freed",)
    removed: tuple[Removal, ...]
    dry_run: bool
    skipped: tuple[str, ...] = field(default=(), metadata={"json": "set"})

    @property
    def bytes_freed(self) -> int:
        return sum(removal.bytes_freed for removal in self.removed)


def clear_models(settings: CacheSettings, model_id: str | None, *, dry_run: bool, force: bool = False) -> ClearReport:
    """Deletes one model, or every model when `model_id` is None. Tokens and unrelated files are kept.

    Raises MODEL_NOT_CACHED, MODEL_IN_USE while one is served (unless `force`; nothing was removed then), CACHE_BUSY
    while one is being fetched, and what the file system says.
    """
    everything = cached_ids(settings)
    if model_id is not None and model_id not in everything:
        held = f" It holds {', '.join(sorted(everything))}." if everything else ""
        raise ModelNotCachedError(f"{reader.place(settings.hub_cache)} does not hold {model_id}.{held}")
    chosen = [model_id] if model_id is not None else sorted(everything)
    served = [each for each in chosen if in_use(settings, each)]
    if served and not dry_run and not force:
        raise model_in_use(served)
    removed = tuple(replace(_clear(settings, each, dry_run, force), in_use=each in served) for each in chosen)
    if model_id is None and not dry_run:
        with translate_os_errors(settings.volume_root, "clearing the cache"):
            _remove([settings.hub_cache / STAGING, settings.hf_home / BACKUP_INDEX])
    return ClearReport(removed, dry_run)


def clear_orphans(settings: CacheSettings, *, dry_run: bool) -> ClearReport:
    """Deletes orphans, never a download in progress."""
    with translate_os_errors(settings.volume_root, "looking for orphans"):
        found = find_orphans(settings) if dry_run else delete_orphaned_files(settings)
    removed = tuple(Removal(each.model_id, each.size, orphans=len(each.paths)) for each in found if each.paths)
    return ClearReport(removed, dry_run, tuple(each.model_id for each in found if each.busy))


def raise_cache_busy(model_id: str) -> None:
    """For a model whose lock another process holds."""
    raise CacheBusyError(
        f"{model_id} is being fetched by another process. Wait until it is done, or stop that service, and try again."
    )


def cached_ids(settings: CacheSettings) -> set[str]:
    """Every model of which there is anything on the volume."""
    kept = settings.cached_manifests_dir.glob("*.json")
    return {model_id_of(root.name) for root in repo_roots(settings)} | {
        model_id_of(path.stem.partition("@")[0]) for path in kept
    }


def _clear(settings: CacheSettings, model_id: str, dry_run: bool, force: bool) -> Removal:
    layout = RepoLayout(settings.hub_cache, model_id)
    if dry_run:
        return Removal(model_id, _usage(settings, layout))
    with (
        translate_os_errors(settings.volume_root, f"clearing {model_id}"),
        file_lock(layout.lock, lambda: raise_cache_busy(model_id)),
        unused(settings, model_id, force=force),
    ):
        before = _usage(settings, layout)
        shared = _own_shared_blobs(settings, layout)
        records = record_files(settings, model_id)
        _remove([layout.root, *shared, *ManifestRegistry(settings).cached_files(model_id), *records])
        after = _usage(settings, layout) + sum(path.lstat().st_size for path in shared if path.exists())
        # Last, as it contains the lock; a process that waits for it notices and creates a new one.
        _remove([layout.locks])
    return Removal(model_id, before - after)


def _usage(settings: CacheSettings, layout: RepoLayout) -> int:
    files = [*_own_shared_blobs(settings, layout), *ManifestRegistry(settings).cached_files(layout.model_id)]
    return disk_usage(layout.root) + sum(path.lstat().st_size for path in files)


def _own_shared_blobs(settings: CacheSettings, layout: RepoLayout) -> list[Path]:
    """Blobs that newer hub clients keep beside the models, and no other model uses."""
    others = {root for root in settings.hub_cache.glob("*--*") if root != layout.root}
    used = {target for root in others for target in _shared_targets(settings, root)}
    return sorted(set(_shared_targets(settings, layout.root)) - used)


def _shared_targets(settings: CacheSettings, root: Path) -> list[Path]:
    store = settings.hub_cache / "blobs"
    links = (path for path in (root / "blobs").glob("*") if path.is_symlink())
    return [link.resolve() for link in links if link.exists() and link.resolve().is_relative_to(store.resolve())]


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, onerror=_still_open)
        else:
            path.unlink(missing_ok=True)


def _still_open(_: object, path: str, caught: "tuple[type[BaseException], BaseException, object]") -> None:
    """On NFS, a file that somebody has open stays under another name until it is closed, and so does its directory."""
    error = caught[1]
    if isinstance(error, FileNotFoundError):
        return
    left = Path(path)
    if isinstance(error, OSError) and error.errno in {errno.ENOTEMPTY, errno.EBUSY}:
        names = [each for each in left.rglob("*") if not each.is_dir()] if left.is_dir() else [left]
        if all(each.name.startswith(".nfs") for each in names):
            return
    raise error
