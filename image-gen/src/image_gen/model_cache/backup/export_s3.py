"""Exports a model to a bucket in the layout of a mirror: `<org>/<name>/<revision>/`, the files and `manifest.json`."""

import threading

from image_gen.model_cache.backup.export import ExportReport, copy_verified
from image_gen.model_cache.cache.locate import ReadyModel
from image_gen.model_cache.core.manifest import Manifest
from image_gen.model_cache.core.s3_uri import S3Uri
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.sources.s3 import S3Bucket
from image_gen.model_cache.sources.s3_objects import open_object_writer


def export_to_s3(
    settings: CacheSettings, model: ReadyModel, manifest: Manifest, output: S3Uri, cancel: threading.Event
) -> ExportReport:
    """Each object appears complete and verified, or not at all. Raises CORRUPT_CACHE, CANCELLED and S3_…"""
    below = f"{model.model_id}/{manifest.revision}"
    with S3Bucket(settings, output, cancel) as bucket:
        for file in manifest.files:
            with open_object_writer(bucket, f"{below}/{file.path}", file.size) as writer:
                copy_verified(model.directory / file.path, writer, file)
        # Last: it is the sign that the export is complete.
        text = manifest.to_json().encode()
        with open_object_writer(bucket, f"{below}/manifest.json", len(text)) as writer:
            writer.write(text)
    return ExportReport(output / below, model.model_id, model.revision, manifest.bytes_total)
