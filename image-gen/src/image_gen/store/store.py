"""The model store's face: one method for each thing that can be done with a model's files."""

from __future__ import annotations

import threading
from pathlib import Path

from image_gen.store.catalogue import Catalogue
from image_gen.store.ensure import Ensure
from image_gen.store.http import HubClient
from image_gen.store.locate import ReadyModel, open_directory
from image_gen.store.manifest import Manifest
from image_gen.store.progress import OnProgress
from image_gen.store.resolve import resolve
from image_gen.store.settings import StoreSettings


class ModelStore:
    """Looks after model files. Every method raises `ImageGenError` for whatever can be foreseen."""

    def __init__(self, settings: StoreSettings) -> None:
        self.settings = settings
        self.catalogue = Catalogue(settings)

    def ensure(
        self,
        model_id: str,
        *,
        revision: str | None = None,
        model_dir: Path | None = None,
        on_progress: OnProgress | None = None,
        cancel: threading.Event | None = None,
    ) -> ReadyModel:
        """The model's directory, complete. Fetches only what is missing, and asks no network when nothing is.

        `on_progress` is called from other threads, one call at a time. Setting `cancel` ends it with CANCELLED within
        a read timeout; what has arrived is kept, and the next call goes on from there.
        """
        found = self.locate(model_id, revision, model_dir)
        return found or self._ensure(model_id, revision).fetched(on_progress, cancel or threading.Event())

    def locate(self, model_id: str, revision: str | None = None, model_dir: Path | None = None) -> ReadyModel | None:
        """The model if it is complete here: explicit directory, image, volume. No network, no writes."""
        if model_dir is not None:
            return open_directory(model_dir, model_id)
        return self._ensure(model_id, revision).here()

    def resolve(self, model_id: str, revision: str | None = None) -> Manifest:
        """What a model consists of: from a manifest at hand, else from the hub. Writes nothing."""
        model_id = self.catalogue.canonical_id(model_id)
        known = self.catalogue.find(model_id, revision or None)
        if known:
            return known
        with HubClient(self.settings) as client:
            return resolve(client, model_id, revision or "main")

    def _ensure(self, model_id: str, revision: str | None) -> Ensure:
        return Ensure(self.settings, self.catalogue.canonical_id(model_id), revision or None)
