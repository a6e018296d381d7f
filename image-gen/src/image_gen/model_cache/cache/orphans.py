"""Orphans: blobs that no snapshot references, and abandoned partial downloads.

A file that a living process works on is never deleted: the locks of this package and of the hub's client are checked.
"""

import re
import time
from collections.abc import Callable, Collection
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from image_gen.model_cache.cache.scan import repo_roots
from image_gen.model_cache.core.file_lock import alone, file_lock
from image_gen.model_cache.core.filesystem import translate_os_errors
from image_gen.model_cache.core.layout import RepoLayout, model_id_of
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.manifests.registry import ManifestRegistry

SHARED = "(shared contents)"
# A process of another host may use the same volume without its locks being seen here.
_AGE_SECONDS = 3600.0
_CONTENT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
# A download under way. Those of the hub's own clients that have digits are never resumed.
_PARTIAL = re.compile(
    r"(?P<key>[0-9a-f]{40}(?:[0-9a-f]{24})?)"
    r"(?:\.image-gen\.(?:part|ranges)|(?:\.ranges|(?P<stranger>\.[0-9a-f]+))?\.incomplete)(?:\.new)?"
)


@dataclass(frozen=True)
class Orphans:
    """The orphans of one model. With `busy` it is being downloaded, and nothing was deleted."""

    model_id: str
    paths: tuple[Path, ...]
    size: int
    busy: bool = False


def find_orphans(settings: CacheSettings) -> list[Orphans]:
    """Changes nothing. May list a download in progress, which `delete_orphaned_files` leaves alone."""
    found = [_of_model(settings, model_id_of(root.name), lambda _: True) for root in repo_roots(settings)]
    shared = _shared(settings)
    return [each for each in [*found, _orphans(SHARED, shared)] if each.paths]


def delete_orphaned_files(settings: CacheSettings) -> list[Orphans]:
    """Deletes the orphans of every model, and shared blobs that no model references."""
    swept = []
    for root in repo_roots(settings):
        model_id = model_id_of(root.name)
        if not _of_model(settings, model_id, lambda _: True).paths:
            continue
        try:
            swept.append(_sweep_model(settings, model_id))
        except BlockingIOError:
            swept.append(Orphans(model_id, (), 0, busy=True))
    with ExitStack() as held:
        unlocked = [
            path for path in _shared(settings) if held.enter_context(alone(path.with_name(f"{path.name}.lock")))
        ]
        # Again, now that no process can link to them any more.
        shared = _orphans(SHARED, [path for path in _shared(settings) if path in unlocked])
        _remove(settings, shared)
    return [each for each in [*swept, shared] if each.paths or each.busy]


def delete_stale_downloads(layout: RepoLayout, wanted: Collection[str]) -> None:
    """Deletes old partial downloads of contents that are not `wanted`, and those of the hub's client, which can't be
    resumed. The caller holds the model's lock, so that no other process of this package is at work.
    """
    for path in list(layout.blobs.glob("*.*")):
        partial = _PARTIAL.fullmatch(path.name)
        if not partial or _is_young(path):
            continue
        ours = not partial["stranger"] and not path.name.endswith(".new")
        if ours and partial["key"] in wanted:
            continue
        # A lock that can't be tested may be held.
        with alone(layout.locks / f"{partial['key']}.lock") as free:
            if free:
                path.unlink(missing_ok=True)


def _sweep_model(settings: CacheSettings, model_id: str) -> Orphans:
    layout = RepoLayout(settings.hub_cache, model_id)
    with file_lock(layout.lock, _give_up), ExitStack() as held:

        def is_free(key: str) -> bool:
            return bool(held.enter_context(alone(layout.locks / f"{key}.lock")))

        # Again under the lock: an orphan may have been linked meanwhile.
        orphans = _of_model(settings, model_id, is_free)
        _remove(settings, orphans)
        return orphans


def _of_model(settings: CacheSettings, model_id: str, is_free: Callable[[str], bool]) -> Orphans:
    layout = RepoLayout(settings.hub_cache, model_id)
    linked = {path.readlink().name for path in (layout.root / "snapshots").rglob("*") if path.is_symlink()}
    wanted = {
        file.content_key for manifest in ManifestRegistry(settings).all_manifests(model_id) for file in manifest.files
    }
    paths = [path for path in sorted(layout.blobs.glob("*")) if _is_orphan(path, linked, wanted, is_free)]
    return _orphans(model_id, paths)


def _is_orphan(path: Path, linked: set[str], wanted: set[str], is_free: Callable[[str], bool]) -> bool:
    if _CONTENT.fullmatch(path.name):
        # A blob that a manifest names only lacks its link, which the next start creates.
        return path.name not in linked | wanted and is_free(path.name)
    partial = _PARTIAL.fullmatch(path.name)
    if partial is None:
        return False
    # This package resumes its downloads while they are wanted; the hub's own client never resumes one.
    resumable = not partial["stranger"] and partial["key"] in wanted and partial["key"] not in linked
    return not resumable and is_free(partial["key"])


def _shared(settings: CacheSettings) -> list[Path]:
    """Blobs beside the models, where newer hub clients keep them, that no model references."""
    store = settings.hub_cache / "blobs"
    if not store.is_dir():
        return []
    used = {
        path.resolve()
        for root in settings.hub_cache.glob("*--*")
        for path in (root / "blobs").glob("*")
        if path.is_symlink()
    }
    # Their bookkeeping (.refs, .lock) has other names, and is left to the client that keeps it.
    files = [path for path in store.glob("[0-9a-f][0-9a-f]/*") if re.fullmatch(r"[0-9a-f]{64}", path.name)]
    return sorted(
        path for path in files if path.resolve() not in used and not path.with_name(f"{path.name}.lock").exists()
    )


def _orphans(model_id: str, paths: list[Path]) -> Orphans:
    size = 0
    for path in paths:
        with suppress(OSError):
            size += path.lstat().st_size
    return Orphans(model_id, tuple(paths), size)


def _remove(settings: CacheSettings, orphans: Orphans) -> None:
    with translate_os_errors(settings.volume_root, f"removing orphans of {orphans.model_id}"):
        for path in orphans.paths:
            path.unlink(missing_ok=True)


def _is_young(path: Path) -> bool:
    try:
        # After a clock was set back, files have times in the future.
        return time.time() - path.stat().st_mtime < _AGE_SECONDS
    except OSError:
        return True


def _give_up() -> None:
    raise BlockingIOError
