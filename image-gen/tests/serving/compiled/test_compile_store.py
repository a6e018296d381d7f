"""Compiled blocks in a bucket: the first host puts them there, the next one has them before it compiles."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import obstore
import pytest
from fake_s3.fixtures import BUCKET
from fake_s3.proxy import S3Proxy

from image_gen.model_cache import CacheSettings
from image_gen.model_cache.core.s3_uri import S3Uri
from image_gen.model_cache.sources.s3 import S3Bucket
from image_gen.serving.compiled import compile_store
from image_gen.serving.compiled.compile_store import CompileStore
from image_gen.serving.readiness import Readiness
from image_gen.serving.worker_supervisor import WorkerSupervisor
from image_gen.worker.protocol import ArtifactsFetched, ArtifactsRequest, Message

from ..conftest import StartServer

NAME = "gpu/key.blocks"
PLACE = f"s3://{BUCKET}/compiled"
BLOCKS, OTHERS = b"machine code", b"another host's machine code"


class Bucket:
    """What is in the bucket."""

    def __init__(self, aws: dict[str, str]) -> None:
        settings = CacheSettings.from_env({**aws, "HF_HOME": "/nonexistent"})
        self._client = S3Bucket(settings, S3Uri(BUCKET)).s3_client

    def names(self) -> set[str]:
        return {each["path"].removeprefix("compiled/") for page in obstore.list(self._client) for each in page}

    def read(self, name: str) -> bytes:
        return bytes(obstore.get(self._client, f"compiled/{name}").bytes())

    def write(self, name: str, content: bytes) -> None:
        obstore.put(self._client, f"compiled/{name}", content)

    def offer(self, content: bytes) -> None:
        self.write(f"gpu/{sha256(content)}", content)
        self.write("gpu/key.sha256", sha256(content).encode())

    def offered(self) -> bytes:
        return self.read(f"gpu/{self.read('gpu/key.sha256').decode()}")


@pytest.fixture
def bucket(aws: dict[str, str]) -> Bucket:
    return Bucket(aws)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    (tmp_path / "compile" / "gpu").mkdir(parents=True)
    return tmp_path / "compile" / NAME


@pytest.fixture
def store(aws: dict[str, str], archive: Path) -> CompileStore:
    settings = CacheSettings.from_env({**aws, "HF_HOME": str(archive.parent)})
    return CompileStore(settings, S3Uri(BUCKET, "compiled"), archive.parents[1])


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def run(*calls: Awaitable[None]) -> None:
    async def together() -> None:
        await asyncio.gather(*calls)

    asyncio.run(together())


def test_the_next_host_has_what_the_first_compiled(
    start_server: StartServer, aws: dict[str, str], bucket: Bucket, tmp_path: Path
) -> None:
    own: dict[str, Any] = {**aws, "IMAGE_GEN_COMPILE": "1", "IMAGE_GEN_COMPILE_CACHE": PLACE}
    first = start_server(**own, HF_HOME=tmp_path / "one" / "huggingface")
    first.wait_log("Compiled blocks: put 0.0 MB")
    assert "compiled blocks: none" in first.log
    assert bucket.names() == {f"gpu/{sha256(b'blocks')}", "gpu/key.sha256"}
    second = start_server(**own, HF_HOME=tmp_path / "two" / "huggingface")
    second.wait_phase("ready")
    assert "compiled blocks: blocks\n" in second.log
    assert "Compiled blocks: fetched 0.0 MB (s3://models/compiled/gpu)\n" in second.log


def test_a_bucket_that_refuses_does_not_fail_a_start_and_gets_the_archive_at_the_next_one(
    start_server: StartServer, aws: dict[str, str], proxy: S3Proxy, bucket: Bucket, tmp_path: Path
) -> None:
    proxy.refusal = (403, "AccessDenied")
    own: dict[str, Any] = {**aws, "IMAGE_GEN_COMPILE": "1", "IMAGE_GEN_COMPILE_CACHE": PLACE}
    server = start_server(**own, HF_HOME=tmp_path / "one" / "huggingface")
    server.wait_phase("ready")
    server.wait_log("Compiled blocks could not be put into s3://models/compiled/gpu")
    assert "Compiled blocks could not be fetched from s3://models/compiled/gpu" in server.log
    assert server.log.count("Fix: grant s3:GetObject") >= 1
    proxy.refusal = None
    start_server(**own, HF_HOME=tmp_path / "one" / "huggingface").wait_log("Compiled blocks: put 0.0 MB")
    assert bucket.offered() == b"blocks"


def test_an_address_without_compiling_is_a_warning(start_server: StartServer, aws: dict[str, str]) -> None:
    server = start_server(**aws, IMAGE_GEN_COMPILE_CACHE=PLACE)
    server.wait_phase("ready")
    assert "IMAGE_GEN_COMPILE_CACHE is not used: nothing is compiled. Fix: set IMAGE_GEN_COMPILE=1" in server.log
    assert "compiled blocks" not in server.log


@pytest.mark.parametrize(
    "name", ["../key.blocks", "/key.blocks", "gpu/../../key.blocks", "gpu/sub/key.blocks", "gpu/secret", "gpu/.blocks"]
)
def test_a_name_of_a_file_elsewhere_is_neither_read_nor_written(
    store: CompileStore, archive: Path, proxy: S3Proxy, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    place = archive.parents[1] / (str(archive.parents[2]) + name if name.startswith("/") else name)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(b"a secret")
    run(store.put(str(place) if name.startswith("/") else name))
    place.unlink()
    run(store.fetch(str(place) if name.startswith("/") else name))
    assert not place.exists() and not proxy.requests
    assert caplog.text.count("named a file that is no archive of compiled blocks. It was neither read nor written") == 2


def test_a_link_to_a_file_or_folder_elsewhere_is_not_followed(
    store: CompileStore, archive: Path, bucket: Bucket, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key.blocks").write_bytes(b"a secret")
    archive.symlink_to(tmp_path / "secret" / "key.blocks")
    (archive.parents[1] / "linked").symlink_to(tmp_path / "secret")
    run(store.put(NAME), store.put("linked/key.blocks"))
    assert bucket.names() == set()
    bucket.write("linked/other.sha256", sha256(OTHERS).encode())
    bucket.write(f"linked/{sha256(OTHERS)}", OTHERS)
    run(store.fetch("linked/other.blocks"))
    assert [path.name for path in (tmp_path / "secret").iterdir()] == ["key.blocks"]
    assert caplog.text.count("is a link to a place outside of") == 3


def test_workers_that_ask_at_once_share_one_download(
    store: CompileStore, archive: Path, bucket: Bucket, proxy: S3Proxy
) -> None:
    blocks = bytes(200_000)
    bucket.offer(blocks)
    proxy.bytes_per_second = 1_000_000
    run(*(store.fetch(NAME) for _ in range(4)))
    assert archive.read_bytes() == blocks
    assert len(proxy.reads(sha256(blocks))) == 1


def test_workers_with_a_gpu_each_have_the_store_in_common(aws: dict[str, str], tmp_path: Path) -> None:
    from image_gen.serving.http.api_keys import ApiKeys
    from image_gen.serving.service import Service
    from image_gen.settings import Settings

    env = {**aws, "IMAGE_GEN_COMPILE": "1", "IMAGE_GEN_COMPILE_CACHE": PLACE, "IMAGE_GEN_ENGINES": "2"}
    env |= {"HF_HOME": str(tmp_path), "IMAGE_GEN_DEVICE": "cpu"}
    settings = Settings.from_env(env)
    service = Service(settings, CacheSettings.from_env(env), env, keys=ApiKeys(settings.api_key, None))
    first, second = (engine.compile_store for engine in service.worker.all)
    assert first is not None and first is second


@pytest.mark.parametrize(
    ("damaged", "content", "reason"),
    [
        ("object", b"other code!!", "does not have that sha256; it is not used"),
        ("pointer", b"<html>", "key.sha256 names no sha256; the next archive replaces it"),
        ("pointer", b"0" * 64, "is named and does not exist; the next archive replaces it"),
    ],
)
def test_a_damaged_copy_is_not_used_and_is_replaced(
    store: CompileStore, bucket: Bucket, caplog: pytest.LogCaptureFixture, *, damaged: str, content: bytes, reason: str
) -> None:
    archive = store._directory / NAME
    bucket.offer(OTHERS)
    bucket.write("gpu/key.sha256" if damaged == "pointer" else f"gpu/{sha256(OTHERS)}", content)
    run(store.fetch(NAME))
    assert not list(archive.parent.iterdir())
    assert reason in caplog.text
    archive.write_bytes(BLOCKS)
    run(store.put(NAME))
    assert bucket.offered() == BLOCKS


def test_a_damaged_copy_of_the_same_archive_is_written_again(
    store: CompileStore, archive: Path, bucket: Bucket
) -> None:
    bucket.offer(BLOCKS)
    bucket.write(f"gpu/{sha256(BLOCKS)}", b"other code!!")
    run(store.fetch(NAME))
    archive.write_bytes(BLOCKS)
    run(store.put(NAME))
    assert bucket.offered() == BLOCKS


def test_an_archive_that_no_worker_could_load_is_replaced(store: CompileStore, archive: Path, bucket: Bucket) -> None:
    bucket.offer(OTHERS)
    run(store.fetch(NAME))
    assert archive.read_bytes() == OTHERS
    # The worker deletes it, and makes another one.
    archive.write_bytes(BLOCKS)
    run(store.put(NAME))
    assert bucket.offered() == BLOCKS


def test_an_archive_of_another_host_stays(store: CompileStore, archive: Path, bucket: Bucket, proxy: S3Proxy) -> None:
    bucket.offer(OTHERS)
    before = len([each for each in proxy.requests if each.method in {"PUT", "POST"}])
    archive.write_bytes(BLOCKS)
    run(store.put(NAME), store.put(NAME))
    assert bucket.offered() == OTHERS
    assert len([each for each in proxy.requests if each.method in {"PUT", "POST"}]) == before


def test_an_error_that_nobody_expects_is_a_warning(
    store: CompileStore, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no such thing")

    monkeypatch.setattr(compile_store, "S3Bucket", fail)
    run(store.fetch(NAME), store.put(NAME))
    assert (
        "Compiled blocks could not be fetched from s3://models/compiled/gpu: RuntimeError: no such thing" in caplog.text
    )
    assert "Compiled blocks could not be put into s3://models/compiled/gpu: RuntimeError: no such thing" in caplog.text


def test_a_worker_is_answered_when_the_store_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    class Store:
        async def fetch(self, _name: str) -> None:
            raise RuntimeError("no such thing")

    async def ask() -> list[Message]:
        sent: list[Message] = []
        supervisor = WorkerSupervisor(Readiness("m", None, "0"), {}, "cpu")
        supervisor.compile_store = Store()  # type: ignore[assignment] # a fake store
        monkeypatch.setattr(supervisor, "_send", sent.append)
        supervisor._on_message(ArtifactsRequest(NAME), b"")
        await asyncio.gather(*supervisor._sharing, return_exceptions=True)
        return sent

    assert asyncio.run(ask()) == [ArtifactsFetched()]
