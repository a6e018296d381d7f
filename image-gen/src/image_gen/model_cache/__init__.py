"""The model store. Comes in: a model's id and where its files may lie. Goes out: a directory with every file, or one
`ImageGenError` that says what to do. Must not: import torch, diffusers or an HTTP client before one is needed; know
who serves the model or how it is loaded.
"""

from image_gen.errors import ImageGenError
from image_gen.model_cache.backup.create import BackupReport
from image_gen.model_cache.backup.export import ExportReport
from image_gen.model_cache.backup.restore import RestoreReport
from image_gen.model_cache.cache.delete import ClearReport
from image_gen.model_cache.cache.gc import GcReport
from image_gen.model_cache.cache.lease import Lease
from image_gen.model_cache.cache.locate import ReadyModel
from image_gen.model_cache.cache.scan import CacheStatus
from image_gen.model_cache.core.manifest import Manifest, ManifestFile
from image_gen.model_cache.core.progress import OnProgress, Progress
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.doctor import DoctorReport
from image_gen.model_cache.download.repair import Verify
from image_gen.model_cache.download.verify import VerifyReport
from image_gen.model_cache.manifests.check import CheckReport
from image_gen.model_cache.manifests.lock_manifest import LockedManifest
from image_gen.model_cache.model_cache import ModelCache

__all__ = [
    "BackupReport",
    "CacheSettings",
    "CacheStatus",
    "CheckReport",
    "ClearReport",
    "DoctorReport",
    "ExportReport",
    "GcReport",
    "ImageGenError",
    "Lease",
    "LockedManifest",
    "Manifest",
    "ManifestFile",
    "ModelCache",
    "OnProgress",
    "Progress",
    "ReadyModel",
    "RestoreReport",
    "Verify",
    "VerifyReport",
]
