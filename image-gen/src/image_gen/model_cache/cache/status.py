"""The state of the cache: every revision that it holds, what it lacks, and what nothing uses."""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from image_gen.model_cache.cache.host import HostCache, HostCacheStatus
from image_gen.model_cache.cache.lease import in_use, last_used, verified_at
from image_gen.model_cache.cache.orphans import find_orphans
from image_gen.model_cache.cache.scan import CachedRevision, disk_usage, scan_cache
from image_gen.model_cache.core.filesystem import Mount, mount_of, status_of
from image_gen.model_cache.core.layout import RepoLayout
from image_gen.model_cache.core.report import Report
from image_gen.model_cache.core.settings import CacheSettings

KeptBytes = Callable[[Path, int], int]


@dataclass(frozen=True)
class CachedModel(Report):
    """One line of `status`: a model at one revision, on `mount`.

    `bytes_used` is what its files take, each content once, and `bytes_shared` how much of that other revisions of the
    model use as well. `bytes_lacking` are missing; of these `bytes_partial` are in files that a download has begun, and
    `bytes_set_aside` is the room that is reserved for the rest. Of `unprovable` files no hash is known. `verified_at`
    and `last_used` are Unix times; a service sets `last_used` when it begins and ends to use the model.
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
    bytes_shared: int = 0
    bytes_lacking: int = 0
    refs: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    unprovable: tuple[str, ...] = ()
    # Why something can't be read, with the fix.
    problem: str = field(default="", metadata={"json": "set"})

    def as_json(self) -> dict[str, object]:
        return super().as_json() | {"verified_at": _moment(self.verified_at), "last_used": _moment(self.last_used)}


@dataclass(frozen=True)
class CacheStatus(Report):
    """The state of the cache; `bytes_used` is everything below `hf_home` and the hub's cache. Nothing uses the
    `orphans`, which are files and empty directories.
    """

    json_bytes = "bytes_used"
    hf_home: Path
    hub_cache: Path
    mount: Mount
    models: tuple[CachedModel, ...]
    bytes_used: int
    host_cache: HostCacheStatus | None = None
    orphans: int = field(default=0, metadata={"json": "set"})
    bytes_orphaned: int = field(default=0, metadata={"json": "set"})


def cache_status(settings: CacheSettings, kept: KeptBytes) -> CacheStatus:
    """Changes nothing. `kept` says how many bytes of a file of that size a partial file has."""
    cached = list(scan_cache(settings))
    users = Counter(content for each in cached for content in _contents(each))
    used = disk_usage(settings.hf_home, settings.hub_cache)
    orphans = find_orphans(settings)
    return CacheStatus(
        settings.hf_home,
        settings.hub_cache,
        mount_of(settings.volume_root),
        tuple(_line(settings, each, users, kept) for each in cached),
        used,
        HostCache(settings).status(),
        sum(len(each.paths) for each in orphans),
        sum(each.size for each in orphans),
    )


def _contents(cached: CachedRevision) -> dict[Path, int]:
    """The files of a revision that are there, and their sizes; a content that stands under two names is one."""
    places = {Path(os.path.realpath(cached.directory / file.path)) for file in cached.files}
    return {place: status.st_size for place in places if (status := status_of(place))}


def _line(settings: CacheSettings, cached: CachedRevision, users: Counter[Path], kept: KeptBytes) -> CachedModel:
    on_volume, model_id, revision = cached.source == "volume", cached.model_id, cached.revision
    contents, lacking = _contents(cached), cached.lacking
    layout = RepoLayout(settings.hub_cache, model_id)
    partials = {layout.partial(file.content_key): file.size for file in lacking if on_volume and file.content_key}
    reserved = sum(status.st_blocks * 512 for place in partials if (status := status_of(place)))
    arrived = sum(kept(place, size) for place, size in partials.items())
    return CachedModel(
        model_id=model_id,
        revision=revision,
        source=cached.source,
        bytes_used=sum(contents.values()),
        files=len(cached.files) - len(lacking),
        complete=cached.complete,
        missing=cached.missing,
        mount=mount_of(cached.directory).path,
        verified_at=verified_at(settings, model_id, revision) if on_volume and revision else None,
        last_used=_last_used(settings, cached) if on_volume else None,
        in_use=on_volume and in_use(settings, model_id, revision),
        bytes_partial=arrived,
        bytes_set_aside=max(0, reserved - arrived),
        bytes_shared=sum(size for place, size in contents.items() if users[place] > 1),
        bytes_lacking=sum(max(0, file.size) for file in lacking),
        refs=cached.refs,
        unreadable=cached.contents.unreadable,
        unprovable=cached.unprovable,
        problem=cached.contents.problem,
    )


def _last_used(settings: CacheSettings, cached: CachedRevision) -> float | None:
    return last_used(settings, cached.model_id, cached.revision) or max(cached.change_times, default=None)


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
