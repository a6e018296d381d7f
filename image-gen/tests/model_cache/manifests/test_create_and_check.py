"""Manifests are made from a hub and compared with one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import UNET, MakeCache, MakeRepo

from image_gen.cli.main import main
from image_gen.errors import ImageGenError
from image_gen.model_cache.core.manifest import ManifestFile, parse_manifest
from image_gen.model_cache.manifests.lock_manifest import excluded_files
from image_gen_demo.hub import DemoHub

VAE = {"config.json": b'{"_class_name": "AutoencoderKL"}', "diffusion_pytorch_model.safetensors": b"w" * 2000}


def put(root: Path, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)


def pickled(repo: Path) -> Path:
    """Leaves the VAE nothing but a pickle."""
    for path in (repo / "vae").glob("*.safetensors"):
        path.unlink()
    put(repo, {"vae/diffusion_pytorch_model.bin": b"p" * 500})
    return repo


def test_a_lock_has_a_sha256_for_every_file_and_the_licence(make_repo: MakeRepo, make_cache: MakeCache) -> None:
    repo = make_repo()
    put(repo, {"vae/diffusion_pytorch_model.bin": b"p" * 9, "checkpoint.safetensors": b"c" * 99})
    store = make_cache()
    locked = store.lock("test/model")
    manifest = locked.manifest
    assert all(file.sha256 and not file.git_sha1 for file in manifest.files)
    assert (manifest.pipeline, manifest.variant, manifest.licence) == ("StableDiffusionXLPipeline", "fp16", "mit")
    assert [file.path for file in manifest.files] == [file.path for file in store.resolve("test/model").files]
    assert parse_manifest(manifest.to_json(), "here") == manifest
    reasons = {each.example: each for each in locked.left_out}
    assert "pickles" in reasons["vae/diffusion_pytorch_model.bin"].reason
    assert "another precision" in reasons["vae/diffusion_pytorch_model.safetensors"].reason
    assert "one file" in reasons["checkpoint.safetensors"].reason
    assert sum(each.files for each in locked.left_out) + len(manifest.files) == sum(
        path.is_file() for path in repo.rglob("*")
    )


def test_a_locked_manifest_fetches_the_model(make_repo: MakeRepo, make_cache: MakeCache, tmp_path: Path) -> None:
    make_repo()
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    (manifests / "test--model.json").write_text(make_cache().lock("test/model").manifest.to_json())
    store = make_cache(manifests_dir=manifests)
    assert store.ensure("test/model").source == "download" and store.verify().ok


def test_lock_rejects_pickles_unless_allowed(make_repo: MakeRepo, make_cache: MakeCache) -> None:
    pickled(make_repo())
    store = make_cache()
    with pytest.raises(ImageGenError) as caught:
        store.lock("test/model")
    assert caught.value.code == "UNSAFE_MODEL"
    locked = store.lock("test/model", allow_pickle=True)
    assert locked.pickles == ("vae/diffusion_pytorch_model.bin",)
    assert locked.manifest.load == {"use_safetensors": None}


def test_a_component_is_locked_and_kept_but_not_served(
    hub: DemoHub, make_cache: MakeCache, tmp_path: Path, command_env: dict[str, str]
) -> None:
    put(tmp_path / "hub-root/test/vae", VAE | {"other.safetensors": b"x"})
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    assert main(["models", "lock", "test/vae", "--output", str(manifests / "vae.json")], command_env) == 0
    store = make_cache(manifests_dir=manifests)
    manifest = store.resolve("test/vae")
    assert (manifest.pipeline, manifest.component) == (None, "AutoencoderKL")
    assert {file.path for file in manifest.files} == set(VAE)
    with pytest.raises(ImageGenError) as caught:
        store.ensure("test/vae")
    assert caught.value.code == "NOT_A_PIPELINE" and "AutoencoderKL" in caught.value.message
    kept = store.ensure("test/vae", components=True)
    assert (kept.directory / "diffusion_pytorch_model.safetensors").stat().st_size == 2000
    assert [model.complete for model in store.status().models] == [True]


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ({"README.md": b"x"}, "neither"),
        ({"config.json": b"{}"}, "no class"),
        ({"config.json": VAE["config.json"]}, "no weights"),
        ({"config.json": b"["}, "not JSON"),
    ],
)
def test_lock_rejects_a_repository_that_is_no_pipeline_or_component(
    make_cache: MakeCache, tmp_path: Path, files: dict[str, bytes], named: str
) -> None:
    put(tmp_path / "hub-root/test/thing", files)
    with pytest.raises(ImageGenError) as caught:
        make_cache().lock("test/thing")
    assert caught.value.code == "NOT_A_PIPELINE" and named in caught.value.message


Shipped = dict[str, Any]
CHANGES: list[tuple[Callable[[Shipped], object], str]] = [
    (lambda shipped: shipped["files"][0].update(sha256="0" * 64), "sha256 0000"),
    (lambda shipped: shipped["files"][0].update(bytes=7), "7 bytes in the manifest"),
    (lambda shipped: shipped["files"].append({"path": "gone.json", "bytes": 1, "sha256": "0" * 64}), "not there"),
    (lambda shipped: shipped.update(licence="apache-2.0"), "licence"),
    (lambda shipped: shipped.update(pipeline="FluxPipeline"), "class"),
    (lambda shipped: shipped.update(revision="0" * 40), "no revision"),
]


@pytest.mark.parametrize(("change", "named"), CHANGES, ids=[named for _, named in CHANGES])
def test_check_reports_differences_from_the_hub(
    make_repo: MakeRepo, make_cache: MakeCache, tmp_path: Path, change: Callable[[Shipped], object], named: str
) -> None:
    make_repo()
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    document = json.loads(make_cache().lock("test/model").manifest.to_json())
    place = manifests / "test--model.json"
    place.write_text(json.dumps(document))
    store = make_cache(manifests_dir=manifests)
    assert store.check().ok and [model.files for model in store.check().models] == [len(document["files"])]
    change(document)
    place.write_text(json.dumps(document))
    report = store.check(["test/model"])
    assert not report.ok and named in "; ".join(report.models[0].problems)


def test_check_reports_a_model_that_became_gated(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, tmp_path: Path
) -> None:
    make_repo()
    store = make_cache(manifests_dir=tmp_path, token="hf_mine")
    (tmp_path / "test--model.json").write_text(store.lock("test/model").manifest.to_json())
    hub.panel.turn({"gated": True})
    assert [error_response.partition(":")[0] for error_response in store.check().models[0].problems] == ["gated"]
    assert store.lock("test/model").manifest.gated


def test_check_raises_when_the_hub_is_unreachable(make_cache: MakeCache, hub: DemoHub) -> None:
    hub.panel.turn({"status": 500, "retry_after": 0})
    with pytest.raises(ImageGenError) as caught:
        make_cache().check()
    assert caught.value.code == "HUB_ERROR" and caught.value.retryable


def test_models_lock_and_check_commands(
    make_repo: MakeRepo, command_env: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("signal.signal", lambda *_: None)
    repo = make_repo()
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    env = command_env | {"IMAGE_GEN_MANIFESTS": str(manifests)}
    target = manifests / "test--model.json"
    assert main(["models", "lock", "test/model"], env) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["id"] == "test/model" and "left out: " in err and "licence mit, not gated" in err
    assert main(["models", "lock", "test/model", "--output", str(target), "--json"], env) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"output", "manifest", "left_out", "pickles"}
    assert json.loads(target.read_text()) == json.loads(out)
    assert main(["models", "check"], env) == 0 and "files agree" in capsys.readouterr().out
    assert main(["models", "check", "no/such"], env) == 1 and "image-gen models lock" in capsys.readouterr().err
    # The same commit with another content can't be made with a hub that names commits by content: it is gone.
    with (repo / UNET).open("r+b") as stream:
        stream.write(b"other")
    shutil.rmtree(tmp_path / "data", ignore_errors=True)
    assert main(["models", "check", "--json"], env) == 3
    assert json.loads(capsys.readouterr().out)["ok"] is False
    pickled(repo)
    assert main(["models", "lock", "test/model"], env) == 1 and "pickle" in capsys.readouterr().err
    assert main(["models", "lock", "test/model", "--allow-pickle"], env) == 0
    assert "CAUTION" in capsys.readouterr().err


def test_excluded_files_are_listed_by_size() -> None:
    paths = {"unet/a.safetensors": 1, "unet/model.onnx": 50, "vae_1_0/config.json": 5, "README.md": 2, "x.ckpt": 9}
    files = [ManifestFile(path, size, sha256="0" * 64) for path, size in paths.items()]
    found = excluded_files(files, {"unet/a.safetensors"})
    assert [each.size for each in found] == [50, 16]
    assert "framework" in found[0].reason and found[1].example == "x.ckpt"
