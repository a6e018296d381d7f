"""Orphans: what nothing uses any more. Contents and records that no revision needs, and what killed commands leave:
partial downloads, temporary files, damaged files that were set aside, the copy of a restore, empty directories.

What a living process works on is never deleted: the locks of this package and of the hub's client are checked.
"""

import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from image_gen.model_cache.cache.lease import usage_files
from image_gen.model_cache.cache.scan import contents_in_use, disk_usage, refs_of, repo_roots
from image_gen.model_cache.core.file_lock import file_lock, try_lock
from image_gen.model_cache.core.filesystem import status_of, to_cache_error
from image_gen.model_cache.core.layout import (
    BACKUP_INDEX,
    LOCK,
    PREFIX,
    RESTORE_LOCK,
    STAGING,
    TEMPORARY,
    RepoLayout,
    folder_name,
    model_id_of,
)
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.core.verification_record import record_files, records_dir
from image_gen.model_cache.core.walk import entries, has_files, is_directory, led_to, walk, without_links_above
from image_gen.model_cache.manifests.registry import ManifestRegistry

SHARED = "(shared contents)"
INTERRUPTED = "(interrupted commands)"
# A process of another host may use the same volume without its locks being seen here.
MIN_ORPHAN_AGE_SECONDS = 3600.0
_CONTENT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
# A download under way. Those of the hub's own clients that have digits are never resumed.
_PARTIAL = re.compile(
    r"(?P<key>[0-9a-f]{40}(?:[0-9a-f]{24})?)"
    r"(?:\.image-gen\.(?:part|ranges)|(?:\.ranges|(?P<stranger>\.[0-9a-f]+))?\.incomplete)(?P<new>\.new)?"
)
_DAMAGED = re.compile(r"[0-9a-f]{40,64}\.damaged")
# Whether no process holds a lock. While the orphans are deleted, it is held.
_IsFree = Callable[[Path], bool]


@dataclass(frozen=True)
class Orphans:
    """The orphans of one model. With `busy` it is being downloaded, and nothing was deleted; nor was anything where
    something can't be read, as that may use it: `problem` says what, with the fix.
    """

    model_id: str
    paths: tuple[Path, ...] = ()
    size: int = 0
    busy: bool = False
    problem: str = ""


def find_orphans(settings: CacheSettings) -> list[Orphans]:
    """Changes nothing. May list what another client works on, which `delete_orphaned_files` leaves alone."""

    def of_model(layout: RepoLayout) -> Orphans:
        with try_lock(layout.lock) as free:
            return _orphans(layout.model_id, [] if free is False else _of_model(settings, layout, lambda _: True))

    def of_interrupted() -> Orphans:
        with _interrupted(settings) as interrupted:
            return _orphans(INTERRUPTED, interrupted)

    return _of_all(settings, of_model, of_interrupted, lambda: _orphans(SHARED, _shared(settings, lambda _: True)))


def delete_orphaned_files(settings: CacheSettings, min_age: float = 0) -> list[Orphans]:
    """Deletes the orphans of every model, and what no model references. With `min_age` only what did not change for so
    many seconds.
    """

    def of_model(layout: RepoLayout) -> Orphans:
        if not any(_of_model(settings, layout, lambda _: True)):
            return Orphans(layout.model_id)
        try:
            with file_lock(layout.lock, _give_up), ExitStack() as held:
                # Again under the lock: an orphan may have been linked meanwhile.
                return _delete(layout.model_id, _of_model(settings, layout, _locked(held)), min_age)
        except BlockingIOError:
            return Orphans(layout.model_id, busy=True)

    def of_interrupted() -> Orphans:
        with _interrupted(settings) as interrupted:
            return _delete(INTERRUPTED, interrupted, min_age)

    def shared() -> Orphans:
        with ExitStack() as held:
            return _delete(SHARED, _shared(settings, _locked(held)), min_age)

    return _of_all(settings, of_model, of_interrupted, shared)


def delete_stale_downloads(settings: CacheSettings, layout: RepoLayout) -> None:
    """The same for the contents of one model, whose lock the caller holds, before it downloads. What can't be read
    stops no download.
    """
    with suppress(OSError), ExitStack() as held:
        _delete(layout.model_id, _of_contents(settings, layout, _locked(held)), MIN_ORPHAN_AGE_SECONDS)


def _of_all(
    settings: CacheSettings, of_model: Callable[[RepoLayout], Orphans], *others: Callable[[], Orphans]
) -> list[Orphans]:
    found = []
    looks: list[Callable[[], Orphans]] = [partial(of_model, layout) for layout in _layouts(settings)]
    for look in (*looks, *others):
        try:
            found.append(look())
        except OSError as error:
            problem = to_cache_error(error, settings.volume_root, "the search for orphans").message
            found.append(Orphans("", problem=problem))
    return [each for each in dict.fromkeys(found) if each.paths or each.busy or each.problem]


def _layouts(settings: CacheSettings) -> list[RepoLayout]:
    """Every model of which a directory or a lock is there. A link that leads nowhere may lead to a disk that is not."""
    locks: list[Path] = []
    with suppress(OSError):
        locks = [path for path in entries(settings.hub_cache / ".locks", f"{PREFIX}*") if path.is_dir()]
    ids = {model_id_of(path.name) for path in (*repo_roots(settings), *locks)}
    layouts = (RepoLayout(settings.hub_cache, model_id) for model_id in sorted(ids))
    return [each for each in layouts if each.root.is_dir() or not each.root.is_symlink()]


def _of_model(settings: CacheSettings, layout: RepoLayout, is_free: _IsFree) -> Iterator[Path]:
    registry = ManifestRegistry(settings)
    kept, records = registry.cached_files(layout.model_id), record_files(settings, layout.model_id)
    locks = [path for path in entries(layout.locks) if path != layout.lock]
    for pattern in (f".{folder_name(layout.model_id)}.json.*", f".{folder_name(layout.model_id)}@*.json.*"):
        yield from _temporaries(entries(settings.cached_manifests_dir, pattern))
    if not has_files(layout.root):
        # The lock of a model that is downloaded is held, and so are those of the hub's client.
        if all(is_free(path) for path in locks):
            yield from (*kept, *records)
            yield from (path for path in (layout.root, layout.locks) if path.is_dir())
        return
    yield from (path for path, manifest in kept.items() if manifest is None)
    yield from _of_revisions(layout, registry, records, locks, is_free)
    yield from _of_contents(settings, layout, is_free)


def _of_contents(settings: CacheSettings, layout: RepoLayout, is_free: _IsFree) -> Iterator[Path]:
    # Of other models, too, in a cache where equal files were made links.
    others = contents_in_use(settings, {layout.root})
    linked = {path.name for path in led_to([layout.snapshots], settings.hub_cache)}
    manifests = ManifestRegistry(settings).all_manifests(layout.model_id)
    wanted = {file.content_key for manifest in manifests for file in manifest.files}
    orphans = [
        path
        for path in entries(layout.blobs)
        if _is_orphan(path, linked, wanted)
        and without_links_above(path) not in others
        and is_free(layout.locks / f"{path.name.partition('.')[0]}.lock")
    ]
    # Again, now that the hub's client can't put them in place any more: it may have done so a moment ago.
    linked = {path.name for path in led_to([layout.snapshots], settings.hub_cache)} if orphans else linked
    yield from (path for path in orphans if _is_orphan(path, linked, wanted))
    yield from _temporaries(path for place in (layout.blobs, layout.root / "refs") for path in walk(place))
    # A repository may have files with such names, but none beside the file that it was to replace.
    paths = {layout.snapshot(each.revision) / file.path for each in manifests for file in each.files}
    inside = _temporaries(walk(layout.snapshots))
    yield from (path for path in inside if path.with_name(path.stem.removeprefix(".")) in paths)


def _of_revisions(
    layout: RepoLayout, registry: ManifestRegistry, records: list[Path], locks: list[Path], is_free: _IsFree
) -> Iterator[Path]:
    """Empty snapshots that nothing names, and what was recorded of revisions that are gone."""
    places = [path for path in entries(layout.snapshots) if is_directory(path)]
    named = {*refs_of(layout).values(), *(each.revision for each in registry.all_manifests(layout.model_id))}
    unnamed = [path for path in places if path.name not in named and not path.is_symlink() and not has_files(path)]
    empty = unnamed if all(is_free(path) for path in locks if path.suffix == ".lock") else []
    yield from empty
    here = {path.name for path in places if path not in empty}
    yield from (path for path in records if path.stem.partition("@")[2] not in here)
    for revision in sorted({path.name.rpartition("-")[2] for path in locks if path.match("image-gen.*-*")} - here):
        yield from (path for path in usage_files(layout, revision) if path.exists() and is_free(path))


def _is_orphan(path: Path, linked: set[str], wanted: set[str]) -> bool:
    if _CONTENT.fullmatch(path.name):
        # A blob that a manifest names only lacks its link, which the next start creates.
        return path.name not in linked | wanted
    partial = _PARTIAL.fullmatch(path.name)
    if partial is None:
        return bool(_DAMAGED.fullmatch(path.name))
    # This package resumes its downloads while they are wanted; the hub's own client never resumes one.
    resumable = not partial["stranger"] and not partial["new"]
    return not (resumable and partial["key"] in wanted - linked)


def _temporaries(paths: Iterable[Path]) -> Iterator[Path]:
    """Made under the lock of a model, and then moved to their names."""
    return (path for path in paths if TEMPORARY.fullmatch(path.name) and (path.is_symlink() or path.is_file()))


@contextmanager
def _interrupted(settings: CacheSettings) -> Iterator[list[Path]]:
    """What interrupted restores leave, while no other runs, and records that were half written."""
    records = _temporaries(entries(records_dir(settings)))
    with try_lock(settings.hub_cache / RESTORE_LOCK) as free:
        places = (*(settings.hub_cache / each for each in STAGING), settings.hf_home / BACKUP_INDEX)
        yield [path for path in (*(places if free else ()), *records) if path.exists()]


def _shared(settings: CacheSettings, is_free: _IsFree) -> list[Path]:
    """Blobs beside the models, where newer hub clients keep them, that no model references."""

    def unused(files: list[Path]) -> list[Path]:
        used = contents_in_use(settings) if files else set()
        return [path for path in files if without_links_above(path) not in used]

    # Their bookkeeping (.refs, .lock) has other names, and is left to the client that keeps it.
    store = [path for path in entries(settings.hub_cache / "blobs", "[0-9a-f][0-9a-f]") if is_directory(path)]
    files = [path for place in store for path in entries(place) if re.fullmatch(r"[0-9a-f]{64}", path.name)]
    free = [path for path in unused(files) if is_free(path.with_name(f"{path.name}.lock"))]
    # Again, now that no process can link to them any more.
    return [path for path in unused(free) if not path.with_name(f"{path.name}.lock").exists()]


def _orphans(model_id: str, paths: Iterable[Path]) -> Orphans:
    found = tuple(paths)
    return Orphans(model_id, found, disk_usage(*found))


def _delete(model_id: str, paths: Iterable[Path], min_age: float) -> Orphans:
    found = _orphans(model_id, [path for path in paths if not _changed(path, min_age)])
    for path in found.paths:
        if is_directory(path, follow=False):
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return found


def _changed(path: Path, seconds: float) -> bool:
    """Whether something was written there lately. After a clock was set back, files have times in the future."""
    if not seconds:
        return False
    # The lock that the caller holds says so, with its name.
    below = walk(path) if is_directory(path, follow=False) else ()
    paths = (each for each in (path, *below) if each.name != LOCK)
    times = [status.st_mtime for each in paths if (status := status_of(each))]
    return time.time() - max(times, default=0.0) < seconds


def _locked(held: ExitStack) -> _IsFree:
    # Once each: a process that holds a lock can't take it a second time.
    return cache(lambda path: bool(held.enter_context(try_lock(path))))


def _give_up() -> None:
    raise BlockingIOError
