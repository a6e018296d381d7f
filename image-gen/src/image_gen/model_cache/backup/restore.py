"""Restores models from a backup: extracted to a staging directory, verified, and only then moved into the cache."""

import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, BinaryIO, cast

from image_gen.errors import BackupInvalidError, CorruptBackupError
from image_gen.model_cache.backup.compression import decompressed
from image_gen.model_cache.backup.extract import ExtractedFiles, extract_archive
from image_gen.model_cache.backup.format import BackupIndex
from image_gen.model_cache.cache.callbacks import ProgressCallbacks
from image_gen.model_cache.cache.delete import raise_cache_busy
from image_gen.model_cache.cache.lease import note_verified
from image_gen.model_cache.cache.scan import CachedRevision, scan_cache
from image_gen.model_cache.core.atomic_files import replacing, write_ref
from image_gen.model_cache.core.file_lock import file_lock
from image_gen.model_cache.core.filesystem import require_room, translate_os_errors
from image_gen.model_cache.core.layout import STAGING, RepoLayout
from image_gen.model_cache.core.report import Report
from image_gen.model_cache.core.s3_uri import S3Uri
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.download.verify import verify_revisions
from image_gen.model_cache.manifests.registry import ManifestRegistry
from image_gen.model_cache.sources.s3 import S3Bucket
from image_gen.model_cache.sources.s3_objects import S3ObjectReader


@dataclass(frozen=True)
class RestoreReport(Report):
    """The restored models, and the bytes of their files."""

    json_bytes = "bytes_restored"
    models: tuple[str, ...]
    bytes_restored: int


def restore(
    settings: CacheSettings, source: Path | S3Uri | BinaryIO, callbacks: ProgressCallbacks | None
) -> RestoreReport:
    """Restores what `back_up` or the guide's tar command stored, compressed or not.

    Nothing in the cache changes before everything is verified; then single files are put in place atomically, so an
    interruption at any moment leaves a working cache. Raises BACKUP_INVALID, BACKUP_UNSAFE, CORRUPT_BACKUP,
    DISK_FULL, CACHE_BUSY, S3_….
    """
    with (
        translate_os_errors(settings.volume_root, "the restore"),
        file_lock(settings.hub_cache / ".locks" / "image-gen-restore.lock", lambda: raise_cache_busy("A backup")),
        _staging(settings) as aside,
        _opened(settings, source) as (stream, size),
    ):
        require_room(settings.hub_cache, size, "the restore")
        extracted = _unpack(stream, aside.hf_home)
        _raise_if_damaged(extracted.differences())
        _cache_manifests(aside, extracted.index)
        found = [cached for cached in scan_cache(aside) if cached.revision]
        models = verify_revisions(found, parallel=aside.parallel_files, callbacks=callbacks).models
        _raise_if_damaged([f"{each.model_id}: {path}" for each in models for path in (*each.damaged, *each.missing)])
        stored = sum(_put_back(settings, aside, cached) for cached in found)
        for cached in found:
            note_verified(settings, cached.model_id, str(cached.revision))
    return RestoreReport(tuple(sorted({cached.model_id for cached in found})), stored)


@contextmanager
def _staging(settings: CacheSettings) -> Iterator[CacheSettings]:
    """A staging cache on the same file system. Files of an interrupted restore are deleted first."""
    place = settings.hub_cache / STAGING
    shutil.rmtree(place, ignore_errors=True)
    (place / "hub").mkdir(parents=True)
    try:
        yield replace(settings, hf_home=place, hub_cache=place / "hub", baked_dir=place / "none")
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _opened(settings: CacheSettings, source: Path | S3Uri | BinaryIO) -> Iterator[tuple[BinaryIO, int]]:
    """The archive and its size, 0 when unknown."""
    if isinstance(source, S3Uri):
        with S3Bucket(settings, S3Uri(source.bucket)) as bucket, closing(S3ObjectReader(bucket, source.key)) as reader:
            yield cast("BinaryIO", reader), reader.size
        return
    if not isinstance(source, Path):
        yield source, 0
        return
    try:
        stream = source.open("rb")
    except OSError as error:
        raise BackupInvalidError(f"{source} can't be read: {error.strerror}.") from error
    with stream:
        yield stream, os.fstat(stream.fileno()).st_size


def _unpack(stream: BinaryIO, place: Path) -> ExtractedFiles:
    try:
        with tarfile.open(fileobj=cast("IO[bytes]", decompressed(stream)), mode="r|*") as archive:
            extracted = extract_archive(archive, place)
    # tarfile raises TypeError for a truncated gzip header.
    except (tarfile.TarError, EOFError, ValueError, TypeError) as error:
        raise BackupInvalidError(f"The backup is not a whole tar archive: {error}.") from error
    if not extracted.files:
        raise BackupInvalidError("The backup holds no models below data/huggingface/hub.")
    return extracted


def _cache_manifests(aside: CacheSettings, index: BackupIndex | None) -> None:
    """The image that made the backup may bundle manifests that this one lacks."""
    registry = ManifestRegistry(aside)
    for manifest in index.manifests if index else ():
        registry.keep_new(manifest, default=not registry.all_manifests(manifest.model_id))


def _raise_if_damaged(wrong: list[str]) -> None:
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise CorruptBackupError(
            f"The backup is damaged or incomplete ({', '.join(wrong[:3])}{more}); the cache is as it was."
        )


def _put_back(settings: CacheSettings, aside: CacheSettings, cached: CachedRevision) -> int:
    """Blobs first, then links and refs. Returns the bytes of the blobs."""
    source, target = (RepoLayout(each.hub_cache, cached.model_id) for each in (aside, settings))
    stored = 0
    with file_lock(target.lock, lambda: raise_cache_busy(cached.model_id)):
        entries = [cached.directory / file.path for file in cached.files]
        # Only verified files are restored: the snapshot may contain more.
        for blob in sorted({source.blobs / entry.readlink().name for entry in entries if entry.is_symlink()}):
            stored += blob.stat().st_size
            _put_entry(blob.resolve(), target.blobs / blob.name)
        for entry in entries:
            _put_entry(entry, target.root / entry.relative_to(source.root))
        for ref in sorted((source.root / "refs").rglob("*")):
            if ref.is_file():
                write_ref(target, ref.relative_to(source.root / "refs").as_posix(), ref.read_text().strip())
        for manifest in ManifestRegistry(aside).cached_files(cached.model_id):
            _put_entry(manifest, settings.cached_manifests_dir / manifest.name)
    return stored


def _put_entry(entry: Path, target: Path) -> None:
    """Puts an entry in place in one step: a link is created again, a file is hard-linked."""
    with replacing(target) as fresh:
        if entry.is_symlink():
            fresh.symlink_to(entry.readlink())
        else:
            os.link(entry, fresh)
