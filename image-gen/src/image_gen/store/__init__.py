"""The model store. Comes in: a model's id and where its files may lie. Goes out: a directory with every file, or one
`ImageGenError` that says what to do. Must not: import torch, diffusers or an HTTP client before one is needed; know
who serves the model or how it is loaded.
"""

from image_gen.errors import ImageGenError
from image_gen.store.backup import BackupReport
from image_gen.store.bake import BakeReport
from image_gen.store.clear import ClearReport
from image_gen.store.collect import CollectReport
from image_gen.store.compare import CheckReport
from image_gen.store.doctor import DoctorReport
from image_gen.store.inventory import CacheStatus
from image_gen.store.lease import Lease
from image_gen.store.locate import ReadyModel
from image_gen.store.manifest import Manifest, ManifestFile
from image_gen.store.pin import Pinned
from image_gen.store.progress import OnProgress, Progress
from image_gen.store.repair import Verify
from image_gen.store.restore import RestoreReport
from image_gen.store.settings import StoreSettings
from image_gen.store.store import ModelStore
from image_gen.store.verify import VerifyReport

__all__ = [
    "BackupReport",
    "BakeReport",
    "CacheStatus",
    "CheckReport",
    "ClearReport",
    "CollectReport",
    "DoctorReport",
    "ImageGenError",
    "Lease",
    "Manifest",
    "ManifestFile",
    "ModelStore",
    "OnProgress",
    "Pinned",
    "Progress",
    "ReadyModel",
    "RestoreReport",
    "StoreSettings",
    "Verify",
    "VerifyReport",
]
