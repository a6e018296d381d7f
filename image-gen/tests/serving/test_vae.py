"""VAE_ID: a second, small model, fetched, proven and kept like the first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeCache, MakeRepo

from image_gen.cli.main import main
from image_gen.errors import ImageGenError
from image_gen_demo.hub import DemoHub

from .conftest import StartServer

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def vae_env(make_repo: MakeRepo, make_cache: MakeCache, hub: DemoHub, tmp_path: Path) -> dict[str, str]:
    """A model and a VAE on the hub, and a manifest of the VAE."""
    make_repo()
    place = tmp_path / "hub-root" / "test" / "vae"
    place.mkdir(parents=True)
    (place / "config.json").write_text(json.dumps({"_class_name": "AutoencoderKL"}))
    (place / WEIGHTS).write_bytes(b"w" * 300_000)
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    (manifests / "test--vae.json").write_text(make_cache().lock("test/vae").manifest.to_json())
    return {
        "MODEL_ID": "test/model",
        "VAE_ID": "test/vae",
        "HF_ENDPOINT": hub.url,
        "IMAGE_GEN_MANIFESTS": str(manifests),
    }


def test_start_downloads_the_vae_for_the_worker(
    start_server: StartServer, hub: DemoHub, vae_env: dict[str, str]
) -> None:
    server = start_server(**vae_env)
    server.wait_phase("ready")
    assert "VAE of test/vae at" in server.log and "models--test--vae/snapshots/" in server.log
    server.signal()
    server.process.wait(60)
    hub.forget()
    again = start_server(**vae_env)
    again.wait_phase("ready")
    assert hub.requests == []


def test_damaged_vae_is_repaired(start_server: StartServer, hub: DemoHub, vae_env: dict[str, str]) -> None:
    server = start_server(**vae_env)
    server.wait_phase("ready")
    directory = Path(server.log.partition("VAE from ")[2].split("\n")[0])
    server.signal()
    server.process.wait(60)
    with (directory / WEIGHTS).resolve().open("r+b") as stream:
        stream.write(b"damage")
    hub.forget()
    again = start_server(**vae_env)
    again.wait_phase("ready")
    assert [each["path"].rpartition("/")[2] for each in hub.requests] == [WEIGHTS]
    assert (directory / WEIGHTS).read_bytes() == b"w" * 300_000


def test_invalid_vae_id_is_reported(start_server: StartServer, vae_env: dict[str, str]) -> None:
    server = start_server(**vae_env | {"VAE_ID": "test/model"})
    state: Any = server.wait_phase("failed")
    assert state["error"]["code"] == "VAE_INVALID" and "models lock test/model" in state["error"]["message"]


def test_prefetch_bake_and_gc_include_the_vae(
    vae_env: dict[str, str],
    command_env: dict[str, str],
    make_cache: MakeCache,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)
    env = command_env | vae_env
    assert main(["prefetch"], env) == 0
    store = make_cache(manifests_dir=Path(vae_env["IMAGE_GEN_MANIFESTS"]))
    assert store.locate("test/vae") is not None
    assert main(["gc", "--older-than", "0m"], env) == 0
    assert store.locate("test/vae") is not None and store.locate("test/model") is not None
    baked = tmp_path / "opt-models"
    assert main(["bake", "--model", "test/model", "--vae", "test/vae", "--output", str(baked)], env) == 0
    island = make_cache(
        home=tmp_path / "island", baked_dir=baked, manifests_dir=store.settings.manifests_dir, offline=True
    )
    assert island.ensure_vae("test/vae").source == "baked"
    with pytest.raises(ImageGenError, match=r"expected a VAE with a manifest \(test/vae\)"):
        store.ensure_vae("test/model")
