"""Which of the cached models this service serves, from the first moment of its start.

A lease says so to other processes once a model is complete. It is missing during the download, and on volumes without
locks; what is here holds there too.
"""

from contextlib import suppress

from image_gen.errors import ImageGenError
from image_gen.model_cache import CacheSettings
from image_gen.model_cache.core.manifest import split_file, split_model_id
from image_gen.model_cache.manifests.registry import ManifestRegistry
from image_gen.serving.readiness import Readiness
from image_gen.settings import Settings

# What is loaded from an instance store is a copy of what is on the volume.
_ON_VOLUME = {"volume", "download", "instance-store"}


class ServedModels:
    """The model, its VAE, its LoRAs and the safety checker."""

    def __init__(self, settings: Settings, cache_settings: CacheSettings, readiness: Readiness) -> None:
        self._readiness = readiness
        self._is_directory = settings.model_dir is not None
        self._registry = ManifestRegistry(cache_settings)
        parts = [settings.vae_id, settings.safety_checker, *(each.model_id for each in settings.loras)]
        self._parts = frozenset(self._canonical(each) for each in parts if each)
        self._model = self._canonical(settings.served_id)

    def uses(self, model_id: str, revision: str | None) -> bool:
        """Whether files of a model on the volume, at one revision or (None) at any, must stay for this service."""
        if model_id in self._parts:
            return True
        if model_id != self._model or self._is_directory:
            return False
        source = self._readiness.source
        # Until the start has found it, any revision may be the one.
        return source is None or (source in _ON_VOLUME and revision in {None, self._readiness.revision})

    def serves(self, model_id: str, revision: str | None, source: str) -> bool:
        """Whether a cached revision, on the volume or baked, is what this service serves."""
        if source == "baked":
            return self._readiness.source == "baked" and model_id == self._model
        return revision is not None and self.uses(model_id, revision)

    def _canonical(self, text: str) -> str:
        with suppress(ImageGenError):
            return split_file(self._registry.canonical_id(split_model_id(text)[0]))[0]
        return text
