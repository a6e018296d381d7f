"""Makes room: removes what nothing uses, then the revisions that were not used for longest."""

import time
from collections.abc import Collection
from dataclasses import dataclass, field

from image_gen.errors import CacheBusyError, ModelInUseError
from image_gen.model_cache.cache.delete import ClearReport, clear_models, clear_orphans
from image_gen.model_cache.cache.lease import in_use, last_used, note_used
from image_gen.model_cache.cache.scan import CachedRevision, scan_cache
from image_gen.model_cache.core.filesystem import mount_of
from image_gen.model_cache.core.layout import RepoLayout
from image_gen.model_cache.core.report import Report
from image_gen.model_cache.core.settings import CacheSettings

# July 2022, when the first cache of this layout was made. A clock that says less was not set.
_FIRST_CACHE = 1_656_633_600.0


@dataclass(frozen=True)
class KeptModel(Report):
    """A revision that was kept, and the reason."""

    model_id: str
    reason: str
    revision: str | None = field(default=None, metadata={"json": "set"})


@dataclass(frozen=True, kw_only=True)
class GcReport(ClearReport):
    """What was removed and kept. `bytes_free` is the room afterwards; `target_free_bytes` is 0 when only age counts."""

    json_extra = ("bytes_freed", "target_met")
    kept: tuple[KeptModel, ...]
    bytes_free: int
    target_free_bytes: int

    @property
    def target_met(self) -> bool:
        return self.bytes_free >= self.target_free_bytes


def collect_garbage(
    settings: CacheSettings,
    *,
    older_than: float | None = None,
    keep_free: int | None = None,
    keep: Collection[tuple[str, str | None]] = (),
    dry_run: bool = False,
) -> GcReport:
    """Removes orphans, then revisions unused for `older_than` seconds, then the longest unused until `keep_free` bytes
    are free. Never one in use, nor one of `keep`: models, each at a revision or at any. Raises what the file system
    says.
    """
    now = time.time()
    # Where the file system does not say how much is free, nothing is deleted for the sake of it.
    is_known = mount_of(settings.volume_root).is_known
    orphans = clear_orphans(settings, dry_run=dry_run)
    removed = [*orphans.removed]
    kept: list[KeptModel] = []
    freed = sum(removal.bytes_freed for removal in removed) if dry_run else 0
    here = [each for each in scan_cache(settings) if each.source == "volume"]
    times = {id(each): _last_sign(settings, each, now) for each in here}
    for cached in sorted(here, key=lambda each: (times[id(each)] or now, each.model_id)):
        used, model_id, revision = times[id(cached)], cached.model_id, cached.revision
        aged = older_than is not None and used is not None and now - used > older_than
        short = keep_free is not None and is_known and _free(settings) + freed < keep_free
        reason = None if aged or short else "used lately" if older_than is not None else "there is room enough"
        if older_than is not None and used is None:
            reason = "its age is not known, and counts from now"
        if RepoLayout(settings.hub_cache, model_id).root.is_symlink():
            reason = "it is a link to another place"
        if keep and {(model_id, None), (model_id, revision)} & set(keep):
            reason = reason or "it is what the next start serves"
        if orphans.unreadable:
            reason = reason or "a part of the cache can't be read, and may use its contents"
        is_used = in_use(settings, model_id, revision)
        if not dry_run and (is_used or used is None):
            note_used(settings, model_id, revision)
        reason = "in use" if is_used and reason != "used lately" else reason
        if reason is None:
            try:
                gone = clear_models(settings, model_id, revision, dry_run=dry_run).removed
            except (CacheBusyError, ModelInUseError) as error:
                reason = "in use" if isinstance(error, ModelInUseError) else "being fetched"
            else:
                removed += gone
                freed += sum(removal.bytes_freed for removal in gone) if dry_run else 0
        if reason is not None:
            kept.append(KeptModel(model_id, reason, revision))
    return GcReport(
        tuple(removed),
        dry_run,
        orphans.skipped,
        orphans.unreadable,
        kept=tuple(kept),
        bytes_free=_free(settings) + freed,
        target_free_bytes=keep_free or 0,
    )


def _last_sign(settings: CacheSettings, cached: CachedRevision, now: float) -> float | None:
    """When a revision was last used, or came here. None where no time can be right, as the clock was wrong then."""
    times = [last_used(settings, cached.model_id, cached.revision) or 0.0, *cached.change_times]
    return max((each for each in times if _FIRST_CACHE < each <= now), default=None)


def _free(settings: CacheSettings) -> int:
    return mount_of(settings.volume_root).bytes_free
