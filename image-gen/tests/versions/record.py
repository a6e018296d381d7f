"""Writes what this version leaves on a volume and in a bucket. `npm run fixtures` runs it; it is no test of its own.

The folder is that of the variable IMAGEGEN_FIXTURES.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from conftest import MakeCache, MakeRepo
from fake_s3.fixtures import BUCKET, aws, proxy, s3_server

from image_gen.model_cache import CacheSettings
from image_gen.model_cache.core.s3_uri import S3Uri
from image_gen.model_cache.sources.s3 import S3Bucket
from image_gen.serving.compiled.compile_store import CompileStore
from tests.serving.conftest import StartServer, model_dir, start_server
from tests.serving.jobs.conftest import folder_of, new_job, post_job, wait_status
from tests.versions.kept import BLOCKS, MODEL, PLACE, pack_cache

__all__ = ["aws", "model_dir", "proxy", "s3_server", "start_server"]

TARGET = Path(os.environ["IMAGEGEN_FIXTURES"])
SMALL = {
    "vae/diffusion_pytorch_model.fp16.safetensors": b"weights of a VAE",
    "vae/diffusion_pytorch_model.safetensors": b"weights that are not needed",
}
# 2100: a job that has ended is read for as long as the fixture is.
NEVER = 4_102_444_800.0


def test_cache_and_backup(make_repo: MakeRepo, make_cache: MakeCache, tmp_path: Path) -> None:
    make_repo(MODEL, unet_bytes=2000, **SMALL)
    home = tmp_path / "data" / "huggingface"
    cache = make_cache(home)
    cache.verify_and_repair(cache.ensure(MODEL), verify="full")
    pack_cache(home, TARGET / "cache.tar")
    cache.backup(TARGET / "backup.tar")


def test_jobs(start_server: StartServer) -> None:
    server = start_server(
        FAKE_WORKER={"step_seconds": 0.02}, IMAGE_GEN_DRAIN_TIMEOUT=1, IMAGE_GEN_PICTURE_URL_SECONDS=60
    )
    server.wait_phase("ready")
    small = {"size": "64x64"}
    wait_status(server, new_job(server, seed=7, **small), "succeeded")
    assert server.post({"prompt": "x", "steps": 1, "response_format": "url", "seed": 5, **small}).status == 200
    running = new_job(server, steps=150, seed=3, **small)
    body = {"prompt": "x", "steps": 2, "negative_prompt": "y", "guidance_scale": 5.5, **small}
    assert post_job(server, body, {"Idempotency-Key": "again"}).status == 202
    wait_status(server, running, "running")
    server.signal()
    assert server.process.wait(30) == 0
    shutil.copy(folder_of(server) / "jobs.sqlite", TARGET / "jobs.sqlite")
    with closing(sqlite3.connect(TARGET / "jobs.sqlite")) as connection, connection:
        for table in ("jobs", "pictures"):
            connection.execute(f"update {table} set expires = ? where expires is not null", (NEVER,))
        connection.execute("pragma journal_mode = delete")


@pytest.mark.usefixtures("proxy")
def test_compiled_blocks(aws: dict[str, str], tmp_path: Path) -> None:
    settings = CacheSettings.from_env({**aws, "HF_HOME": str(tmp_path)})
    archive = tmp_path / "compile" / BLOCKS
    archive.parent.mkdir(parents=True)
    archive.write_bytes(b"machine code")
    place = S3Uri(BUCKET, PLACE)
    store = CompileStore(settings, place, tmp_path / "compile")
    with S3Bucket(settings, place / archive.parent.name) as bucket:
        store._put(bucket, BLOCKS)
        names = {path: bucket.read(path) or "" for path in sorted(_names(bucket))}
    target = TARGET / "compiled" / archive.parent.name
    target.mkdir(parents=True, exist_ok=True)
    for name, content in names.items():
        (target / name).write_text(content, encoding="utf-8")


def _names(bucket: S3Bucket) -> list[str]:
    import obstore

    listed = [str(each["path"]) for page in obstore.list(bucket.s3_client) for each in page]
    return [path.rpartition("/")[2] for path in listed]
