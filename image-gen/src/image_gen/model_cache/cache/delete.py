"""Deletes revisions and models from the volume, with all that belongs to them, and reports the freed space."""

import errno
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from image_gen import reader
from image_gen.errors import CacheBusyError, ModelNotCachedError
from image_gen.model_cache.cache.lease import in_use, model_in_use, unused, usage_files
from image_gen.model_cache.cache.orphans import delete_orphaned_files, find_orphans
from image_gen.model_cache.cache.scan import contents_in_use, disk_usage, refs_of, repo_roots, revisions_here
from image_gen.model_cache.core.file_lock import file_lock, try_lock
from image_gen.model_cache.core.layout import RepoLayout, model_id_of
from image_gen.model_cache.core.manifest import check_revision
from image_gen.model_cache.core.report import Report
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.core.verification_record import VerificationRecord, record_files
from image_gen.model_cache.core.walk import entries, is_directory, led_to, walk, without_links_above
from image_gen.model_cache.manifests.registry import ManifestRegistry

# Another program that writes into a directory while it is deleted ends within that time, or has to be stopped.
_TRIES, _PAUSE_SECONDS = 20, 0.1
_FEWEST_DIGITS = 7


@dataclass(frozen=True)
class Removal(Report):
    """A deleted model, or one `revision` of it, or with `orphans` that many files that it left behind. `in_use`: a
    service uses it. `linked_to` is where the files are of a model that was only linked here: they were not deleted.
    """

    json_bytes = "bytes_freed"
    model_id: str
    bytes_freed: int
    revision: str | None = field(default=None, metadata={"json": "set"})
    orphans: int = field(default=0, metadata={"json": "set"})
    in_use: bool = field(default=False, metadata={"json": "set"})
    linked_to: Path | None = field(default=None, metadata={"json": "set"})


@dataclass(frozen=True)
class ClearReport(Report):
    """What was deleted, or with `dry_run` would be. `skipped` models are being downloaded: their orphans are kept.
    `unreadable` says, each with the fix, what can't be read, and may use what else would be orphans.
    """

    json_bytes = "bytes_freed"
    json_extra: ClassVar[tuple[str, ...]] = ("bytes_freed",)
    removed: tuple[Removal, ...]
    dry_run: bool
    skipped: tuple[str, ...] = field(default=(), metadata={"json": "set"})
    unreadable: tuple[str, ...] = field(default=(), metadata={"json": "set"})

    @property
    def bytes_freed(self) -> int:
        return sum(removal.bytes_freed for removal in self.removed)


def clear_models(
    settings: CacheSettings, model_id: str | None, revision: str | None = None, *, dry_run: bool, force: bool = False
) -> ClearReport:
    """Deletes one model or one revision of it, or every model when `model_id` is None. Tokens and unrelated files are
    kept. The only revision of a model is deleted with all that there is of the model, as by Hugging Face's tools.

    Raises MODEL_NOT_CACHED, MODEL_IN_USE while one is served (unless `force`; nothing was removed then), CACHE_BUSY
    while one is being fetched, and what the file system says.
    """
    everything = cached_ids(settings)
    if model_id is not None and model_id not in everything:
        held = f"only {', '.join(sorted(everything))}" if everything else "and no other model"
        raise ModelNotCachedError(
            f"{reader.place(settings.hub_cache)} does not hold {model_id}, {held}. Nothing was deleted. Fix: "
            f"`{reader.cache_command('status')}` shows what is cached."
        )
    chosen = [model_id] if model_id is not None else sorted(everything)
    commit = find_revision(settings, model_id, revision) if model_id is not None and revision else None
    served = {each for each in chosen if in_use(settings, each, commit)}
    if served and not dry_run and not force:
        raise model_in_use(settings, sorted(served))
    removed = tuple(_clear(settings, each, commit, dry_run, force, served=each in served) for each in chosen)
    if model_id is None and not dry_run:
        delete_orphaned_files(settings)
    return ClearReport(removed, dry_run)


def clear_orphans(settings: CacheSettings, *, dry_run: bool, min_age: float = 0) -> ClearReport:
    """Deletes orphans, never what a process works on."""
    found = find_orphans(settings) if dry_run else delete_orphaned_files(settings, min_age)
    removed = tuple(Removal(each.model_id, each.size, orphans=len(each.paths)) for each in found if each.paths)
    problems = tuple(each.problem for each in found if each.problem)
    return ClearReport(removed, dry_run, tuple(each.model_id for each in found if each.busy), problems)


def raise_cache_busy(model_id: str) -> None:
    """For a model whose lock another process holds."""
    raise CacheBusyError(
        f"{model_id} is being fetched by another process. Fix: wait until it is done, or stop that one, and try again."
    )


def cached_ids(settings: CacheSettings) -> set[str]:
    """Every model of which there is anything on the volume."""
    kept = entries(settings.cached_manifests_dir, "*.json")
    return {model_id_of(root.name) for root in repo_roots(settings)} | {
        model_id_of(path.stem.partition("@")[0]) for path in kept
    }


def find_revision(settings: CacheSettings, model_id: str, revision: str) -> str:
    """The commit of a branch, a tag, or the beginning of a commit, of which one digit may be a slip."""
    layout = RepoLayout(settings.hub_cache, model_id)
    refs, here = refs_of(layout), revisions_here(layout)
    kept = {each.revision for each in ManifestRegistry(settings).cached(model_id)}
    known = sorted(here | kept | set(refs.values()))
    name = revision if revision in known else check_revision(revision)
    begins = [each for each in known if each == name or (len(name) >= _FEWEST_DIGITS and each.startswith(name.lower()))]
    found = [refs[name]] if name in refs else begins
    if len(found) != 1:
        names = {each: [name for name in refs if refs[name] == each] for each in known}
        held = ", ".join(" ".join([each, *(f"({name})" for name in names[each])]) for each in found or known)
        what = "more than one revision that begins with" if found else "no revision"
        there = f"{what} {revision}{f': {held}' if held else ''}"
        raise ModelNotCachedError(f"{reader.place(layout.root)} holds {there}. Fix: choose one of them.")
    return found[0]


def _clear(
    settings: CacheSettings, model_id: str, commit: str | None, dry_run: bool, force: bool, *, served: bool
) -> Removal:
    layout = RepoLayout(settings.hub_cache, model_id)
    if commit and revisions_here(layout) <= {commit}:
        commit = None
    linked_to = layout.root.resolve() if layout.root.is_symlink() and commit is None else None
    with ExitStack() as held:
        if not dry_run:
            held.enter_context(file_lock(layout.lock, _wait_a_little(model_id)))
            held.enter_context(unused(settings, model_id, commit, force=force))
            if any(held.enter_context(try_lock(path)) is False for path in hub_locks(layout)):
                raise_cache_busy(model_id)
        gone = _belongings(settings, layout, commit)
        counted = [path for path in gone if linked_to is None or path != layout.root]
        size = disk_usage(*counted, *([] if commit else [layout.locks]))
        if not dry_run:
            _remove(gone)
            # What nobody may delete yet, as on NFS, was not freed.
            size -= disk_usage(*gone)
            if commit is None:
                # Last, as it contains the lock; a process that waits for it notices and creates a new one.
                _remove([layout.locks])
    return Removal(model_id, size, commit, in_use=served, linked_to=linked_to)


def _wait_a_little(model_id: str) -> Callable[[], None]:
    """Whoever only looks holds the lock for a moment."""
    tries = iter(range(_TRIES))

    def wait() -> None:
        if next(tries, None) is None:
            raise_cache_busy(model_id)
        time.sleep(_PAUSE_SECONDS)

    return wait


def hub_locks(layout: RepoLayout) -> list[Path]:
    """The locks that the hub's own client holds while it writes a content of a model."""
    return [path for path in entries(layout.locks, "*.lock") if path != layout.lock]


def _belongings(settings: CacheSettings, layout: RepoLayout, commit: str | None) -> list[Path]:
    """All that belongs to a model, or to one revision and to no other, in the order in which it may be deleted: what
    leads to a file before the file.
    """
    model_id = layout.model_id
    manifests = ManifestRegistry(settings).cached_files(model_id)
    snapshots = {layout.snapshots if commit is None else layout.snapshot(commit)}
    used = contents_in_use(settings, {layout.blobs, *snapshots})
    ours = led_to(snapshots, settings.hub_cache)
    blobs = entries(layout.blobs)
    if commit is None:
        places = [*manifests, *record_files(settings, model_id), *_of_root(layout, used)]
    else:
        refs = [layout.ref(name) for name, target in refs_of(layout).items() if target == commit]
        kept = [path for path, manifest in manifests.items() if manifest and manifest.revision == commit]
        record = VerificationRecord(settings, model_id, commit).path
        listed = [layout.root / "trees" / f"{commit}.json", layout.root / ".no_exist" / commit]
        theirs = {path.name for path in led_to([layout.snapshots], settings.hub_cache, snapshots)}
        theirs |= _named(settings, layout, revisions_here(layout) - {commit})
        names = {path.name for path in ours} | _named(settings, layout, {commit})
        # With what was downloaded of them in part.
        blobs = [path for path in blobs if path.name.partition(".")[0] in names - theirs]
        blobs = [path for path in blobs if without_links_above(path) not in used]
        places = [*refs, *kept, record, *listed, *usage_files(layout, commit), layout.snapshot(commit), *blobs]
        used |= led_to([layout.blobs], settings.hub_cache, blobs)
    # What newer hub clients keep beside the models, and nothing else uses. A model that is a link still does elsewhere.
    store = without_links_above(settings.hub_cache / "blobs" / "x").parent
    led = set() if layout.root.is_symlink() else ours | led_to([layout.blobs], settings.hub_cache)
    shared = sorted(path for path in led - used if path.is_relative_to(store) and path.is_file())
    return [*(path for path in places if path.is_symlink() or path.exists()), *shared]


def _of_root(layout: RepoLayout, used: set[Path]) -> list[Path]:
    """A model's directory; or where links of other models lead into it, all the rest of what it holds."""
    root = without_links_above(layout.root)
    if root.is_symlink() or not any(path.is_relative_to(root) for path in used):
        return [layout.root]
    files = (path for path in walk(root) if not is_directory(path, follow=False))
    return [path for path in files if not used & {path, *path.parents}]


def _named(settings: CacheSettings, layout: RepoLayout, commits: set[str]) -> set[str]:
    """The names of the blobs that the manifests of revisions name."""
    manifests = ManifestRegistry(settings).all_manifests(layout.model_id)
    return {name for each in manifests if each.revision in commits for file in each.files for name in file.blob_names}


def _remove(paths: Sequence[Path]) -> None:
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            _remove_tree(path)
        else:
            path.unlink(missing_ok=True)


def _remove_tree(path: Path) -> None:
    """Another process may write into a directory meanwhile: it is tried again, and then named."""
    for tried in range(_TRIES):
        try:
            shutil.rmtree(path, onerror=_still_open)
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise
            if tried + 1 == _TRIES:
                newest = max(walk(path), key=lambda each: each.lstat().st_ctime, default=path)
                raise CacheBusyError(
                    f"Another program writes into {reader.place(path)} ({newest.name}), so not all of it was removed. "
                    "Fix: stop that program, and try again."
                ) from error
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def _still_open(_: object, path: str, caught: "tuple[type[BaseException], BaseException, object]") -> None:
    """On NFS, a file that somebody has open stays under another name until it is closed, and so does its directory."""
    error = caught[1]
    if isinstance(error, FileNotFoundError):
        return
    left = Path(path)
    if isinstance(error, OSError) and error.errno in {errno.ENOTEMPTY, errno.EBUSY}:
        names = [each for each in walk(left) if not each.is_dir()] if left.is_dir() else [left]
        if names and all(each.name.startswith(".nfs") for each in names):
            return
    raise error
