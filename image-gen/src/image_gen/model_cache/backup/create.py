"""Writes the complete models of a volume into a tar archive, as one stream."""

import io
import os
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

from image_gen.errors import BackupFailedError, CorruptCacheError, NothingToBackUpError
from image_gen.model_cache.backup.compression import Compression, compressed
from image_gen.model_cache.backup.format import TOP, BackupIndex, is_wanted
from image_gen.model_cache.cache.scan import scan_cache
from image_gen.model_cache.core.atomic_files import sync_directory
from image_gen.model_cache.core.digest import ContentDigest
from image_gen.model_cache.core.filesystem import translate_os_errors
from image_gen.model_cache.core.layout import BACKUP_INDEX, RepoLayout
from image_gen.model_cache.core.manifest import Manifest
from image_gen.model_cache.core.report import Report
from image_gen.model_cache.core.s3_uri import S3Uri
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.manifests.registry import ManifestRegistry
from image_gen.model_cache.sources.s3 import S3Bucket
from image_gen.model_cache.sources.s3_objects import open_object_writer
from image_gen.reader import cache_command, place

_BUFFER = 1 << 20


@dataclass(frozen=True)
class BackupReport(Report):
    """The models in the backup, those left out because they are incomplete, and the bytes of the files in it."""

    json_bytes = "bytes_stored"
    models: tuple[str, ...]
    skipped: tuple[str, ...]
    bytes_stored: int


def back_up(
    settings: CacheSettings, output: Path | S3Uri | BinaryIO, *, model_id: str | None, compress: Compression | None
) -> BackupReport:
    """Backs up every complete model on the volume, or one. Each blob is verified by its hash as it is read.

    A file appears under its name only when it is whole. Raises NOTHING_TO_BACK_UP, CORRUPT_CACHE,
    DISK_FULL, S3_….
    """
    here = [each for each in scan_cache(settings) if each.source == "volume" and model_id in {None, each.model_id}]
    complete = {each.model_id for each in here if each.complete}
    skipped = sorted({each.model_id for each in here} - complete)
    if not complete:
        what = f"a complete {model_id}" if model_id else "a complete model"
        raise NothingToBackUpError(f"{settings.hub_cache} does not hold {what}.")
    with _opened(settings, output, sum(file.size for each in here if each.complete for file in each.files)) as stream:
        stored = _write(settings, sorted(complete), stream, compress)
    return BackupReport(tuple(sorted(complete)), tuple(skipped), stored)


@contextmanager
def _opened(settings: CacheSettings, output: Path | S3Uri | BinaryIO, expected_bytes: int) -> Iterator[BinaryIO]:
    """A file or an S3 object appears under its name once it is complete; a stream is written as it is."""
    if isinstance(output, Path):
        with translate_os_errors(output.absolute().parent, "the backup"), _complete_file(output) as stream:
            yield stream
    elif isinstance(output, S3Uri):
        with (
            S3Bucket(settings, S3Uri(output.bucket)) as bucket,
            open_object_writer(bucket, output.key, expected_bytes) as stream,
        ):
            yield stream
    else:
        try:
            yield output
        except BrokenPipeError:
            raise
        except OSError as error:
            raise BackupFailedError(f"The backup can't be written: {error.strerror or error}.") from error


@contextmanager
def _complete_file(output: Path) -> Iterator[BinaryIO]:
    """A file that gets its name once it is complete and synced."""
    partial = output.with_name(f"{output.name}.partial")
    try:
        with partial.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(output)
        sync_directory(output.absolute().parent)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


class _Writer:
    """Writes members into an archive, and remembers what it wrote for the listing."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._files: dict[str, str] = {}
        self._links: dict[str, str] = {}
        self.bytes_stored = 0

    def directory(self, path: Path, name: PurePosixPath) -> None:
        self._archive.addfile(_info(path, name, tarfile.DIRTYPE))

    def entry(self, path: Path, name: PurePosixPath) -> None:
        """One file. A link that leads out of its model is replaced by its content; unrelated files are skipped."""
        if path.is_dir() and not path.is_symlink():
            if not any(part.startswith(".") for part in name.parts):
                self.directory(path, name)
        elif not is_wanted(name):
            return
        elif path.is_symlink() and "snapshots" in name.parts:
            info = _info(path, name, tarfile.SYMTYPE)
            info.linkname = self._links[name.as_posix()] = str(path.readlink())
            self._archive.addfile(info)
        else:
            self._file(path, name)

    def index(self, manifests: list[Manifest]) -> None:
        """Last, as it lists the other members."""
        content = BackupIndex(self._files, self._links, manifests).to_json().encode()
        info = tarfile.TarInfo((TOP / BACKUP_INDEX).as_posix())
        info.size, info.mtime = len(content), int(time.time())
        self._archive.addfile(info, io.BytesIO(content))

    def _file(self, path: Path, name: PurePosixPath) -> None:
        with translate_os_errors(path.parents[2], "the backup"):
            opened = path.open("rb")
        with opened as stream:
            info = _info(path, name, tarfile.REGTYPE)
            info.size = os.fstat(stream.fileno()).st_size
            reader = _HashingReader(stream, info.size)
            self._archive.addfile(info, cast("IO[bytes]", reader))
        if "blobs" in name.parts and path.name not in {reader.digest.sha256, reader.digest.git_sha1}:
            raise CorruptCacheError(
                f"{place(path)} is damaged, so no backup was made. Fix: "
                f"`{cache_command('verify --repair')}`, then `{cache_command('prefetch')}`."
            )
        self._files[name.as_posix()] = reader.digest.sha256
        self.bytes_stored += info.size


def _write(settings: CacheSettings, models: list[str], stream: BinaryIO, how: Compression | None) -> int:
    kept, registry = settings.cached_manifests_dir, ManifestRegistry(settings)
    # GNU's format of long names, as the tar of Alpine ignores the newer one.
    with (
        compressed(stream, how) as squeezed,
        tarfile.open(
            fileobj=cast("IO[bytes]", squeezed), mode="w|", format=tarfile.GNU_FORMAT, bufsize=_BUFFER
        ) as archive,
    ):
        writer = _Writer(archive)
        # With their owners, so that plain tar, run as root, does not leave directories that the service can't write.
        parents = [(settings.hf_home, ""), (settings.hub_cache, "hub"), (kept.parent, "image-gen")]
        for path, name in [*parents, (kept, "image-gen/manifests")]:
            if path.is_dir():
                writer.directory(path, PurePosixPath(name))
        for model in models:
            layout = RepoLayout(settings.hub_cache, model)
            for path in [layout.root, *sorted(layout.root.rglob("*"))]:
                writer.entry(path, PurePosixPath("hub", path.relative_to(settings.hub_cache)))
            for path in registry.cached_files(model):
                writer.entry(path, PurePosixPath("image-gen/manifests", path.name))
        here = [each.manifest for each in scan_cache(settings) if each.source == "volume" and each.model_id in models]
        writer.index([manifest for manifest in here if manifest])
    return writer.bytes_stored


def _info(path: Path, name: PurePosixPath, kind: bytes) -> tarfile.TarInfo:
    """Numeric owners and modes are kept, so that a restore by plain tar leaves a cache that its user can write."""
    status = path.lstat() if kind == tarfile.SYMTYPE else path.stat()
    info = tarfile.TarInfo((TOP / name).as_posix())
    info.type = kind
    info.mode = status.st_mode & 0o777
    info.uid, info.gid, info.mtime = status.st_uid, status.st_gid, int(status.st_mtime)
    return info


class _HashingReader:
    """A file that is hashed while the archive reads it."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream = stream
        self.digest = ContentDigest(size)

    def read(self, count: int = -1) -> bytes:
        chunk = self._stream.read(count)
        self.digest.update(chunk)
        return chunk
