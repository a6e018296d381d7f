"""Caches, backups and buckets of every version, read by this one: what it would download again is lost."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import obstore
import pytest
from conftest import UNET, MakeCache
from fake_s3.fixtures import BUCKET, aws, proxy, s3_server

from image_gen.model_cache import CacheSettings
from image_gen.model_cache.core.s3_uri import S3Uri
from image_gen.model_cache.sources.s3 import S3Bucket
from image_gen.serving.compiled.compile_store import CompileStore
from image_gen_demo.hub import DemoHub
from tests.versions.kept import BLOCKS, MODEL, PLACE, VERSIONS, folder, unpack_cache

__all__ = ["aws", "proxy", "s3_server"]


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def home(version: str, tmp_path: Path) -> Path:
    return unpack_cache(version, tmp_path / "data")


def test_cache_is_complete_and_served_without_a_request(home: Path, make_cache: MakeCache, hub: DemoHub) -> None:
    cache = make_cache(home)
    status = cache.status()
    assert [(line.model_id, line.complete) for line in status.models] == [(MODEL, True)]
    # What this version does not know would be left over.
    assert (status.orphans, status.models[0].verified_at is not None) == (0, True)
    model = cache.ensure(MODEL)
    assert (model.source, model.bytes_fetched) == ("volume", 0)
    assert hub.requests == []


def test_cache_is_verified_against_the_kept_manifest(home: Path, make_cache: MakeCache, hub: DemoHub) -> None:
    cache = make_cache(home)
    report = cache.verify(MODEL)
    assert report.ok and hub.requests == []
    blob = next(home.glob("hub/*/snapshots/*/" + UNET)).resolve()
    content = blob.read_bytes()
    blob.chmod(0o644)
    blob.write_bytes(b"!" + content[1:])
    assert not cache.verify(MODEL).ok


def test_record_of_verified_files_counts_for_the_files_that_it_names(
    home: Path, make_cache: MakeCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    (stamp,) = home.glob("image-gen/stamps/*.json")
    document = json.loads(stamp.read_text(encoding="utf-8"))
    (snapshot,) = home.glob("hub/*/snapshots/*")
    # A tar keeps neither.
    for path, mark in document["files"].items():
        status = (snapshot / path).stat()
        mark |= {"inode": status.st_ino, "mtime_ns": status.st_mtime_ns, "ctime_ns": status.st_ctime_ns}
    stamp.write_text(json.dumps(document), encoding="utf-8")
    hashed: list[int] = []
    monkeypatch.setattr("image_gen.model_cache.download.page_cache.ContentDigest", hashed.append)
    cache = make_cache(home)
    model = cache.ensure(MODEL)
    assert cache.verify_and_repair(model, verify="changed") == model
    assert hashed == []


def test_backup_is_restored_and_served_without_a_request(
    version: str, make_cache: MakeCache, hub: DemoHub, tmp_path: Path
) -> None:
    cache = make_cache(tmp_path / "restored" / "huggingface")
    report = cache.restore(folder(version) / "backup.tar")
    assert (report.models, report.skipped) == ((MODEL,), ())
    model = cache.ensure(MODEL)
    assert (model.source, model.bytes_fetched, hub.requests) == ("volume", 0, [])
    assert cache.verify(MODEL).ok


def test_compiled_blocks_of_a_bucket_are_fetched(version: str, aws: dict[str, str], tmp_path: Path) -> None:
    settings = CacheSettings.from_env({**aws, "HF_HOME": str(tmp_path)})
    offered = folder(version) / "compiled"
    client = S3Bucket(settings, S3Uri(BUCKET)).s3_client
    for file in sorted(each for each in offered.rglob("*") if each.is_file()):
        obstore.put(client, f"{PLACE}/{file.relative_to(offered).as_posix()}", file.read_bytes())
    store = CompileStore(settings, S3Uri(BUCKET, PLACE), tmp_path / "compile")
    asyncio.run(store.fetch(BLOCKS))
    assert (tmp_path / "compile" / BLOCKS).read_bytes() == b"machine code"
