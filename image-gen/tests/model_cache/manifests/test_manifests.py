"""Manifests say what they say, and nothing else passes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import SOURCES

from image_gen.errors import ImageGenError
from image_gen.model_cache import CacheSettings, Manifest
from image_gen.model_cache.core.manifest import parse_manifest
from image_gen.model_cache.manifests.registry import ManifestRegistry

SHIPPED = {manifest.model_id: manifest for manifest in ManifestRegistry(CacheSettings.from_env({})).bundled()}
SDXL = "stabilityai/stable-diffusion-xl-base-1.0"
VAE = "madebyollin/sdxl-vae-fp16-fix"
SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"


def test_bundled_manifests_are_complete() -> None:
    assert set(SHIPPED) == {SDXL, SD15, VAE}
    assert (len(SHIPPED[VAE].files), SHIPPED[VAE].bytes_total) == (2, 334_643_869)
    assert (SHIPPED[VAE].pipeline, SHIPPED[VAE].component, SHIPPED[VAE].variant) == (None, "AutoencoderKL", None)
    assert (len(SHIPPED[SDXL].files), SHIPPED[SDXL].bytes_total) == (18, 6_941_187_536)
    assert (len(SHIPPED[SD15].files), SHIPPED[SD15].bytes_total) == (12, 2_134_194_125)
    assert SHIPPED[SD15].aliases == ("runwayml/stable-diffusion-v1-5",)
    assert SHIPPED[SD15].load == {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    for manifest in SHIPPED.values():
        assert all(file.sha256 for file in manifest.files)
        assert manifest.component or (manifest.variant == "fp16" and manifest.pipeline)


@pytest.mark.parametrize("manifest", SHIPPED.values(), ids=SHIPPED)
def test_manifest_json_round_trip(manifest: Manifest) -> None:
    assert parse_manifest(manifest.to_json(), "here") == manifest
    place = SOURCES.parent / "models" / f"{manifest.model_id.replace('/', '--')}.json"
    assert json.loads(manifest.to_json()) == json.loads(place.read_text())


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"schema": 2}, "schema"),
        ({"id": "../x"}, "id"),
        ({"revision": "main"}, "revision"),
        ({"gated": "no"}, "gated"),
        ({"extra": 1}, "extra"),
        ({"component": "AutoencoderKL"}, "component"),
        ({"files": []}, "files"),
        ({"files": [{"path": "a", "bytes": 1}]}, "files[0]"),
        ({"files": [{"path": "../a", "bytes": 1, "sha256": "0" * 64}]}, "files[0].path"),
        ({"files": [{"path": "/a", "bytes": 1, "sha256": "0" * 64}]}, "files[0].path"),
        ({"files": [{"path": "a", "bytes": -1, "sha256": "0" * 64}]}, "files[0].bytes"),
        ({"files": [{"path": "a", "bytes": True, "sha256": "0" * 64}]}, "files[0].bytes"),
        ({"files": [{"path": "a", "bytes": 1, "sha256": "xyz"}]}, "files[0].sha256"),
        ({"files": [{"path": "a", "bytes": 1, "sha256": "0" * 64}] * 2}, "files"),
    ],
)
def test_manifest_error_names_the_field(change: dict[str, object], named: str) -> None:
    document = json.loads(SHIPPED[SDXL].to_json()) | change
    with pytest.raises(ImageGenError) as caught:
        parse_manifest(json.dumps(document), "model.json")
    assert caught.value.code == "MANIFEST_INVALID"
    assert caught.value.message.startswith(f"model.json: {named}: expected ")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 1}'])
def test_manifest_error_for_other_json(text: str) -> None:
    with pytest.raises(ImageGenError) as caught:
        parse_manifest(text, "model.json")
    assert caught.value.code == "MANIFEST_INVALID"


def test_cache_settings_are_read_from_the_environment() -> None:
    settings = CacheSettings.from_env(
        {
            "HF_HOME": "/data/huggingface",
            "TRANSFORMERS_CACHE": "/data/huggingface/hub",
            "HF_TOKEN": "",
            "HF_ENDPOINT": "",
        }
    )
    assert settings.hub_cache == Path("/data/huggingface/hub") and settings.token is None
    assert settings.endpoint == "https://huggingface.co" and settings.volume_root == Path("/data/huggingface")
    assert CacheSettings.from_env({"HF_HOME": "/h", "HF_HUB_CACHE": "/c"}).volume_root == Path("/c")
    assert CacheSettings.from_env({"HF_ENDPOINT": "http://mirror/"}).endpoint == "http://mirror"
    wrong_endpoints = [
        {"HF_ENDPOINT": value} for value in ("mirror", "http://", "http://a b", "ftp://x", "http://[::1")
    ]
    for wrong in (
        *wrong_endpoints,
        {"HF_HUB_DOWNLOAD_TIMEOUT": "soon"},
        {"HF_HUB_DOWNLOAD_TIMEOUT": "0"},
    ):
        with pytest.raises(ImageGenError) as caught:
            CacheSettings.from_env(wrong)
        assert caught.value.code == "SETTING_INVALID" and next(iter(wrong)) in caught.value.message


def test_token_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hf_file\n")
    assert CacheSettings.from_env({"HF_HOME": str(tmp_path)}).token == "hf_file"
    assert CacheSettings.from_env({"HF_TOKEN_PATH": str(tmp_path / "token")}).token == "hf_file"
    assert CacheSettings.from_env({"HF_HOME": str(tmp_path), "HF_TOKEN": "hf_env"}).token == "hf_env"


def test_locate_imports_no_heavy_library() -> None:
    heavy = "{'torch', 'diffusers', 'transformers', 'huggingface_hub', 'httpx', 'httpx2', 'starlette'}"
    code = (
        "import sys, pathlib; from image_gen.model_cache import ModelCache, CacheSettings; import image_gen.cli.main;"
        "store = ModelCache(CacheSettings.from_env({'HF_HOME': '/nowhere'})); assert store.locate('a/b') is None;"
        f"store.status(); loaded = {heavy} & set(sys.modules); assert not loaded, loaded"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(SOURCES)}, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
