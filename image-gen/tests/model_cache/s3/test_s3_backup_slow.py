"""A backup goes to a bucket as a stream, whole or not at all, and comes back only when all of it is proven."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import SOURCES, UNET, MakeCache, MakeRepo
from fake_s3.fixtures import BUCKET
from fake_s3.proxy import S3Proxy

from image_gen.cli.main import main
from image_gen.errors import ImageGenError
from image_gen.model_cache import ModelCache
from image_gen.model_cache.core.s3_uri import S3Uri
from image_gen.model_cache.sources.s3 import S3Bucket

ID = "test/model"
KEY = "backups/cache.tar.zst"
ADDRESS = S3Uri(BUCKET, KEY)
MB = 1 << 20


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("image_gen.model_cache.core.retry._back_off", lambda failed: 0.01)


@pytest.fixture
def full(make_repo: MakeRepo, make_cache: MakeCache, aws: dict[str, str]) -> ModelCache:
    """A store whose model takes several parts in a bucket."""
    make_repo(unet_bytes=40 * MB)
    store = make_cache(aws=aws, read_timeout=5.0)
    store.ensure(ID)
    return store


@pytest.fixture
def other(make_cache: MakeCache, tmp_path: Path, aws: dict[str, str]) -> ModelCache:
    return make_cache(home=tmp_path / "other" / "huggingface", aws=aws, read_timeout=5.0, offline=True)


def keys(store: ModelCache) -> list[str]:
    import obstore

    with S3Bucket(store.settings, S3Uri(BUCKET)) as bucket:
        return [each["path"] for each in obstore.list(bucket.s3_client).collect()]


def test_s3_backup_and_restore_give_the_same_cache(full: ModelCache, other: ModelCache, proxy: S3Proxy) -> None:
    report = full.backup(ADDRESS, compress="zstd")
    assert report.models == (ID,) and report.bytes_stored > 40 * MB and keys(full) == [KEY]
    assert len([each for each in proxy.requests if each.method == "PUT"]) >= 3
    assert other.restore(ADDRESS).models == (ID,)
    assert other.verify().ok and other.ensure(ID).source == "volume"


def test_s3_restore_resumes_after_an_interruption(full: ModelCache, other: ModelCache, proxy: S3Proxy) -> None:
    full.backup(ADDRESS)
    proxy.requests.clear()
    proxy.drop_after, proxy.times = 9 * MB, 3
    other.restore(ADDRESS)
    assert other.verify().ok
    assert len([each for each in proxy.reads(KEY) if each.range]) == 3
    assert sum(each.bytes for each in proxy.reads(KEY)) < 1.05 * 42 * MB


def test_s3_backup_of_a_damaged_cache_keeps_the_earlier_object(full: ModelCache, other: ModelCache) -> None:
    full.backup(ADDRESS)
    blob = (full.ensure(ID).directory / UNET).resolve()
    with blob.open("r+b") as stream:
        stream.seek(30 * MB)
        stream.write(b"damage")
    with pytest.raises(ImageGenError) as caught:
        full.backup(ADDRESS)
    assert caught.value.code == "CORRUPT_CACHE"
    with pytest.raises(ImageGenError):
        full.backup(S3Uri(BUCKET, "second.tar"))
    assert keys(full) == [KEY]
    assert other.restore(ADDRESS).models == (ID,)


def test_killed_s3_backup_leaves_no_object(
    full: ModelCache, proxy: S3Proxy, aws: dict[str, str], command: list[str], command_env: dict[str, str]
) -> None:
    running = subprocess.Popen([*command, "backup", "--output", str(ADDRESS)], env=command_env | aws)
    until = time.monotonic() + 30
    while not [each for each in proxy.requests if each.method == "PUT"] and time.monotonic() < until:
        time.sleep(0.005)
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    assert keys(full) == []
    assert full.backup(ADDRESS).models == (ID,) and keys(full) == [KEY]


def test_s3_restore_of_a_damaged_object_changes_nothing(full: ModelCache, other: ModelCache) -> None:
    import obstore

    full.backup(ADDRESS)
    other.restore(ADDRESS)
    before = other.ensure(ID)
    with S3Bucket(full.settings, S3Uri(BUCKET)) as bucket:
        content = bytearray(obstore.get(bucket.s3_client, KEY).bytes())
        content[20 * MB] ^= 0xFF
        obstore.put(bucket.s3_client, KEY, bytes(content))
    with pytest.raises(ImageGenError) as caught:
        other.restore(ADDRESS)
    assert caught.value.code in {"CORRUPT_BACKUP", "BACKUP_INVALID"}
    assert other.verify().ok and other.ensure(ID).directory == before.directory
    assert not (other.settings.hub_cache / ".locks" / "image-gen-restore").exists()


def test_s3_backup_reports_refusals(full: ModelCache, other: ModelCache, proxy: S3Proxy) -> None:
    with pytest.raises(ImageGenError) as caught:
        other.restore(S3Uri(BUCKET, "nothing.tar"))
    assert caught.value.code == "FILE_NOT_FOUND" and "s3://models/nothing.tar" in caught.value.message
    with pytest.raises(ImageGenError) as caught:
        full.backup(S3Uri("nowhere", KEY))
    assert caught.value.code == "S3_NOT_FOUND"
    proxy.refusal = (403, "AccessDenied")
    with pytest.raises(ImageGenError) as caught:
        full.backup(ADDRESS)
    assert caught.value.code == "S3_DENIED" and "s3:PutObject" in caught.value.message


@pytest.mark.usefixtures("full", "as_library")
def test_s3_backup_and_restore_commands(
    other: ModelCache, aws: dict[str, str], command_env: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["backup", "--output", str(ADDRESS), "--json"], command_env | aws) == 0
    assert ID in capsys.readouterr().out
    there = command_env | aws | {"HF_HOME": str(other.settings.hf_home)}
    assert main(["restore", "--input", str(ADDRESS)], there) == 0
    assert other.verify().ok
    assert main(["backup", "--output", "s3://models"], command_env | aws) == 1
    assert "--output: expected s3://bucket/key" in capsys.readouterr().err


def test_s3_backup_and_restore_use_little_memory(
    make_repo: MakeRepo, make_cache: MakeCache, aws: dict[str, str]
) -> None:
    """A process of its own with the whole round: far less than what passes through it."""
    make_repo(unet_bytes=250 * MB)
    store = make_cache(aws=aws, read_timeout=10.0)
    store.ensure(ID)
    program = (
        "import os, re, pathlib; from image_gen.model_cache import ModelCache, CacheSettings;"
        "from image_gen.model_cache.core.s3_uri import S3Uri;"
        "store = ModelCache(CacheSettings.from_env(os.environ)); place = S3Uri('models', 'big.tar');"
        "peak = lambda: re.search(r'VmHWM:\\s+(\\d+)', pathlib.Path('/proc/self/status').read_text())[1];"
        "store.backup(place); print(peak()); store.restore(place); print(peak())"
    )
    env = os.environ | aws | {"PYTHONPATH": str(SOURCES), "HF_HOME": str(store.settings.hf_home)}
    # On a busy machine moto needs more than 10 s to join the parts, and fails when that try is repeated meanwhile.
    env["HF_HUB_DOWNLOAD_TIMEOUT"] = "120"
    peak = subprocess.run([sys.executable, "-c", program], env=env, check=True, capture_output=True, text=True)
    assert all(int(kilobytes) * 1024 < 220 * MB for kilobytes in peak.stdout.split()), peak.stdout
