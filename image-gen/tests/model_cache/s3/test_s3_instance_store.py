"""A bucket in the region fills the copy on a host's own disk by ranges; one that fails leaves the volume's model."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import UNET, MakeCache, MakeRepo
from fake_s3.fixtures import BUCKET
from fake_s3.proxy import S3Proxy

from image_gen.model_cache import ModelCache, ProgressCallbacks, ReadyModel
from image_gen.model_cache.core.s3_uri import S3Uri
from image_gen.model_cache.download.instance_store import MARKER, InstanceStore

ID = "test/model"
CHECKPOINT = "test/files/own.safetensors"
WEIGHTS = (
    "model.diffusion_model.input_blocks.0.0.weight",
    "first_stage_model.decoder.conv_in.weight",
    "cond_stage_model.transformer.text_model.embeddings.position_embedding.weight",
)
ADDRESS = S3Uri(BUCKET, "our/models")
MB = 1 << 20


@pytest.fixture
def host(make_repo: MakeRepo, make_cache: MakeCache, tmp_path: Path, aws: dict[str, str], proxy: S3Proxy) -> ModelCache:
    """The volume of a host that reaches a bucket and no hub, with an empty instance store."""
    make_repo(unet_bytes=6 * MB)
    cache = host_with(ID, make_cache, tmp_path, aws)
    proxy.requests.clear()
    return cache


def host_with(model_id: str, make_cache: MakeCache, folder: Path, aws: dict[str, str]) -> ModelCache:
    make_cache(home=folder / "connected", aws=aws).mirror(model_id, ADDRESS)
    (folder / "disk").mkdir()
    (folder / "disk" / MARKER).touch()
    cache = make_cache(mirror=ADDRESS, offline=True, aws=aws, piece_bytes=MB, instance_store=folder / "disk")
    cache.ensure(model_id)
    return cache


def load(cache: ModelCache, model_id: str = ID) -> ReadyModel | None:
    store = InstanceStore.of(cache.settings)
    assert store is not None
    return store.load(cache.ensure(model_id), "recorded", ProgressCallbacks())


def test_the_copy_is_filled_by_ranges_and_loaded_from_the_disk_at_the_next_start(
    host: ModelCache, proxy: S3Proxy
) -> None:
    copy, home = load(host), host.ensure(ID)
    assert copy is not None and (copy.source, copy.revision) == ("instance-store", home.revision)
    assert copy.verified == {file.path for file in home.files}
    assert len([each for each in proxy.reads(UNET) if each.range]) == 6
    for file in home.files:
        assert (copy.directory / file.path).read_bytes() == (home.directory / file.path).read_bytes()
    proxy.requests.clear()
    assert load(host) is not None and proxy.requests == []


def test_broken_connections_download_nothing_twice(host: ModelCache, proxy: S3Proxy) -> None:
    proxy.drop_after, proxy.times = 700_000, 4
    copy = load(host)
    assert copy is not None and proxy.times is not None and proxy.times < 0
    assert sum(each.bytes for each in proxy.reads()) <= 1.02 * copy.bytes_total + 20_000


def test_a_bucket_that_refuses_is_one_line_and_the_volume_is_loaded(
    host: ModelCache, proxy: S3Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.refusal = (403, "AccessDenied")
    assert load(host) is None
    (record,) = caplog.records
    assert record.getMessage().startswith("The copy on the instance store can't be used: The AWS credentials may not ")
    assert host.verify_and_repair(host.ensure(ID)).source == "volume"


@pytest.mark.parametrize("rate", [100, MB // 8])
def test_a_bucket_that_is_slower_than_a_volume_does_not_hold_up_the_start(
    host: ModelCache, proxy: S3Proxy, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, rate: int
) -> None:
    monkeypatch.setattr("image_gen.model_cache.download.instance_store._GRACE_SECONDS", 2.0)
    proxy.bytes_per_second = rate
    began = time.monotonic()
    # A hub may be waited for at a first start, and a copy that is to save seconds may not.
    assert load(ModelCache(replace(host.settings, read_timeout=600.0, connect_timeout=600.0))) is None
    assert time.monotonic() - began < 30
    assert re.search("sends less than 80 MB/s|does not answer", caplog.messages[-1])
    assert caplog.messages[-1].endswith(" The model is loaded from the volume.")


def test_a_checkpoint_is_filled_from_the_bucket_however_large_it_is(
    make_cache: MakeCache, tmp_path: Path, aws: dict[str, str], proxy: S3Proxy
) -> None:
    header = {
        name: {"dtype": "U8", "shape": [320, 4, 3, 3], "data_offsets": [index * 2 * MB, (index + 1) * 2 * MB]}
        for index, name in enumerate(WEIGHTS)
    }
    text = json.dumps(header).encode()
    place = tmp_path / "hub-root" / "test/files"
    place.mkdir(parents=True)
    (place / "own.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(6 * MB))
    host = host_with(CHECKPOINT, make_cache, tmp_path, aws)
    proxy.requests.clear()
    copy = load(host, CHECKPOINT)
    assert copy is not None and (copy.source, copy.checkpoint) == ("instance-store", "stable-diffusion")
    assert sum(each.bytes for each in proxy.reads()) <= 1.02 * copy.bytes_total + 20_000
