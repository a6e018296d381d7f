"""Whatever the store did to a cache, Hugging Face's own tools judge it as the store does.

`hf cache verify` asks the hub on loopback for the hashes; diffusers loads by the model's id with `local_files_only`.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from demo.conftest import ID, Downloaded
from image_gen.model_cache import ModelCache

UNET = "unet/diffusion_pytorch_model.fp16.safetensors"
OTHER = "image-gen/other"


def damage(store: ModelCache) -> None:
    model = store.ensure(ID)
    with (model.directory / UNET).resolve().open("r+b") as stream:
        stream.seek(-1000, 2)
        stream.write(b"\xde\xad\xbe\xef")


def restored(store: ModelCache, place: Path) -> None:
    store.backup(place / "backup.tar.zst", compress="zstd")
    store.clear()
    store.restore(place / "backup.tar.zst")


def repaired(store: ModelCache, _: Path) -> None:
    damage(store)
    assert not store.verify(repair=True).ok
    store.ensure(ID)


def fixed_by_a_start(store: ModelCache, _: Path) -> None:
    damage(store)
    store.verify_and_repair(store.ensure(ID))


def cleared_and_fetched_again(store: ModelCache, _: Path) -> None:
    store.clear(ID)
    store.ensure(ID)


def rid_of_another_model(store: ModelCache, _: Path) -> None:
    store.ensure(OTHER)
    store.clear(OTHER)


def rid_of_orphans(store: ModelCache, _: Path) -> None:
    blobs = store.ensure(ID).directory.parents[1] / "blobs"
    (blobs / ("a" * 64)).write_bytes(b"nobody's")
    (blobs / f"{'b' * 64}.0123abcd.incomplete").write_bytes(b"half")
    assert store.clear_orphans().bytes_freed > 0


def from_a_mirror(store: ModelCache, place: Path) -> None:
    store.mirror(ID, place / "mirror")
    store.clear()
    ModelCache(replace(store.settings, mirror=place / "mirror", offline=True)).ensure(ID)


def left_damaged(store: ModelCache, _: Path) -> None:
    damage(store)


def repaired_and_not_fetched(store: ModelCache, _: Path) -> None:
    damage(store)
    store.verify(repair=True)


def cleared(store: ModelCache, _: Path) -> None:
    store.clear()


GOOD = [
    restored,
    repaired,
    fixed_by_a_start,
    cleared_and_fetched_again,
    rid_of_another_model,
    rid_of_orphans,
    from_a_mirror,
]
BAD = [left_damaged, repaired_and_not_fetched, cleared]
Homes = dict[str, ModelCache]


@pytest.fixture(scope="module")
def homes(fetched: Downloaded, tmp_path_factory: pytest.TempPathFactory) -> Homes:
    """A copy of the cache for each of the deeds, which is done to it."""
    root = fetched.home.parent / "hub"
    shutil.copytree(root / ID, root / OTHER)
    stores: Homes = {}
    deeds: list[Callable[[ModelCache, Path], None]] = [*GOOD, *BAD]
    for deed in deeds:
        place = tmp_path_factory.mktemp(deed.__name__)
        home = place / "huggingface"
        shutil.copytree(fetched.home, home, symlinks=True)
        store = ModelCache(replace(fetched.store.settings, hf_home=home, hub_cache=home / "hub"))
        deed(store, place)
        stores[deed.__name__] = store
    return stores


@pytest.mark.parametrize("deed", [each.__name__ for each in [*GOOD, *BAD]])
def test_hf_cache_verify_agrees_with_the_model_cache(fetched: Downloaded, homes: Homes, deed: str) -> None:
    store = homes[deed]
    hf = str(Path(sys.executable).with_name("hf"))
    run = fetched.run(hf, "cache", "verify", ID, HF_HOME=str(store.settings.hf_home), HF_ENDPOINT=fetched.hub.url)
    report = store.verify()
    damaged = [path for model in report.models for path in model.damaged]
    # A file that is missing is none of its business unless it is asked; a damaged one, and no model at all, are.
    assert (run.returncode == 0) == (bool(report.models) and not damaged), run.stdout + run.stderr
    assert all(path in run.stdout + run.stderr for path in damaged)


LOAD = """
import json, sys
from diffusers import StableDiffusionXLPipeline
for home in sys.argv[1:]:
    try:
        StableDiffusionXLPipeline.from_pretrained(
            "image-gen/demo", cache_dir=home, variant="fp16", use_safetensors=True, local_files_only=True
        )
        print(json.dumps([home, ""]))
    except Exception as error:
        print(json.dumps([home, type(error).__name__]))
"""


def test_diffusers_loads_complete_models_of_the_cache(fetched: Downloaded, homes: Homes) -> None:
    """One process for all, as importing torch takes most of the time."""
    fetched.hub.forget()
    caches = {str(store.settings.hub_cache): store for store in homes.values()}
    run = fetched.run(sys.executable, "-c", LOAD, *caches, HF_ENDPOINT=fetched.hub.url)
    assert run.returncode == 0, run.stderr
    results = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("[")]
    assert len(results) == len(homes) and fetched.hub.requests == []
    loaded = {cache: not error for cache, error in results}
    complete = {cache: store.locate(ID) is not None for cache, store in caches.items()}
    assert loaded == complete
    assert sum(loaded.values()) == len(GOOD) + 1  # damage inside a file is what only hashing finds
