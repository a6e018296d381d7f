"""A cache written by the first version (commit 51b7e56) is used as it is: names and formats are spelled out here."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from pathlib import Path

import pytest
from conftest import UNET, MakeCache, MakeRepo

from image_gen.errors import ModelInUseError
from image_gen_demo.hub import DemoHub

ID = "test/model"


def key_of(content: bytes, path: str) -> tuple[str, str]:
    """The hub's hash of a file, and the manifest's name for it."""
    if path.endswith(".safetensors"):
        return "sha256", hashlib.sha256(content).hexdigest()
    return "git_sha1", hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@pytest.fixture
def old_cache(make_repo: MakeRepo, hub: DemoHub, tmp_path: Path) -> Path:
    """`HF_HOME` with a complete model, its kept manifest, its record of verified files and its lease."""
    source, home = make_repo(), tmp_path / "data" / "huggingface"
    repository = hub.repositories.find(ID, "main")
    assert repository is not None
    root, locks = home / "hub" / "models--test--model", home / "hub" / ".locks" / "models--test--model"
    snapshot = root / "snapshots" / repository.commit
    files, marks = [], {}
    for path in sorted(repository.files):
        if path in {"README.md", "vae/diffusion_pytorch_model.safetensors"}:
            continue
        content = (source / path).read_bytes()
        kind, key = key_of(content, path)
        blob, link = root / "blobs" / key, snapshot / path
        for parent in (blob.parent, link.parent):
            parent.mkdir(parents=True, exist_ok=True)
        if not blob.exists():
            blob.write_bytes(content)
        link.symlink_to(os.path.relpath(blob, link.parent))
        status = blob.stat()
        files.append({"path": path, "bytes": len(content), kind: key})
        marks[path] = {
            "content": key, "size": status.st_size, "inode": status.st_ino,
            "mtime_ns": status.st_mtime_ns, "ctime_ns": status.st_ctime_ns,
        }  # fmt: skip
    manifest = {
        "schema": 1, "id": ID, "aliases": [], "revision": repository.commit, "pipeline": "StableDiffusionXLPipeline",
        "variant": "fp16", "licence": "mit", "gated": False, "load": {}, "files": files,
    }  # fmt: skip
    stamp = {"schema": 1, "verified_at": "2026-01-01T00:00:00+00:00", "files": marks}
    for place, text in (
        (root / "refs" / "main", repository.commit),
        (home / "image-gen" / "manifests" / "test--model.json", json.dumps(manifest)),
        (home / "image-gen" / "stamps" / f"test--model@{repository.commit}.json", json.dumps(stamp)),
        (locks / "image-gen.lock", ""),
        (locks / "image-gen.used", ""),
        (locks / f"image-gen.verified-{repository.commit}", ""),
    ):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    os.utime(locks / "image-gen.used", (1000, 1000))
    os.utime(locks / f"image-gen.verified-{repository.commit}", (2000, 2000))
    return home


def test_cache_of_first_version_is_served_without_a_request(
    old_cache: Path, make_cache: MakeCache, hub: DemoHub
) -> None:
    cache = make_cache(old_cache)
    model = cache.ensure(ID)
    assert (model.source, model.bytes_fetched, hub.requests) == ("volume", 0, [])
    line = cache.status().models[0]
    assert line.complete and (line.last_used, line.verified_at) == (1000.0, 2000.0)


def test_cache_of_first_version_keeps_its_record_of_verified_files(
    old_cache: Path, make_cache: MakeCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = make_cache(old_cache)
    hashed: list[int] = []
    monkeypatch.setattr("image_gen.model_cache.download.page_cache.ContentDigest", hashed.append)
    model = cache.ensure(ID)
    assert cache.verify_and_repair(model, verify="changed") == model
    assert hashed == []


def test_lease_of_first_version_protects_a_model(old_cache: Path, make_cache: MakeCache) -> None:
    import fcntl

    cache = make_cache(old_cache)
    with (old_cache / "hub/.locks/models--test--model/image-gen.used").open() as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        with pytest.raises(ModelInUseError):
            cache.clear(ID)
    assert cache.ensure(ID).source == "volume"


def test_download_of_first_version_is_resumed(old_cache: Path, make_cache: MakeCache, hub: DemoHub) -> None:
    """Its name was one of the hub's clients, and its journal says that it was not theirs."""
    blob = next(path for path in old_cache.glob("hub/*/snapshots/*/" + UNET)).resolve()
    content = blob.read_bytes()
    blob.with_name(f"{blob.name}.incomplete").write_bytes(content[:-1000] + bytes(1000))
    boot = bytes.fromhex(Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", ""))
    header = struct.pack("<8sQQ16s", b"ranges-1", len(content), 1 << 20, boot)
    figures = struct.pack("<6Q", 1 << 20, 0, 1 << 20, 0, len(content) - (2 << 20) - 1000, 0)
    blob.with_name(f"{blob.name}.ranges.incomplete").write_bytes(header + figures)
    blob.unlink()
    model = make_cache(old_cache, piece_bytes=1 << 20).ensure(ID)
    assert model.bytes_fetched == 1000 and (model.directory / UNET).read_bytes() == content
    assert sum(entry["bytes"] for entry in hub.requests) < 5000
    assert not list(blob.parent.glob("*.*"))


def test_partial_download_of_a_hub_client_is_left_alone(old_cache: Path, make_cache: MakeCache) -> None:
    blob = next(path for path in old_cache.glob("hub/*/snapshots/*/" + UNET)).resolve()
    theirs = blob.with_name(f"{blob.name}.incomplete")
    blob.rename(theirs)
    before = theirs.stat()
    assert make_cache(old_cache).ensure(ID).bytes_fetched == before.st_size
    assert theirs.stat() == before and blob.exists()
