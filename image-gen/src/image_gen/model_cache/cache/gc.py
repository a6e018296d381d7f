"""Makes room: removes what nothing uses, then the models that were not used for longest."""

import time
from collections.abc import Collection
from dataclasses import dataclass

from image_gen.errors import CacheBusyError, ModelInUseError
from image_gen.model_cache.cache.delete import ClearReport, cached_ids, clear_models, clear_orphans
from image_gen.model_cache.cache.lease import in_use, last_used
from image_gen.model_cache.core.filesystem import mount_of
from image_gen.model_cache.core.report import Report
from image_gen.model_cache.core.settings import CacheSettings


@dataclass(frozen=True)
class KeptModel(Report):
    """A model that was kept, and the reason."""

    model_id: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class GcReport(ClearReport):
    """Models removed and kept. `bytes_free` is the room afterwards; `target_free_bytes` is 0 when only age counts."""

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
    keep: Collection[str] = (),
    dry_run: bool = False,
    now: float | None = None,
) -> GcReport:
    """Removes orphans, then models unused for `older_than` seconds, then the longest unused until `keep_free` bytes
    are free. Never a model in use, nor one of `keep`. Raises what the file system says.
    """
    moment = time.time() if now is None else now
    # Where the file system does not say how much is free, nothing is deleted for the sake of it.
    is_known = mount_of(settings.volume_root).is_known
    orphans = clear_orphans(settings, dry_run=dry_run)
    removed = [*orphans.removed]
    kept: list[KeptModel] = []
    freed = sum(removal.bytes_freed for removal in removed) if dry_run else 0
    last_uses = sorted((last_used(settings, each) or 0.0, each) for each in cached_ids(settings))
    for used, model_id in last_uses:
        aged = older_than is not None and moment - used > older_than
        short = keep_free is not None and is_known and _free(settings) + freed < keep_free
        if not (aged or short):
            kept.append(KeptModel(model_id, "used lately" if older_than is not None else "there is room enough"))
            continue
        reason = "it is what the next start serves" if model_id in keep else None
        reason = "in use" if in_use(settings, model_id) else reason
        if reason is None:
            try:
                gone = clear_models(settings, model_id, dry_run=dry_run).removed
            except (CacheBusyError, ModelInUseError) as error:
                reason = "in use" if isinstance(error, ModelInUseError) else "being fetched"
            else:
                removed += gone
                freed += sum(removal.bytes_freed for removal in gone) if dry_run else 0
        if reason is not None:
            kept.append(KeptModel(model_id, reason))
    return GcReport(
        tuple(removed),
        dry_run,
        orphans.skipped,
        kept=tuple(kept),
        bytes_free=_free(settings) + freed,
        target_free_bytes=keep_free or 0,
    )


def _free(settings: CacheSettings) -> int:
    return mount_of(settings.volume_root).bytes_free
