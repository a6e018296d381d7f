"""Writes the complete revisions of a volume into a tar archive, as one stream."""

import errno
import io
import logging
import os
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from image_gen.errors import (
    BackupFailedError,
    CorruptCacheError,
    DiskFullError,
    ImageGenError,
    NothingToBackUpError,
)
from image_gen.model_cache.backup.compression import Compression, compressed
from image_gen.model_cache.backup.format import INDEX_FOLLOWS, TOP, BackupIndex, is_wanted
from image_gen.model_cache.cache.complete import snapshot_files
from image_gen.model_cache.cache.scan import CachedRevision, scan_cache
from image_gen.model_cache.core.atomic_files import complete_file, sync_file, sync_names
from image_gen.model_cache.core.digest import ContentDigest, feed
from image_gen.model_cache.core.filesystem import (
    format_bytes,
    mount_of,
    require_room,
    to_cache_error,
    translate_os_errors,
)
from image_gen.model_cache.core.layout import BACKUP_INDEX, RepoLayout
from image_gen.model_cache.core.manifest import is_commit, read_manifest
from image_gen.model_cache.core.report import Report
from image_gen.model_cache.core.s3_uri import S3Uri
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.manifests.registry import ManifestRegistry
from image_gen.model_cache.sources.s3 import S3Bucket
from image_gen.model_cache.sources.s3_objects import open_object_writer
from image_gen.reader import cache_command, place

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BackupReport(Report):
    """The models in the backup, the revisions that were left out with the reason, and the bytes of the files in it."""

    json_bytes = "bytes_stored"
    models: tuple[str, ...]
    skipped: tuple[str, ...]
    bytes_stored: int


def back_up(
    settings: CacheSettings,
    output: Path | S3Uri | BinaryIO,
    *,
    model_id: str | None,
    revision: str | None,
    compress: Compression | None,
) -> BackupReport:
    """Backs up every complete revision on the volume, those of one model, or one. Each file is hashed as it is read.

    A file appears under its name only when it is whole. Raises NOTHING_TO_BACK_UP, CORRUPT_CACHE,
    DISK_FULL, S3_….
    """
    here = [each for each in scan_cache(settings) if each.source == "volume" and model_id in {None, each.model_id}]
    here = [each for each in here if revision in {None, each.revision}]
    chosen = [each for each in here if not why_incomplete(each)]
    skipped = tuple(filter(None, map(why_incomplete, here)))
    if not chosen:
        what = f"a complete {model_id}{f' at {revision}' if revision else ''}" if model_id else "a complete model"
        why = f": {'; '.join(skipped)}" if skipped else ""
        prefetch = cache_command(f"prefetch --model {model_id}") if model_id else cache_command("prefetch")
        text = f"{place(settings.hub_cache)} does not hold {what}{why}. Fix: `{prefetch}`, then run it again."
        raise NothingToBackUpError(text)
    with (
        _opened(settings, output, sum(file.size for each in chosen for file in each.files), compress) as stream,
        compressed(stream, compress) as archive_stream,
    ):
        archive = _Archive(settings, archive_stream)
        archive.begin()
        for model in sorted({each.model_id for each in chosen}):
            archive.model(model, [each for each in chosen if each.model_id == model])
        archive.end(BackupIndex(archive.files, archive.links, [each.manifest for each in chosen if each.manifest]))
    skipped += tuple(archive.left_out)
    return BackupReport(tuple(sorted({each.model_id for each in chosen})), skipped, archive.bytes_stored)


def why_incomplete(cached: CachedRevision) -> str:
    """What a revision lacks, or nothing. A backup of what can't be proven could hold damage that nobody sees."""
    name = f"{cached.model_id}@{cached.revision}" if cached.revision else cached.model_id
    if cached.contents.problem:
        return f"{name} can't be read ({cached.contents.problem})"
    if cached.revision and not is_commit(cached.revision):
        return f"{name} is in a directory that is not named by a commit, which a restore would not take"
    if not cached.complete:
        more = " and others" if cached.missing[1:] else ""
        return f"{name} lacks {cached.missing[0] if cached.missing else 'everything'}{more}"
    return f"{name}: no hash is known of {cached.unprovable[0]}" if cached.unprovable else ""


@contextmanager
def _opened(
    settings: CacheSettings, output: Path | S3Uri | BinaryIO, expected_bytes: int, compress: Compression | None
) -> Iterator[BinaryIO]:
    """A file or an S3 object appears under its name once it is complete; a stream is written as it is."""
    if isinstance(output, Path):
        # A link stays one, and its target is written.
        target = output.resolve()
        if not _is_regular(settings, output, target):
            with _sent(settings), output.open("wb") as stream:
                yield stream
                _flush(stream)
            return
        with translate_os_errors(target.parent, "the backup"):
            if compress is None:
                require_room(target.parent, expected_bytes, "the backup")
            elif 0 < (free := mount_of(target.parent).bytes_free) < expected_bytes:
                log.warning(
                    "Up to %s may be needed, as weights hardly compress, and %s are free: the backup may not fit.",
                    format_bytes(expected_bytes), format_bytes(free),
                )  # fmt: skip
            with complete_file(target) as stream:
                yield stream
            sync_names([target])
    elif isinstance(output, S3Uri):
        with (
            S3Bucket(settings, S3Uri(output.bucket)) as bucket,
            open_object_writer(bucket, output.key, expected_bytes) as stream,
        ):
            yield stream
    else:
        with _sent(settings):
            yield output
            _flush(output)


def _flush(stream: BinaryIO) -> None:
    stream.flush()
    with suppress(io.UnsupportedOperation):
        sync_file(stream.fileno())


@contextmanager
def _sent(settings: CacheSettings) -> Iterator[None]:
    """To a stream, a device or a FIFO: an error without a name is one of it."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.filename:
            raise to_cache_error(error, settings.volume_root, "the backup") from error
        kind = DiskFullError if error.errno == errno.ENOSPC else BackupFailedError
        raise kind(
            f"The backup can't be written to where it is sent: {error.strerror or error}. Fix: make room there, or "
            "give it another place with --output."
        ) from error


def _is_regular(settings: CacheSettings, output: Path, target: Path) -> bool:
    """Whether a file of its own is to be made; False for a device or a FIFO, which is written as it is."""
    shown = place(output)
    if output.is_dir():
        raise BackupFailedError(f"{shown} is a directory. Fix: give a file in it, as in {output / 'backup.tar'}.")
    if not target.parent.is_dir() and not output.exists():
        raise BackupFailedError(f"There is no directory {place(target.parent)}. Fix: make it, or give another one.")
    if target.is_relative_to(settings.hub_cache.resolve()):
        raise BackupFailedError(f"{shown} is in the cache itself. Fix: give a file elsewhere.")
    return output.is_file() or not output.exists()


class _Archive:
    """A tar archive that is written in order: each directory before what is in it, and the index last."""

    def __init__(self, settings: CacheSettings, stream: BinaryIO) -> None:
        self._settings = settings
        self._registry = ManifestRegistry(settings)
        self._stream = stream
        self._hashes: dict[PurePosixPath, ContentDigest] = {}
        self._directories: set[PurePosixPath] = set()
        self.links: dict[str, str] = {}
        self.left_out: list[str] = []
        self.bytes_stored = 0

    @property
    def files(self) -> dict[str, str]:
        return {name.as_posix(): digest.sha256 for name, digest in self._hashes.items()}

    def begin(self) -> None:
        self._stream.write(tarfile.TarInfo.create_pax_global_header({"comment": INDEX_FOLLOWS}))

    def model(self, model_id: str, revisions: list[CachedRevision]) -> None:
        """The contents first, then what refers to them."""
        layout, commits = RepoLayout(self._settings.hub_cache, model_id), {each.revision for each in revisions}
        root = PurePosixPath("hub", layout.root.name)
        for cached in revisions:
            # A directory in it may be a link, whose files are the revision's all the same.
            needed = {file.path: file for file in cached.files}
            others = {file.path for file in snapshot_files(cached.directory) if (cached.directory / file.path).exists()}
            for below in sorted({*needed, *others}):
                path, name = cached.directory / below, root / "snapshots" / str(cached.revision) / below
                # A link that leads out of its model is replaced by its content.
                blob = path.readlink().name if path.is_symlink() else ""
                if blob and is_wanted(root / "blobs" / blob) and (layout.blobs / blob).exists():
                    digest = self._file(layout.blobs / blob, root / "blobs" / blob)
                    link = self.links[name.as_posix()] = os.path.relpath(root / "blobs" / blob, name.parent)
                    self._member(name, path.lstat(), tarfile.SYMTYPE, link)
                else:
                    blob, digest = "", self._file(path, name)
                fine = not blob or blob in digest.names
                if below in needed and not (fine and digest.matches(needed[below])):
                    raise _damaged(path)
                if not fine:
                    # A restore does not take it, nor does the model need it: `verify` does not look at it.
                    self.left_out.append(f"{below} of {model_id}@{cached.revision}, which is damaged and not needed")
        listings = [path for path in layout.root.glob("trees/*.json") if path.stem in commits]
        for path in sorted([*listings, *(layout.ref(name) for cached in revisions for name in cached.refs)]):
            self._file(path, root / path.relative_to(layout.root))
        for path in self._registry.cached_files(model_id):
            with suppress(ImageGenError):
                if read_manifest(path).revision in commits:
                    self._file(path, PurePosixPath("image-gen/manifests", path.name))

    def end(self, index: BackupIndex) -> None:
        content = index.to_json().encode()
        info = tarfile.TarInfo((TOP / BACKUP_INDEX).as_posix())
        info.size, info.mtime = len(content), int(time.time())
        self._header(info)
        self._stream.write(content + bytes(-len(content) % tarfile.BLOCKSIZE + 2 * tarfile.BLOCKSIZE))

    def _file(self, path: Path, name: PurePosixPath) -> ContentDigest:
        if name in self._hashes:
            return self._hashes[name]
        with path.open("rb", buffering=0) as stream:
            size = self._member(name, os.fstat(stream.fileno()), tarfile.REGTYPE)
            digest = self._hashes[name] = ContentDigest(size)
            if feed(stream, digest, self._stream.write, size) != size:
                raise _damaged(path)
        self._stream.write(bytes(-size % tarfile.BLOCKSIZE))
        self.bytes_stored += size
        return digest

    def _member(self, name: PurePosixPath, status: os.stat_result, kind: bytes, link: str = "") -> int:
        """With owners and modes, also of the directories above: plain tar, run as root, restores what a service that is
        not root can write.
        """
        homes = {"hub": self._settings.hub_cache, "image-gen": self._settings.hf_home / "image-gen"}
        for above in reversed(name.parents):
            if above not in self._directories:
                self._directories.add(above)
                top = homes[above.parts[0]] if above.parts else self._settings.hf_home
                self._member(above, top.joinpath(*above.parts[1:]).stat(), tarfile.DIRTYPE)
        info = tarfile.TarInfo((TOP / name).as_posix())
        info.type, info.linkname, info.size = kind, link, status.st_size if kind == tarfile.REGTYPE else 0
        info.mode, info.mtime = status.st_mode & 0o777, int(status.st_mtime)
        info.uid, info.gid = status.st_uid, status.st_gid
        self._header(info)
        return info.size

    def _header(self, info: tarfile.TarInfo) -> None:
        # GNU's format of long names, as the tar of Alpine ignores the newer one.
        self._stream.write(info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape"))


def _damaged(path: Path) -> CorruptCacheError:
    return CorruptCacheError(
        f"{place(path)} is damaged, so no backup was made. Fix: `{cache_command('verify --repair')}`, then "
        f"`{cache_command('prefetch')}`."
    )
