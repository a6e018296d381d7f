"""A real tiny SDXL on a hub on loopback, fetched by the store."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from image_gen.model_cache import CacheSettings, ModelCache, ReadyModel
from image_gen_demo.hub import DemoHub

ID = "image-gen/demo"


@dataclass(frozen=True)
class Downloaded:
    hub: DemoHub
    home: Path
    model: ReadyModel
    store: ModelCache

    def run(self, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Runs a command with nothing in its environment but the cache and the hub."""
        clean = {"PATH": os.environ["PATH"], "HF_HOME": str(self.home), "HF_HUB_DISABLE_TELEMETRY": "1"}
        return subprocess.run(command, env=clean | env, capture_output=True, text=True, check=False, timeout=600)


@pytest.fixture(scope="module")
def fetched(demo_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Downloaded]:
    place = tmp_path_factory.mktemp("demo")
    for each in ("hub", "again"):
        shutil.copytree(demo_models / each, place / each)
    hub = DemoHub(place / "hub")
    threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    home = place / "huggingface"
    settings = CacheSettings.from_env({"HF_HOME": str(home), "HF_ENDPOINT": hub.url})
    store = ModelCache(settings)
    yield Downloaded(hub, home, store.ensure("demo"), store)
    hub.shutdown()
    hub.server_close()
