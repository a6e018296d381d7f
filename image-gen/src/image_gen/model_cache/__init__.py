"""The model cache: finds, downloads, verifies, repairs, backs up and deletes the files of models.

It works without torch, imports an HTTP client only when it needs one, and raises `ImageGenError` with a fix in one
line. Its packages import only downwards: core, sources, manifests, cache, download, backup.
"""

from image_gen.model_cache.cache.lease import Lease
from image_gen.model_cache.core.manifest import Manifest, ReadyModel
from image_gen.model_cache.core.progress import Progress, ProgressCallbacks
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.model_cache import ModelCache

__all__ = ["CacheSettings", "Lease", "Manifest", "ModelCache", "Progress", "ProgressCallbacks", "ReadyModel"]
