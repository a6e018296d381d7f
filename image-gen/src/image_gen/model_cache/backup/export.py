"""Exports a model as plain files, for a container image or a mirror: no links, no caches, the same bytes every time."""

import os
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from image_gen.errors import CorruptCacheError
from image_gen.model_cache.cache.locate import ReadyModel
from image_gen.model_cache.core.digest import ContentDigest, feed
from image_gen.model_cache.core.filesystem import require_room, translate_os_errors
from image_gen.model_cache.core.layout import folder_name
from image_gen.model_cache.core.manifest import Manifest, ManifestFile
from image_gen.model_cache.core.report import Report
from image_gen.model_cache.core.s3_uri import S3Uri
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.sources.s3 import S3Bucket
from image_gen.model_cache.sources.s3_objects import open_object_writer
from image_gen.reader import cache_command

# Layers of an image are compared with their times, so nothing may carry the time of the build.
_TIME = 1_000_000_000


@dataclass(frozen=True)
class ExportReport(Report):
    """The exported model's location, and the bytes of its files."""

    json_bytes = "bytes_total"
    directory: Path | S3Uri
    model_id: str
    revision: str
    bytes_total: int


def export_baked(model: ReadyModel, manifest: Manifest, output: Path) -> ExportReport:
    """Copies a complete model to `output/<org>--<name>/{manifest.json,snapshot/}`, verifying each file on the way.

    The directory appears whole or not at all. Raises CORRUPT_CACHE, DISK_FULL, CACHE_NOT_WRITABLE.
    """
    return _export(model, manifest, output / folder_name(model.model_id), "snapshot", f"baking {model.model_id}")


def export_mirror(model: ReadyModel, manifest: Manifest, output: Path) -> ExportReport:
    """The same as `output/<org>/<name>/<revision>/`, the files with `manifest.json` among them: what a mirror holds."""
    place = output / model.model_id / manifest.revision
    return _export(model, manifest, place, "", f"mirroring {model.model_id}")


def export_to_s3(
    settings: CacheSettings, model: ReadyModel, manifest: Manifest, output: S3Uri, cancel: threading.Event
) -> ExportReport:
    """The same in a bucket. Each object appears complete and verified, or not at all. Raises CANCELLED and S3_… too."""
    below = f"{model.model_id}/{manifest.revision}"
    with S3Bucket(settings, output, cancel) as bucket:
        for file in manifest.files:
            with open_object_writer(bucket, f"{below}/{file.path}", file.size) as writer:
                _copy_verified(model.directory / file.path, writer, file)
        # Last: it is the sign that the export is complete.
        text = manifest.to_json().encode()
        with open_object_writer(bucket, f"{below}/manifest.json", len(text)) as writer:
            writer.write(text)
    return ExportReport(output / below, model.model_id, model.revision, manifest.bytes_total)


def _export(model: ReadyModel, manifest: Manifest, place: Path, below: str, what: str) -> ExportReport:
    fresh = place.with_name(f".{place.name}.new")
    with translate_os_errors(place.parent, what):
        shutil.rmtree(fresh, ignore_errors=True)
        (fresh / below).mkdir(parents=True)
        require_room(fresh, manifest.bytes_total, what, 2 * len(manifest.files))
        try:
            for file in manifest.files:
                target = fresh / below / file.path
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as writer:
                    _copy_verified(model.directory / file.path, writer, file)
            (fresh / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
            _settle(fresh)
            shutil.rmtree(place, ignore_errors=True)
            fresh.replace(place)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
    return ExportReport(place, model.model_id, model.revision, manifest.bytes_total)


def _copy_verified(source: Path, writer: BinaryIO, file: ManifestFile) -> None:
    """Copies a file; raises CORRUPT_CACHE when it was not what the manifest says."""
    digest = ContentDigest(file.size)
    with source.open("rb") as reader:
        feed(reader, digest, writer.write)
    if not digest.matches(file):
        raise CorruptCacheError(
            f"{source} is damaged, so nothing was exported. Fix: `{cache_command('verify --repair')}`, then run this "
            "command again."
        )


def _settle(tree: Path) -> None:
    """Readable for every user, writable for its owner, and without a trace of the time."""
    for path in [*sorted(tree.rglob("*"), reverse=True), tree]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (_TIME, _TIME))
