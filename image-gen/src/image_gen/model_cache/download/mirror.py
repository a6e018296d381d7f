"""Downloads models from a mirror, `<org>/<name>/<revision>/<path>`, before the hub is asked.

The mirror is not trusted: each file is verified by its hash, and files that no manifest names are ignored. The mirror
is never changed.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from image_gen import reader
from image_gen.errors import DiskFullError, ManifestInvalidError, ManifestNotFoundError
from image_gen.model_cache.core.atomic_files import write_ref
from image_gen.model_cache.core.layout import RepoLayout
from image_gen.model_cache.core.manifest import Manifest, is_commit, parse_manifest
from image_gen.model_cache.core.progress import ProgressCallbacks
from image_gen.model_cache.core.s3_uri import S3Uri
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.core.untrusted_files import parse_json
from image_gen.model_cache.download.downloader import Downloaded, Downloader, download_lock
from image_gen.model_cache.manifests.select import INDEX, lacking
from image_gen.model_cache.sources.local import LocalDirectory
from image_gen.model_cache.sources.s3 import S3Bucket

log = logging.getLogger(__name__)
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Asked:
    """What a mirror is asked for: a model at a revision, of which `known` is the manifest, if there is one; `keep`
    keeps another. `listing` is the mirror's list of it, of which `narrow` takes what is meant: None where that is not
    in it. `what` names that in messages.
    """

    model_id: str
    revision: str | None
    known: Manifest | None
    keep: Callable[[Manifest], None]
    listing: str = MANIFEST
    narrow: Callable[[Manifest], Manifest | None] = lambda manifest: manifest
    what: str = ""

    @property
    def name(self) -> str:
        return f"{self.model_id}/{self.what}" if self.what else self.model_id


def download_from_mirror(settings: CacheSettings, asked: Asked, callbacks: ProgressCallbacks) -> Downloaded:
    """Downloads what the mirror has of a model. Missing and damaged files are logged, and left to the hub, as is all of
    it where its manifest can't be used: the `problem` says why, should the hub not have it either.

    Raises DISK_FULL, CACHE_NOT_WRITABLE, CANCELLED, and S3_… where a bucket can't be asked: what was meant to come from
    there is not silently downloaded from elsewhere.
    """
    place = settings.mirror
    if place is None:
        return Downloaded()
    with open_mirror(settings, place, callbacks.cancel) as mirror:
        revision = asked.revision
        try:
            path, manifest = _find(mirror, asked)
            layout = RepoLayout(settings.hub_cache, asked.model_id)
            with download_lock(settings, asked.model_id, callbacks, lambda: manifest):
                done = Downloader(settings, manifest, mirror.source(path), callbacks, skip_missing=True).run()
                # Kept once it was of use: sizes that no disk has are not asked for again and again.
                asked.keep(manifest)
                if revision is None or not is_commit(revision):
                    write_ref(layout, revision or "main", manifest.revision, move=False)
                return done
        except (ManifestInvalidError, ManifestNotFoundError, DiskFullError) as error:
            if asked.known and isinstance(error, DiskFullError):
                raise
            log.warning("%s The hub is asked.", error.message)
            return Downloaded(problem=error.message)


def open_mirror(settings: CacheSettings, place: Path | S3Uri, cancel: threading.Event) -> LocalDirectory | S3Bucket:
    """Its files, whatever it is."""
    return S3Bucket(settings, place, cancel) if isinstance(place, S3Uri) else LocalDirectory(place)


def _find(mirror: LocalDirectory | S3Bucket, asked: Asked) -> tuple[str, Manifest]:
    """The folder of the revision, and the manifest that its files have to match: ours where one is known. Raises
    MANIFEST_NOT_FOUND and MANIFEST_INVALID.
    """
    model_id, revision, known = asked.model_id, asked.revision, asked.known
    if known and _holds(mirror, path := f"{model_id}/{known.revision}", asked.listing, known):
        return path, known
    found = [] if known else _candidates(mirror, asked)
    if len(found) > 1:
        names = ", ".join(path.rpartition("/")[2] for path, _ in found)
        of_files = f"{model_id}@<one of them> where it is named"
        fix = of_files if asked.listing != MANIFEST else reader.setting("MODEL_REVISION", "<one of them>")
        raise ManifestNotFoundError(f"The mirror {mirror.place} has {asked.name} at {names}. Fix: {fix}.")
    if not found:
        at = f"at {revision}" if revision else "at its default revision"
        raise ManifestNotFoundError(f"The mirror {mirror.place} has no {asked.name} {at}.")
    ((path, text),) = found
    where = f"{mirror.place}/{path}/{asked.listing}"
    manifest = parse_manifest(text, where)
    if manifest.model_id != model_id or (revision and is_commit(revision) and manifest.revision != revision):
        raise ManifestInvalidError(
            f"{where} is of {manifest.model_id} at {manifest.revision}, which does not match its directory."
        )
    if manifest.pipeline and (lacks := _lacking(mirror, path, manifest)):
        raise ManifestInvalidError(f"{where} lacks {', '.join(lacks)}, which {model_id} needs.")
    narrowed = asked.narrow(manifest)
    if narrowed is None:
        raise ManifestNotFoundError(f"The mirror {mirror.place} has no {asked.name} at {manifest.revision}.")
    return path, narrowed


def _holds(mirror: LocalDirectory | S3Bucket, path: str, listing: str, known: Manifest) -> bool:
    return mirror.holds(path, known) if listing == MANIFEST else mirror.read(f"{path}/{listing}") is not None


def _lacking(mirror: LocalDirectory | S3Bucket, path: str, manifest: Manifest) -> list[str]:
    """What the manifest should name; nothing where the mirror does not have the pipeline's index: the hub has."""
    try:
        return lacking(parse_json(mirror.read(f"{path}/{INDEX}") or ""), manifest.files)
    except (ValueError, ManifestInvalidError):
        return []


def _candidates(mirror: LocalDirectory | S3Bucket, asked: Asked) -> list[tuple[str, str]]:
    """Where to look without a manifest of our own; without a revision, `main` or all that there are."""

    def with_manifest(revisions: list[str]) -> list[tuple[str, str]]:
        paths = [f"{asked.model_id}/{each}" for each in revisions]
        return [(path, text) for path in paths if (text := mirror.read(f"{path}/{asked.listing}")) is not None]

    found = with_manifest([asked.revision or "main"])
    if not found and asked.revision is None:
        found = with_manifest(mirror.folders(asked.model_id))
    return found
