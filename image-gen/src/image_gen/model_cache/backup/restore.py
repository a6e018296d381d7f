"""Restores models from a backup: extracted to a staging directory, verified, and only then moved into the cache."""

import io
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, cast

from image_gen.errors import BackupInvalidError, CacheBusyError, CorruptBackupError
from image_gen.model_cache.backup.compression import decompressed
from image_gen.model_cache.backup.create import why_incomplete
from image_gen.model_cache.backup.extract import ExtractedFiles, Member, extract_archive
from image_gen.model_cache.backup.format import BackupIndex
from image_gen.model_cache.cache.delete import raise_cache_busy
from image_gen.model_cache.cache.lease import note_verified
from image_gen.model_cache.cache.scan import scan_cache
from image_gen.model_cache.core.atomic_files import link_snapshot, move, read_ref, sync, sync_names, write_ref
from image_gen.model_cache.core.digest import CHUNK_BYTES
from image_gen.model_cache.core.file_lock import file_lock
from image_gen.model_cache.core.filesystem import require_room, translate_os_errors
from image_gen.model_cache.core.layout import RESTORE_LOCK, STAGING, RepoLayout
from image_gen.model_cache.core.manifest import SINGLE_FILES
from image_gen.model_cache.core.progress import Meter, ProgressCallbacks
from image_gen.model_cache.core.report import Report
from image_gen.model_cache.core.s3_uri import S3Uri
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.manifests.registry import ManifestRegistry
from image_gen.model_cache.sources.s3 import S3Bucket
from image_gen.model_cache.sources.s3_objects import S3ObjectReader
from image_gen.reader import place


@dataclass(frozen=True)
class RestoreReport(Report):
    """The restored models, the bytes of their files, the revisions that the backup has not all of, and the branches
    that stay at what is here.
    """

    json_bytes = "bytes_restored"
    models: tuple[str, ...]
    bytes_restored: int
    skipped: tuple[str, ...] = field(default=(), metadata={"json": "set"})
    kept: tuple[str, ...] = field(default=(), metadata={"json": "set"})


def restore(settings: CacheSettings, source: Path | S3Uri | BinaryIO, callbacks: ProgressCallbacks) -> RestoreReport:
    """Restores what `back_up` or the guide's tar command stored, compressed or not.

    Nothing in the cache changes before everything is verified; then single files are put in place atomically, so an
    interruption at any moment leaves a working cache. Raises BACKUP_INVALID, BACKUP_UNSAFE, CORRUPT_BACKUP,
    DISK_FULL, CACHE_BUSY, S3_….
    """
    with (
        file_lock(settings.hub_cache / RESTORE_LOCK, _busy),
        _staging(settings) as aside,
        # While what filled the disk, or took its last inode, is still there.
        translate_os_errors(settings.volume_root, "the restore"),
        _opened(settings, source) as (stream, size),
    ):
        require_room(settings.hub_cache, size, "the restore")
        meter = Meter("verifying", size, 0, callbacks.on_progress)
        extracted = _unpack(stream, aside.hf_home, meter)
        _raise_if_damaged(extracted.differences())
        extracted.share()
        _keep_manifests(aside, extracted.index)
        found = [cached for cached in scan_cache(aside) if cached.revision]
        whole = [each for each in found if each.complete]
        skipped = tuple(why_incomplete(each) for each in found if not each.complete)
        entries = {each.directory: list(extracted.proven(each)) for each in whole}
        damaged = {
            f"{each.model_id}: {file.path}"
            for each in whole
            for file in each.files
            if each.directory / file.path not in entries[each.directory]
        }
        _raise_if_damaged(sorted(damaged) or ([] if whole else list(skipped)))
        for path in extracted.files:
            sync(aside.hf_home / path)
        models = sorted({each.model_id for each in whole})
        stored = 0
        for model in models:
            revisions = {str(each.revision): entries[each.directory] for each in whole if each.model_id == model}
            stored += _put_back(settings, aside, model, revisions)
        kept = []
        for cached in whole:
            layout, revision = RepoLayout(settings.hub_cache, cached.model_id), str(cached.revision)
            for name in cached.refs:
                write_ref(layout, name, revision, move=False)
                if (here := read_ref(layout, name)) != revision:
                    kept.append(f"{name} of {cached.model_id} stays at {here}, the backup had it at {revision}")
            if all(file.content_key for file in cached.files):
                note_verified(settings, cached.model_id, str(cached.revision))
    return RestoreReport(tuple(models), stored, skipped, tuple(kept))


def _busy() -> None:
    raise CacheBusyError("Another restore into this cache is running. Fix: wait until it has ended, then try again.")


@contextmanager
def _staging(settings: CacheSettings) -> Iterator[CacheSettings]:
    """A staging cache on the same file system. Files of an interrupted restore are deleted first."""
    places = [settings.hub_cache / each for each in STAGING]
    for each in places:
        shutil.rmtree(each, ignore_errors=True)
    device = settings.hub_cache.stat().st_dev
    aside = next(each for each in places if each.parent.stat().st_dev == device)
    (aside / "hub").mkdir(parents=True)
    try:
        yield replace(settings, hf_home=aside, hub_cache=aside / "hub", baked_dir=aside / "none")
    finally:
        shutil.rmtree(aside, ignore_errors=True)


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
        stream = source.open("rb", buffering=0)
    except OSError as error:
        text = f"{place(source)} can't be read: {error.strerror}. Fix: give an archive that this user may read."
        raise BackupInvalidError(text) from error
    with stream:
        yield cast("BinaryIO", stream), os.fstat(stream.fileno()).st_size


def _unpack(stream: BinaryIO, aside: Path, meter: Meter) -> ExtractedFiles:
    try:
        # A plain file is read as it is: tarfile's streams copy every byte twice more.
        plain = False
        if isinstance(stream, io.FileIO) and stream.seekable():
            plain = stream.read(tarfile.BLOCKSIZE)[257:262] == b"ustar"
            stream.seek(0)
        tar: BinaryIO = stream if plain else decompressed(stream)
        mode: Any = "r:" if plain else "r|"
        with tarfile.open(fileobj=tar, mode=mode, bufsize=CHUNK_BYTES, tarinfo=Member) as archive:
            extracted = extract_archive(archive, aside, lambda count: meter.add(count, None))
    except (tarfile.TarError, ValueError) as error:
        raise BackupInvalidError(
            f"The backup is not a whole tar archive: {error}; the cache is as it was. Fix: copy it again from where it "
            "was made, or take an older one."
        ) from error
    if not extracted.files:
        raise BackupInvalidError("The backup holds no models below data/huggingface/hub. Fix: give another archive.")
    return extracted


def _keep_manifests(aside: CacheSettings, index: BackupIndex | None) -> None:
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


def _put_back(settings: CacheSettings, aside: CacheSettings, model_id: str, revisions: dict[str, list[Path]]) -> int:
    """Moves the entries of each commit into the cache: blobs first, then what refers to them. Returns their bytes.

    What a start serves by default stays, where it is here: a newer one, say.
    """
    source, target = (RepoLayout(each.hub_cache, model_id) for each in (aside, settings))
    entries = [entry for each in revisions.values() for entry in each]
    links = {entry: entry.readlink().name for entry in entries if entry.is_symlink()}
    contents = [*sorted({source.blobs / name for name in links.values()}), *(set(entries) - links.keys())]
    stored = sum(path.stat().st_size for path in contents)
    contents += [path for path in source.root.glob("trees/*.json") if path.stem in revisions]
    with file_lock(target.lock, lambda: raise_cache_busy(model_id)):
        for path in contents:
            move(path, target.root / path.relative_to(source.root))
        for entry, name in links.items():
            _, revision, *below = entry.relative_to(source.root).parts
            link_snapshot(target, revision, ["/".join(below)], name)
        sync_names(target.root / path.relative_to(source.root) for path in (*contents, *links))
        registry = ManifestRegistry(settings)
        serves = registry.find(model_id, None)
        stays = serves is not None and serves.revision not in revisions and target.snapshot(serves.revision).is_dir()
        for path, manifest in ManifestRegistry(aside).cached_files(model_id).items():
            if manifest and manifest.component in SINGLE_FILES and manifest.revision in revisions:
                # Beside those that were downloaded since the backup.
                registry.keep_file(manifest)
            elif manifest and manifest.revision in revisions:
                registry.keep(manifest, default="@" not in path.name and not stays)
    return stored
