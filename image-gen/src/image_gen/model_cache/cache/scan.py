"""Lists the cached revisions of models on the volume and in the image, with or without a manifest."""

import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR
from typing import Literal

from image_gen.model_cache.cache.complete import Contents, check_files, read_tree, snapshot_files
from image_gen.model_cache.cache.locate import snapshot_manifest
from image_gen.model_cache.core.atomic_files import read_ref
from image_gen.model_cache.core.filesystem import to_cache_error
from image_gen.model_cache.core.layout import PREFIX, RepoLayout, model_id_of
from image_gen.model_cache.core.manifest import SINGLE_FILES, Manifest, ManifestFile, read_manifest
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.core.walk import entries, is_directory, led_to, walk
from image_gen.model_cache.manifests.registry import ManifestRegistry


@dataclass(frozen=True)
class CachedRevision:
    """A cached model at one revision. Without a manifest, `files` are those of the snapshot and those that it lacks."""

    model_id: str
    revision: str | None
    source: Literal["volume", "baked"]
    directory: Path
    files: tuple[ManifestFile, ...]
    manifest: Manifest | None
    contents: Contents
    refs: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """Paths that are not there at their full size."""
        return self.contents.missing

    @property
    def lacking(self) -> list[ManifestFile]:
        """The files of those paths."""
        return [file for file in self.files if file.path in self.contents.missing]

    @property
    def complete(self) -> bool:
        return bool(self.files) and self.contents.complete

    @property
    def unprovable(self) -> tuple[str, ...]:
        """Paths that are there, and of which no hash is known."""
        return tuple(file.path for file in self.there if not file.content_key)

    @property
    def provable(self) -> list[ManifestFile]:
        """The files whose content can be compared with a hash."""
        return [file for file in self.there if file.content_key]

    @property
    def there(self) -> list[ManifestFile]:
        """The files that can be read, at their full size."""
        absent = {*self.contents.missing, *self.contents.unreadable}
        return [file for file in self.files if file.path not in absent]

    @property
    def change_times(self) -> Iterator[float]:
        """When its files came here, or were changed. A copy may set every other time, such as that of the original."""
        for path in (self.directory, *self.directory.rglob("*")):
            for follow in (False, True):
                with suppress(OSError):
                    yield path.stat(follow_symlinks=follow).st_ctime


def scan_cache(settings: CacheSettings) -> Iterator[CachedRevision]:
    """Every model at every cached revision, those in the image first."""
    for path in sorted(settings.baked_dir.glob("*/manifest.json")):
        manifest, place = read_manifest(path), path.parent / "snapshot"
        contents = check_files(place, manifest.files)
        yield CachedRevision(manifest.model_id, manifest.revision, "baked", place, manifest.files, manifest, contents)
    for root in repo_roots(settings):
        yield from _of_repo(settings, model_id_of(root.name))


def repo_roots(settings: CacheSettings) -> list[Path]:
    """The directories of models in the hub's cache."""
    return [path for path in entries(settings.hub_cache, f"{PREFIX}*") if path.is_dir()]


def revisions_here(layout: RepoLayout) -> set[str]:
    """The names of a model's snapshots."""
    return {path.name for path in entries(layout.snapshots) if is_directory(path)}


def contents_in_use(settings: CacheSettings, but: Collection[Path] = ()) -> set[Path]:
    """Where the links of the whole cache lead to, but those of some models, blobs or snapshots: what is there must not
    be deleted. Newer hub clients keep contents beside the models, for all kinds of repositories, and tools that make
    equal files links lead from one model to another: so this raises the error of anything that can't be read.
    """
    # A file beside them, such as an archive of a model, has no links.
    roots = [root for root in entries(settings.hub_cache, "*--*") if root not in but and not root.is_file()]
    models = [root / "snapshots" for root in roots if root.name.startswith(PREFIX)]
    return led_to([*models, *(root / "blobs" for root in roots)], settings.hub_cache, but)


def refs_of(layout: RepoLayout) -> dict[str, str]:
    """The commit of each branch and tag, such as `main` or `refs/pr/1`, as the hub's clients keep them. Raises the
    error of one that can't be read.
    """
    below, names = layout.root / "refs", []
    for path in walk(below):
        if not path.name.startswith(".") and path.is_file():
            # What can't be read is not what a power cut has emptied.
            path.open("rb").close()
            names.append(path.relative_to(below).as_posix())
    return {name: commit for name in names if (commit := read_ref(layout, name))}


def disk_usage(*places: Path) -> int:
    """Bytes of all files there and below, each file once however many links lead to it."""
    seen: dict[tuple[int, int], int] = {}
    for place in places:
        for path in (place, *(Path(directory) / name for directory, _, names in os.walk(place) for name in names)):
            # What is not there was deleted meanwhile, or lost by a network file system.
            with suppress(OSError):
                status = path.lstat()
                if not S_ISDIR(status.st_mode):
                    seen[status.st_dev, status.st_ino] = status.st_size
    return sum(seen.values())


def _of_repo(settings: CacheSettings, model_id: str) -> Iterator[CachedRevision]:
    layout = RepoLayout(settings.hub_cache, model_id)
    try:
        here, refs = revisions_here(layout), refs_of(layout)
    except OSError as error:
        contents = Contents(problem=to_cache_error(error, layout.root, "reading the cache").message)
        yield CachedRevision(model_id, None, "volume", layout.root, (), None, contents)
        return
    manifests = ManifestRegistry(settings).all_manifests(model_id)
    known = {each.revision: each for each in reversed(manifests)}
    single = [each for each in manifests if each.component in SINGLE_FILES]
    for revision in [*(each for each in reversed(known) if each in here), *sorted(here - known.keys())]:
        place, manifest = layout.snapshot(revision), known.get(revision)
        names = tuple(name for name, commit in refs.items() if commit == revision)
        try:
            files = manifest.files if manifest else _found_files(layout, revision)
            apart = [file for each in single if each.revision == revision for file in each.files]
            files = tuple({file.path: file for file in (*files, *apart)}.values())
            contents = check_files(place, files)
        except OSError as error:
            files, contents = (), Contents(problem=to_cache_error(error, layout.root, "reading the cache").message)
        yield CachedRevision(model_id, revision, "volume", place, files, manifest, contents, names)
    if not here:
        yield CachedRevision(model_id, None, "volume", layout.root, (), None, Contents())


def _found_files(layout: RepoLayout, revision: str) -> tuple[ManifestFile, ...]:
    """All that is there of a revision without a manifest, and what its pipeline needs besides."""
    place, listed = layout.snapshot(revision), read_tree(layout.root, revision)
    needed = snapshot_manifest(layout, revision)
    files = [*snapshot_files(place, listed), *(needed.files if needed else ())]
    return tuple({file.path: file for file in files}.values())
