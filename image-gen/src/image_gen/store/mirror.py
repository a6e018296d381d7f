"""Takes models from a directory instead of a hub, for places without one: `<org>/<name>/<revision>/<path>`.

Comes in: a directory that anybody may have filled. Goes out: contents in the cache, each proven by its hash. Must not:
change the directory, or use anything of it that is not what a manifest says.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import defaultdict
from pathlib import Path

from image_gen.errors import ImageGenError
from image_gen.store.catalogue import Catalogue
from image_gen.store.digest import CHUNK_BYTES, ContentDigest
from image_gen.store.fetch import bytes_there, waiting
from image_gen.store.http import check_cancelled
from image_gen.store.layout import RepoLayout
from image_gen.store.locate import is_whole, missing_files
from image_gen.store.lock import file_lock
from image_gen.store.manifest import Manifest, ManifestFile, is_commit, read_manifest
from image_gen.store.place import put_blob, put_links, put_ref
from image_gen.store.progress import Meter, OnProgress
from image_gen.store.settings import StoreSettings
from image_gen.store.volume import clear_errors, require_room

log = logging.getLogger(__name__)
MANIFEST = "manifest.json"


def fill_from_mirror(
    settings: StoreSettings,
    model_id: str,
    revision: str | None,
    on_progress: OnProgress | None,
    cancel: threading.Event,
) -> int:
    """Brings what the mirror has of a model into the cache, and returns the bytes copied. What it lacks, or has
    damaged, is left to the hub and told in the log. Raises DISK_FULL, CACHE_NOT_WRITABLE, CANCELLED, MANIFEST_INVALID.
    """
    if settings.mirror is None:
        return 0
    with clear_errors(settings.mirror, f"looking for {model_id}"):
        found = _find(settings, settings.mirror / model_id, model_id, revision)
    if found is None:
        log.warning("The mirror %s has no %s at %s.", settings.mirror, model_id, revision or "its default revision")
        return 0
    place, manifest = found
    layout = RepoLayout(settings.hub_cache, model_id)
    with (
        clear_errors(settings.volume_root, f"copying {model_id} from {settings.mirror}"),
        file_lock(layout.lock, waiting(layout, manifest, on_progress, cancel)),
    ):
        _remember(settings, layout, manifest, revision)
        return _copy_missing(settings, layout, place, manifest, on_progress=on_progress, cancel=cancel)


def _find(settings: StoreSettings, place: Path, model_id: str, revision: str | None) -> tuple[Path, Manifest] | None:
    """The directory of the revision, and the manifest that its files have to match: ours where one is known."""
    catalogue = Catalogue(settings)
    known = catalogue.find(model_id, revision)
    if known and (place / known.revision).is_dir():
        return place / known.revision, known
    if known:
        return None
    for path in _candidates(place, revision):
        manifest = read_manifest(path / MANIFEST)
        if manifest.model_id != model_id or (revision and is_commit(revision) and manifest.revision != revision):
            raise ImageGenError(
                "MANIFEST_INVALID",
                f"{path / MANIFEST} is of {manifest.model_id} at {manifest.revision}, which is not what lies there.",
            )
        return path, manifest
    return None


def _candidates(place: Path, revision: str | None) -> list[Path]:
    """Where to look without a manifest of our own; without a revision, `main` or the only one that there is."""
    if revision or (place / "main" / MANIFEST).is_file():
        wanted = [place / (revision or "main")]
    else:
        wanted = sorted(path.parent for path in place.glob(f"*/{MANIFEST}"))
        wanted = wanted if len(wanted) == 1 else []
    return [path for path in wanted if (path / MANIFEST).is_file()]


def _remember(settings: StoreSettings, layout: RepoLayout, manifest: Manifest, revision: str | None) -> None:
    catalogue = Catalogue(settings)
    if all(known.revision != manifest.revision for known in catalogue.known(manifest.model_id)):
        catalogue.keep(manifest, default=revision is None)
    if revision is None or not is_commit(revision):
        put_ref(layout, revision or "main", manifest.revision)


def _copy_missing(
    settings: StoreSettings,
    layout: RepoLayout,
    place: Path,
    manifest: Manifest,
    *,
    on_progress: OnProgress | None,
    cancel: threading.Event,
) -> int:
    contents: dict[str, list[ManifestFile]] = defaultdict(list)
    for file in missing_files(layout.snapshot(manifest.revision), manifest):
        contents[file.content_key].append(file)
    for path in (layout.blobs, layout.snapshot(manifest.revision)):
        path.mkdir(parents=True, exist_ok=True)
    needed = sum(group[0].size for group in contents.values())
    require_room(layout.blobs, needed, f"copying {manifest.model_id} from {settings.mirror}")
    meter = Meter("fetching", manifest.bytes_total, bytes_there(layout, manifest), on_progress)
    copied = 0
    for key, group in contents.items():
        source = next((place / each.path for each in group if is_whole(place / each.path, each.size)), None)
        if source is None:
            log.warning("The mirror lacks %s of %s, or has it with another size.", group[0].path, manifest.model_id)
        elif _copy(source, layout, group, meter, cancel):
            put_links(layout, manifest.revision, (each.path for each in group), key)
            copied += group[0].size
            for each in group:
                meter.finish(each.path)
        else:
            log.warning("%s is damaged: it has another hash than the manifest. It was not used.", source)
    return copied


def _copy(source: Path, layout: RepoLayout, group: list[ManifestFile], meter: Meter, cancel: threading.Event) -> bool:
    """Copies a content under its name; False, and nothing is left, when it is not what it should be."""
    file, digest = group[0], ContentDigest(group[0].size)
    # A name that is swept as an orphan when this process dies: a copy is quickly made again.
    fresh = layout.blobs / f"{file.content_key}.{os.getpid():08x}.incomplete"
    done = 0
    try:
        with source.open("rb") as reader, fresh.open("wb") as writer:
            while chunk := reader.read(CHUNK_BYTES):
                check_cancelled(cancel)
                digest.update(chunk)
                writer.write(chunk)
                done += len(chunk)
                meter.add(len(chunk) * len(group), file.path)
            writer.flush()
            os.fsync(writer.fileno())
        if not digest.matches(file):
            meter.add(-done * len(group), file.path)
            return False
        put_blob(fresh, layout.blobs / file.content_key)
        return True
    finally:
        fresh.unlink(missing_ok=True)
