"""A hub cache of the host, such as that of `hf download`: another place to find models, and files of them.

It is only read: nothing here locks, repairs, deletes or writes in it. What is wrong with it is one line of the log,
with the path that the host knows, and the own cache is used instead.
"""

import errno
import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from image_gen import reader
from image_gen.model_cache.cache.complete import check_files, has_size
from image_gen.model_cache.cache.locate import snapshot_manifest
from image_gen.model_cache.cache.scan import scan_cache
from image_gen.model_cache.core.atomic_files import commit_of
from image_gen.model_cache.core.layout import PREFIX, RepoLayout
from image_gen.model_cache.core.manifest import Manifest, ManifestFile, ReadyModel, ready
from image_gen.model_cache.core.report import Report
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.manifests.select import INDEX
from image_gen.model_cache.sources.local import file_source
from image_gen.model_cache.sources.source import Source
from image_gen.mounts import is_reachable

log = logging.getLogger(__name__)
# Snapshots in which this process has found damage: they are not served, and a host's cache is not repaired.
_DAMAGED: set[Path] = set()


@dataclass(frozen=True)
class HostModel(Report):
    """A pipeline in the host's cache."""

    json_bytes = "bytes_total"
    model_id: str
    revision: str
    bytes_total: int
    complete: bool


@dataclass(frozen=True)
class HostCacheStatus(Report):
    """The host's cache, which is only read; `path` is the host's own. `problem` says why it is not used."""

    path: str
    models: tuple[HostModel, ...] = ()
    problem: str = field(default="", metadata={"json": "set"})


class HostCache:
    """The cache of IMAGE_GEN_HOST_CACHE. Without that setting it holds nothing."""

    def __init__(self, settings: CacheSettings) -> None:
        self._settings = settings
        self.hub = _hub_of(settings.host_cache)
        self.problem = _problem(self.hub, settings.hub_cache) if self.hub else ""

    def locate(self, model_id: str, manifest: Manifest | None, revision: str | None) -> ReadyModel | None:
        """The model, if every file is there and can be read. Without a manifest, what the snapshot says of itself."""
        layout = self._layout(model_id)
        if layout is None or not is_reachable(layout.root):
            return None
        try:
            found = manifest or self._manifest(layout, revision)
        except OSError as error:
            _warn_once(f"{_where(layout.root)} can't be read ({error.strerror}). The own cache is used.")
            return None
        if found is None or layout.snapshot(found.revision) in _DAMAGED:
            return None
        snapshot = layout.snapshot(found.revision)
        contents = check_files(snapshot, found.files)
        if contents.complete:
            return ready(snapshot, found, "host")
        lacking = [*contents.unreadable, *contents.missing]
        if len(lacking) < len(found.files):
            _warn_once(
                f"{_where(snapshot)} has not all of {model_id}: {lacking[0]} and {len(lacking) - 1} more are not "
                "there, incomplete or not readable. The own cache is used; what is complete is copied."
            )
        return None

    def commit_of(self, model_id: str, revision: str | None) -> str | None:
        """The commit of a branch there; `main` where none is named."""
        layout = self._layout(model_id)
        try:
            return commit_of(layout, revision or "main") if layout else None
        except OSError:
            return None

    def source(self, manifest: Manifest, file: ManifestFile) -> Source | None:
        """For a copy of a file, which is verified: one of that content, of any revision of the model."""
        layout = self._layout(manifest.model_id)
        if layout is None:
            return None
        places = [*(layout.blobs / name for name in file.blob_names), layout.snapshot(manifest.revision) / file.path]
        found = next((place for place in places if _is_readable(place, file.size)), None)
        return file_source(_where(found), "It is left as it is.", lambda _: found) if found else None

    def distrust(self, model: ReadyModel, damaged: str) -> None:
        """Never serves this snapshot again, in this process."""
        _DAMAGED.add(model.directory)
        log.warning(
            "%s of %s is damaged in the host's cache, which is left as it is. The own cache is used instead.",
            damaged, _where(model.directory),
        )  # fmt: skip

    def status(self) -> HostCacheStatus | None:
        """None where none is set."""
        if self.hub is None:
            return None
        if self.problem:
            return HostCacheStatus(reader.place(self.hub), problem=self.problem)
        return HostCacheStatus(reader.place(self.hub), tuple(self._models()))

    def _models(self) -> Iterator[HostModel]:
        assert self.hub is not None
        for cached in scan_cache(replace(self._settings, hub_cache=self.hub, baked_dir=self.hub / ".none")):
            if cached.revision and any(file.path == INDEX for file in cached.files):
                size = sum(file.size for file in cached.there)
                yield HostModel(cached.model_id, cached.revision, size, cached.complete)

    def _layout(self, model_id: str) -> RepoLayout | None:
        if self.problem:
            _warn_once(f"{self.problem} The own cache is used.")
        return RepoLayout(self.hub, model_id) if self.hub is not None and not self.problem else None

    def _manifest(self, layout: RepoLayout, revision: str | None) -> Manifest | None:
        """What the cache itself says of a model: the hub's client keeps the list of files, and names contents."""
        commit = commit_of(layout, revision or "main")
        if commit is None:
            return None
        found = snapshot_manifest(layout, commit)
        # A content without a name can't be verified.
        return found if found and all(file.content_key for file in found.files) else None


def _hub_of(place: Path | None) -> Path | None:
    """A hub cache, or the one in a HF_HOME."""
    if place is None:
        return None
    with suppress(OSError):
        if (place / "hub").is_dir() and not any(place.glob(f"{PREFIX}*")):
            return place / "hub"
    return place


def _problem(hub: Path, own: Path) -> str:
    """Why the host's cache can't be used; a cache that is the own one too is not a second place."""
    try:
        with os.scandir(hub) as names:
            next(names, None)
        if own.exists() and own.samefile(hub):
            return f"IMAGE_GEN_HOST_CACHE: {reader.place(hub)} is the own cache."
    except OSError as error:
        why = "there is no such directory" if error.errno == errno.ENOENT else (error.strerror or str(error))
        if error.errno == errno.EACCES:
            why = f"user {os.geteuid()}:{os.getegid()} may not read it"
        fix = reader.setting("IMAGE_GEN_HOST_CACHE", "<directory>")
        return f"IMAGE_GEN_HOST_CACHE: {reader.place(hub)} can't be used ({why}). Fix: {fix}, or leave it out."
    return ""


def _is_readable(path: Path, size: int) -> bool:
    with suppress(OSError):
        return has_size(path, size)
    return False


def _where(path: Path) -> str:
    return f"The host's cache {reader.place(path)}"


@cache
def _warn_once(text: str) -> None:
    log.warning(text)
