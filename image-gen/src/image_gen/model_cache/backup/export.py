"""Exports a model as plain files, for a container image or a mirror: no links, no caches, the same bytes every time."""

import os
import shutil
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from image_gen.errors import CorruptCacheError, ImageGenError
from image_gen.model_cache.core.atomic_files import complete_file, partial_of, raise_busy, sync_names, write_atomic
from image_gen.model_cache.core.digest import ContentDigest, feed
from image_gen.model_cache.core.file_lock import file_lock
from image_gen.model_cache.core.filesystem import require_room, translate_os_errors
from image_gen.model_cache.core.layout import BAKED_REVISION, folder_name
from image_gen.model_cache.core.manifest import (
    SINGLE_FILES,
    Manifest,
    ReadyModel,
    is_commit,
    parse_manifest,
    read_manifest,
)
from image_gen.model_cache.core.report import Report
from image_gen.model_cache.core.s3_uri import S3Uri
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.sources.s3 import S3Bucket
from image_gen.model_cache.sources.s3_objects import open_object_writer
from image_gen.reader import cache_command

_MANIFEST = "manifest.json"
# Layers of an image are compared with their times, so nothing may carry the time of the build.
_TIME = 1_000_000_000


@dataclass(frozen=True)
class ExportReport(Report):
    """The exported model's location, the bytes of its files, what it is apart from a pipeline (`LoRA`), and what was
    exported with it: a VAE, say.
    """

    json_bytes = "bytes_total"
    directory: Path | S3Uri
    model_id: str
    revision: str
    bytes_total: int
    component: str | None = field(default=None, metadata={"json": "set"})
    others: tuple["ExportReport", ...] = field(default=(), metadata={"json": "set"})


def export(settings: CacheSettings, model: ReadyModel, output: Path | S3Uri, cancel: threading.Event) -> ExportReport:
    """Copies a complete model to `output/<org>/<name>/<revision>/`, as a mirror holds it, and verifies each file.

    A file appears whole or not at all, and `manifest.json` last, as the sign that the export is complete: an earlier
    one stays whole at any moment. Single files of a repository have a list of their own there, such as `loras.json`,
    to which they are added. Raises CORRUPT_CACHE, DISK_FULL, CACHE_NOT_WRITABLE, CANCELLED, S3_….
    """
    below, listing = f"{model.model_id}/{model.revision}", SINGLE_FILES.get(model.component or "")
    name = f"{listing}.json" if listing else _MANIFEST
    if isinstance(output, Path):
        return _to_directory(model, output / below, "", f"mirroring {model.model_id}", name)
    with S3Bucket(settings, output, cancel) as bucket:
        before = bucket.read(f"{below}/{name}") if listing else None
        listed = model.with_files_of(_parsed(before, model)) if before else model
        _copy(model, "", lambda path, size: open_object_writer(bucket, f"{below}/{path}", size), name, listed)
    return ExportReport(output / below, model.model_id, model.revision, model.bytes_total, model.component)


def export_baked(
    model: ReadyModel, output: Path, *, name: str | None = None, revision: str | None = None
) -> ExportReport:
    """The same as `output/<name>/{manifest.json,snapshot/}`, for an image; the name is `<org>--<name>` for a model.
    `revision` is the one that was named: a branch or tag is noted, by which a start may ask for the model, too.
    """
    place = output / (name or folder_name(model.model_id))
    report = _to_directory(model, place, "snapshot/", f"baking {model.model_id}")
    with translate_os_errors(place, f"baking {model.model_id}"):
        (place / BAKED_REVISION).unlink(missing_ok=True)
        if revision and not is_commit(revision):
            write_atomic(place / BAKED_REVISION, revision)
            _settle(place / BAKED_REVISION)
        _settle(place)
    return report


def _to_directory(model: ReadyModel, place: Path, below: str, what: str, name: str = _MANIFEST) -> ExportReport:
    def create(path: str, _: int) -> AbstractContextManager[BinaryIO]:
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        return complete_file(place / path)

    lock = place.with_name(f".{place.name}.lock")
    with translate_os_errors(place.parent, what), file_lock(lock, lambda: raise_busy(place)):
        is_new = not place.exists()
        try:
            # The second is that of an export that has not ended.
            manifest, begun = place / name, place / f".{name}.begun"
            before = [each for each in map(_exported, (manifest, begun)) if each]
            made = {place / below / file.path for each in before for file in each.files}
            kept = before[0] if name != _MANIFEST and manifest.exists() and before else None
            listed = model.with_files_of(kept)
            wanted = {manifest, *(place / below / file.path for file in listed.files)}
            # What is left of an export of another revision must not be taken for this one.
            if any(each.revision != model.revision for each in before):
                _remove(made - wanted, place)
                manifest.unlink(missing_ok=True)
            # A killed export leaves files that are in no manifest yet.
            write_atomic(begun, listed.to_json())
            require_room(place, model.bytes_total, what, 2 * len(model.files))
            _copy(model, below, create, name, listed)
            # Everything else there is somebody's, and so is what a link leads to.
            _remove({*(made - wanted), begun}, place)
            folders = {each for path in wanted for each in path.parents if each.is_relative_to(place)}
            for path in sorted(wanted | {each for each in folders if _is_inside(each, place)}):
                _settle(path)
            sync_names(wanted)
        except BaseException:
            if is_new:
                shutil.rmtree(place, ignore_errors=True)
            raise
        finally:
            # Whoever waits for it notices, and makes another.
            lock.unlink(missing_ok=True)
    return ExportReport(place, model.model_id, model.revision, model.bytes_total, model.component)


def _parsed(text: str, model: Manifest) -> Manifest | None:
    """What a list in a mirror names, where it can be read and is of the same commit."""
    with suppress(ImageGenError):
        found = parse_manifest(text, "")
        return found if found.revision == model.revision else None
    return None


def _exported(listing: Path) -> Manifest | None:
    with suppress(ImageGenError, FileNotFoundError):
        return read_manifest(listing)
    return None


def _remove(paths: set[Path], place: Path) -> None:
    for path in sorted(each for each in paths if _is_inside(each.parent, place)):
        path.unlink(missing_ok=True)
        partial_of(path).unlink(missing_ok=True)
        with suppress(OSError):
            for folder in path.parents[: len(path.parts) - len(place.parts) - 1]:
                folder.rmdir()


def _is_inside(path: Path, place: Path) -> bool:
    """Whether no link leads out."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(place))


def _copy(
    model: ReadyModel,
    below: str,
    create: Callable[[str, int], AbstractContextManager[BinaryIO]],
    name: str,
    listed: Manifest,
) -> None:
    """Copies every file, and then the manifest, called `name`. Raises CORRUPT_CACHE for a file that is not what that
    says.
    """
    for file in model.files:
        digest, source = ContentDigest(file.size), model.directory / file.path
        with translate_os_errors(model.directory, "the export"):
            stream = source.open("rb", buffering=0)
        with stream, create(below + file.path, file.size) as writer:
            feed(stream, digest, writer.write)
            if not digest.matches(file):
                raise CorruptCacheError(
                    f"{source} is damaged, so nothing was exported. Fix: `{cache_command('verify --repair')}`, then "
                    "run this command again."
                )
    text = listed.to_json().encode()
    with create(name, len(text)) as writer:
        writer.write(text)


def _settle(path: Path) -> None:
    """Readable for every user, writable for its owner, and without a trace of the time."""
    path.chmod(0o755 if path.is_dir() else 0o644)
    os.utime(path, (_TIME, _TIME))
