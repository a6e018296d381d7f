"""Downloads models from a mirror, `<org>/<name>/<revision>/<path>`, before the hub is asked.

The mirror is not trusted: each file is verified by its hash, and files that no manifest names are ignored. The mirror
is never changed.
"""

import logging

from image_gen.errors import ManifestInvalidError
from image_gen.model_cache.core.atomic_files import write_ref
from image_gen.model_cache.core.file_lock import file_lock
from image_gen.model_cache.core.layout import RepoLayout
from image_gen.model_cache.core.manifest import Manifest, is_commit, parse_manifest
from image_gen.model_cache.core.progress import ProgressCallbacks
from image_gen.model_cache.core.s3_uri import S3Uri
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.download.downloader import Downloaded, Downloader, wait_for_download
from image_gen.model_cache.manifests.registry import ManifestRegistry
from image_gen.model_cache.sources.local import LocalDirectory
from image_gen.model_cache.sources.s3 import S3Bucket

log = logging.getLogger(__name__)
MANIFEST = "manifest.json"


def download_from_mirror(
    settings: CacheSettings, model_id: str, revision: str | None, callbacks: ProgressCallbacks
) -> Downloaded:
    """Downloads what the mirror has of a model. Missing and damaged files are logged, and left to the hub.

    Raises DISK_FULL, CACHE_NOT_WRITABLE, CANCELLED, MANIFEST_INVALID, and S3_… where a bucket can't be asked: what was
    meant to come from there is not silently downloaded from elsewhere.
    """
    place = settings.mirror
    if place is None:
        return Downloaded()
    with S3Bucket(settings, place, callbacks.cancel) if isinstance(place, S3Uri) else LocalDirectory(place) as mirror:
        found = _find(settings, mirror, model_id, revision)
        if found is None:
            log.warning("The mirror %s has no %s at %s.", mirror.place, model_id, revision or "its default revision")
            return Downloaded()
        path, manifest = found
        layout = RepoLayout(settings.hub_cache, model_id)
        with file_lock(layout.lock, wait_for_download(settings, model_id, lambda: manifest, callbacks)):
            ManifestRegistry(settings).keep_new(manifest, default=revision is None)
            if revision is None or not is_commit(revision):
                write_ref(layout, revision or "main", manifest.revision, move=False)
            return Downloader(settings, manifest, mirror.source(path), callbacks, skip_missing=True).run()


def _find(
    settings: CacheSettings, mirror: LocalDirectory | S3Bucket, model_id: str, revision: str | None
) -> tuple[str, Manifest] | None:
    """The folder of the revision, and the manifest that its files have to match: ours where one is known."""
    known = ManifestRegistry(settings).find(model_id, revision)
    if known:
        path = f"{model_id}/{known.revision}"
        return (path, known) if mirror.holds(path, known) else None
    for path, text in _candidates(mirror, model_id, revision):
        where = f"{mirror.place}/{path}/{MANIFEST}"
        manifest = parse_manifest(text, where)
        if manifest.model_id != model_id or (revision and is_commit(revision) and manifest.revision != revision):
            raise ManifestInvalidError(
                f"{where} is of {manifest.model_id} at {manifest.revision}, which does not match its directory."
            )
        return path, manifest
    return None


def _candidates(mirror: LocalDirectory | S3Bucket, model_id: str, revision: str | None) -> list[tuple[str, str]]:
    """Where to look without a manifest of our own; without a revision, `main` or the only one that there is."""

    def with_manifest(revisions: list[str]) -> list[tuple[str, str]]:
        paths = [f"{model_id}/{each}" for each in revisions]
        return [(path, text) for path in paths if (text := mirror.read(f"{path}/{MANIFEST}")) is not None]

    found = with_manifest([revision or "main"])
    if not found and revision is None:
        found = with_manifest(mirror.folders(model_id))
    return found if len(found) == 1 else []
