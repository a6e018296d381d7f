"""Brings models back from a backup: unpacked aside, verified whole, and only then moved into the cache."""

from __future__ import annotations

import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, BinaryIO, cast

from image_gen.errors import ImageGenError
from image_gen.model_cache.backup.compression import decompressed
from image_gen.model_cache.backup.extract import Unpacked, unpack
from image_gen.model_cache.backup.format import Listing
from image_gen.model_cache.cache.delete import refuse_to_wait
from image_gen.model_cache.cache.lease import note_verified
from image_gen.model_cache.cache.scan import Holding, holdings
from image_gen.model_cache.core.atomic_files import put_ref, sync_directory
from image_gen.model_cache.core.file_lock import file_lock
from image_gen.model_cache.core.filesystem import clear_errors, require_room
from image_gen.model_cache.core.layout import STAGING, RepoLayout
from image_gen.model_cache.core.progress import OnProgress
from image_gen.model_cache.core.s3_uri import S3Address
from image_gen.model_cache.core.settings import StoreSettings
from image_gen.model_cache.download.verify import verify_holdings
from image_gen.model_cache.manifests.registry import Catalogue


@dataclass(frozen=True)
class RestoreReport:
    """The models that are back, and the bytes of their files."""

    models: tuple[str, ...]
    bytes_restored: int

    def as_json(self) -> dict[str, object]:
        return {"models": list(self.models), "bytes": self.bytes_restored}


def restore(
    settings: StoreSettings, source: Path | S3Address | BinaryIO, *, on_progress: OnProgress | None
) -> RestoreReport:
    """Restores what `back_up` or the guide's tar command stored, compressed or not.

    Nothing of the cache changes before everything is proven; then single files are put in place, each whole, so an
    interruption at any moment leaves a cache that works. Raises BACKUP_INVALID, BACKUP_UNSAFE, CORRUPT_BACKUP,
    DISK_FULL, CACHE_BUSY, S3_….
    """
    with (
        clear_errors(settings.volume_root, "the restore"),
        file_lock(settings.hub_cache / ".locks" / "image-gen-restore.lock", lambda: refuse_to_wait("A backup")),
        _staging(settings) as aside,
        _opened(settings, source) as (stream, size),
    ):
        require_room(settings.hub_cache, size, "the restore")
        unpacked = _unpack(stream, aside.hf_home)
        _complain(unpacked.differences())
        _keep_manifests(aside, unpacked.listing)
        found = [holding for holding in holdings(aside) if holding.revision]
        _prove(aside, found, on_progress)
        stored = sum(_put_back(settings, aside, holding) for holding in found)
        for holding in found:
            note_verified(settings, holding.model_id, str(holding.revision))
    return RestoreReport(tuple(sorted({holding.model_id for holding in found})), stored)


@contextmanager
def _staging(settings: StoreSettings) -> Iterator[StoreSettings]:
    """A cache aside, on the same file system; what an interrupted restore left there goes first."""
    place = settings.hub_cache / STAGING
    shutil.rmtree(place, ignore_errors=True)
    (place / "hub").mkdir(parents=True)
    try:
        yield replace(settings, hf_home=place, hub_cache=place / "hub", baked_dir=place / "none")
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _opened(settings: StoreSettings, source: Path | S3Address | BinaryIO) -> Iterator[tuple[BinaryIO, int]]:
    """The archive and its bytes as far as they are known."""
    if isinstance(source, S3Address):
        from image_gen.model_cache.sources.s3 import Bucket
        from image_gen.model_cache.sources.s3_objects import ObjectReader

        with Bucket(settings, S3Address(source.bucket)) as bucket, closing(ObjectReader(bucket, source.key)) as reader:
            yield cast("BinaryIO", reader), reader.size
        return
    if not isinstance(source, Path):
        yield source, 0
        return
    try:
        stream = source.open("rb")
    except OSError as error:
        raise ImageGenError("BACKUP_INVALID", f"{source} can't be read: {error.strerror}.") from error
    with stream:
        yield stream, os.fstat(stream.fileno()).st_size


def _unpack(stream: BinaryIO, place: Path) -> Unpacked:
    try:
        with tarfile.open(fileobj=cast("IO[bytes]", decompressed(stream)), mode="r|*") as archive:
            unpacked = unpack(archive, place)
    # A TypeError is how tarfile takes a gzip header that is cut short.
    except (tarfile.TarError, EOFError, ValueError, TypeError) as error:
        raise ImageGenError("BACKUP_INVALID", f"The backup is not a whole tar archive: {error}.") from error
    if not unpacked.files:
        raise ImageGenError("BACKUP_INVALID", "The backup holds no models below data/huggingface/hub.")
    return unpacked


def _keep_manifests(aside: StoreSettings, listing: Listing | None) -> None:
    """The service that made the backup may have been shipped with manifests that this one lacks."""
    catalogue = Catalogue(aside)
    for manifest in listing.manifests if listing else ():
        known = catalogue.known(manifest.model_id)
        if all(each.revision != manifest.revision for each in known):
            catalogue.keep(manifest, default=not known)


def _prove(aside: StoreSettings, found: list[Holding], on_progress: OnProgress | None) -> None:
    report = verify_holdings(found, parallel=aside.parallel_files, on_progress=on_progress)
    _complain([f"{model.model_id}: {path}" for model in report.models for path in (*model.damaged, *model.missing)])


def _complain(wrong: list[str]) -> None:
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise ImageGenError(
            "CORRUPT_BACKUP",
            f"The backup is damaged or incomplete ({', '.join(wrong[:3])}{more}); the cache is as it was.",
        )


def _put_back(settings: StoreSettings, aside: StoreSettings, holding: Holding) -> int:
    """Contents first, then what leads to them. Returns the bytes of the contents."""
    source, target = (RepoLayout(each.hub_cache, holding.model_id) for each in (aside, settings))
    stored = 0
    with file_lock(target.lock, lambda: refuse_to_wait(holding.model_id)):
        entries = [holding.directory / file.path for file in holding.files]
        # Only what was proven is put back: the snapshot may hold more.
        for blob in sorted({source.blobs / entry.readlink().name for entry in entries if entry.is_symlink()}):
            stored += blob.stat().st_size
            _put(blob.resolve(), target.blobs / blob.name)
        for entry in entries:
            _put(entry, target.root / entry.relative_to(source.root))
        for ref in sorted((source.root / "refs").rglob("*")):
            if ref.is_file():
                put_ref(target, ref.relative_to(source.root / "refs").as_posix(), ref.read_text().strip())
        for manifest in Catalogue(aside).kept_files(holding.model_id):
            _put(manifest, settings.kept_manifests_dir / manifest.name)
    return stored


def _put(entry: Path, target: Path) -> None:
    """Gives an entry its place in one step. A link is made anew, a file gets a second name until the first one goes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    if entry.is_symlink():
        fresh.symlink_to(entry.readlink())
    else:
        os.link(entry, fresh)
    fresh.replace(target)
    sync_directory(target.parent)
