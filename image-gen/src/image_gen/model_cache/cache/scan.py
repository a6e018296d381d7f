"""Lists the cached revisions of models on the volume and in the image, with or without a manifest."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR
from typing import Literal

from image_gen.model_cache.cache.locate import has_size, snapshot_files
from image_gen.model_cache.core.atomic_files import read_ref
from image_gen.model_cache.core.layout import PREFIX, RepoLayout, model_id_of
from image_gen.model_cache.core.manifest import Manifest, ManifestFile, read_manifest
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.manifests.registry import ManifestRegistry


@dataclass(frozen=True)
class CachedRevision:
    """A cached model at one revision. Without a manifest, `files` are those of the snapshot."""

    model_id: str
    revision: str | None
    source: Literal["volume", "baked"]
    directory: Path
    files: tuple[ManifestFile, ...]
    manifest: Manifest | None
    refs: tuple[str, ...] = ()

    @property
    def lacking(self) -> list[ManifestFile]:
        """Files that are not there at their full size."""
        return [file for file in self.files if not has_size(self.directory / file.path, file.size)]

    @property
    def missing(self) -> list[str]:
        """The paths of those."""
        return [file.path for file in self.lacking]

    @property
    def complete(self) -> bool:
        return bool(self.files) and not self.missing

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
        manifest = read_manifest(path)
        yield CachedRevision(
            manifest.model_id, manifest.revision, "baked", path.parent / "snapshot", manifest.files, manifest
        )
    for root in repo_roots(settings):
        yield from _of_repo(settings, model_id_of(root.name))


def repo_roots(settings: CacheSettings) -> list[Path]:
    """The directories of models in the hub's cache."""
    return sorted(path for path in settings.hub_cache.glob(f"{PREFIX}*") if path.is_dir())


def refs_of(layout: RepoLayout) -> dict[str, str]:
    """The commit of each branch and tag, such as `main` or `refs/pr/1`, as the hub's clients keep them."""
    below = layout.root / "refs"
    places = (path for path in sorted(below.rglob("*")) if path.is_file() and not path.name.startswith("."))
    names = [path.relative_to(below).as_posix() for path in places]
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
    here = {path.name for path in (layout.root / "snapshots").glob("*") if path.is_dir()}
    known = {each.revision: each for each in reversed(ManifestRegistry(settings).all_manifests(model_id))}
    refs = refs_of(layout)
    for revision in [*(each for each in reversed(known) if each in here), *sorted(here - known.keys())]:
        place, manifest = layout.snapshot(revision), known.get(revision)
        files = manifest.files if manifest else tuple(snapshot_files(place))
        names = tuple(name for name, commit in refs.items() if commit == revision)
        yield CachedRevision(model_id, revision, "volume", place, files, manifest, names)
    if not here:
        yield CachedRevision(model_id, None, "volume", layout.root, (), None)
