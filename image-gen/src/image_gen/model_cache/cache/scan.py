"""Lists the cached models on the volume and in the image, with or without a manifest."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from image_gen.model_cache.cache.host import HostCache, HostCacheStatus
from image_gen.model_cache.cache.lease import in_use, last_used, verified_at
from image_gen.model_cache.cache.locate import has_size, snapshot_files
from image_gen.model_cache.core.filesystem import Mount, mount_of, status_of
from image_gen.model_cache.core.layout import PREFIX, RepoLayout, model_id_of
from image_gen.model_cache.core.manifest import Manifest, ManifestFile, read_manifest
from image_gen.model_cache.core.report import Report
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.manifests.registry import ManifestRegistry

KeptBytes = Callable[[Path, int], int]


@dataclass(frozen=True)
class CachedRevision:
    """A cached model at one revision. Without a manifest, `files` are those of the snapshot."""

    model_id: str
    revision: str | None
    source: Literal["volume", "baked"]
    directory: Path
    files: tuple[ManifestFile, ...]
    manifest: Manifest | None

    @property
    def missing(self) -> list[str]:
        """Paths that are not there at their full size."""
        return [file.path for file in self.files if not has_size(self.directory / file.path, file.size)]

    @property
    def complete(self) -> bool:
        return bool(self.files) and not self.missing


@dataclass(frozen=True)
class CachedModel(Report):
    """One line of `status`; `bytes_used` is what its files take, each content once, on `mount`.

    `bytes_partial` are in files that a download has begun; `bytes_set_aside` is the room that is reserved for the rest
    of them. `verified_at` and `last_used` are Unix times; a service sets `last_used` when it starts to use the model.
    """

    json_bytes = "bytes_used"
    model_id: str
    revision: str | None
    source: Literal["volume", "baked"]
    bytes_used: int
    files: int
    complete: bool
    missing: tuple[str, ...]
    mount: Path
    verified_at: float | None = None
    last_used: float | None = None
    in_use: bool = False
    bytes_partial: int = 0
    bytes_set_aside: int = 0

    def as_json(self) -> dict[str, object]:
        return super().as_json() | {"verified_at": _moment(self.verified_at), "last_used": _moment(self.last_used)}


@dataclass(frozen=True)
class CacheStatus(Report):
    """The state of the cache; `bytes_used` is everything below `hf_home` and the hub's cache."""

    json_bytes = "bytes_used"
    hf_home: Path
    hub_cache: Path
    mount: Mount
    models: tuple[CachedModel, ...]
    bytes_used: int
    host_cache: HostCacheStatus | None = None


def cache_status(settings: CacheSettings, kept: KeptBytes) -> CacheStatus:
    """Changes nothing. `kept` says how many bytes of a file of that size a partial file has."""
    models = tuple(_line(settings, cached, kept) for cached in scan_cache(settings))
    used = disk_usage(settings.hf_home, settings.hub_cache)
    mount, host = mount_of(settings.volume_root), HostCache(settings).status()
    return CacheStatus(settings.hf_home, settings.hub_cache, mount, models, used, host)


def scan_cache(settings: CacheSettings) -> Iterator[CachedRevision]:
    """Every model at every cached revision, those in the image first."""
    for path in sorted(settings.baked_dir.glob("*/manifest.json")):
        manifest = read_manifest(path)
        yield CachedRevision(
            manifest.model_id, manifest.revision, "baked", path.parent / "snapshot", manifest.files, manifest
        )
    for root in repo_roots(settings):
        yield from _of_repo(settings, model_id_of(root.name))


def repo_roots(settings: CacheSettings) -> list[Path]:
    """The directories of models in the hub's cache."""
    return sorted(path for path in settings.hub_cache.glob(f"{PREFIX}*") if path.is_dir())


def disk_usage(*places: Path) -> int:
    """Bytes of all files below, each file once however many links lead to it."""
    seen: dict[tuple[int, int], int] = {}
    for place in places:
        for directory, _, names in os.walk(place):
            for name in names:
                try:
                    status = (Path(directory) / name).lstat()
                except OSError:
                    # Deleted meanwhile, or lost by a network file system.
                    continue
                seen[status.st_dev, status.st_ino] = status.st_size
    return sum(seen.values())


def _of_repo(settings: CacheSettings, model_id: str) -> Iterator[CachedRevision]:
    layout = RepoLayout(settings.hub_cache, model_id)
    here = {path.name for path in (layout.root / "snapshots").glob("*") if path.is_dir()}
    known = {each.revision: each for each in reversed(ManifestRegistry(settings).all_manifests(model_id))}
    for revision in [*(each for each in reversed(known) if each in here), *sorted(here - known.keys())]:
        place, manifest = layout.snapshot(revision), known.get(revision)
        files = manifest.files if manifest else tuple(snapshot_files(place))
        yield CachedRevision(model_id, revision, "volume", place, files, manifest)
    if not here:
        yield CachedRevision(model_id, None, "volume", layout.root / "snapshots", (), None)


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _line(settings: CacheSettings, cached: CachedRevision, kept: KeptBytes) -> CachedModel:
    on_volume = cached.source == "volume"
    layout = RepoLayout(settings.hub_cache, cached.model_id)
    partial, reserved = _partial_bytes(layout, cached, kept) if on_volume else (0, 0)
    paths = {(cached.directory / file.path).resolve() for file in cached.files}
    missing = cached.missing
    return CachedModel(
        model_id=cached.model_id,
        revision=cached.revision,
        source=cached.source,
        bytes_used=sum(path.stat().st_size for path in paths if path.is_file()),
        files=len(cached.files) - len(missing),
        complete=cached.complete,
        missing=tuple(missing),
        mount=mount_of(cached.directory).path,
        verified_at=verified_at(settings, cached.model_id, cached.revision) if on_volume and cached.revision else None,
        last_used=last_used(settings, cached.model_id) if on_volume else None,
        in_use=on_volume and in_use(settings, cached.model_id),
        bytes_partial=partial,
        bytes_set_aside=max(0, reserved - partial),
    )


def _partial_bytes(layout: RepoLayout, cached: CachedRevision, kept: KeptBytes) -> tuple[int, int]:
    """What of the missing files has arrived, and the room that their partial files take."""
    lacking = {file.content_key: file for file in cached.files if file.path in set(cached.missing)}
    places = {layout.partial(key): file.size for key, file in lacking.items() if key}
    statuses = [status for place in places if (status := status_of(place))]
    arrived = sum(kept(place, size) for place, size in places.items())
    return arrived, sum(status.st_blocks * 512 for status in statuses)
