"""A hub cache of the host is searched after the volume, served where it is, and never changed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import UNET, MakeCache, MakeRepo

from image_gen.errors import ImageGenError
from image_gen.model_cache import CacheSettings, ModelCache
from image_gen.model_cache.cache import host
from image_gen_demo.hub import DemoHub


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """What a process has found out does not reach the next test."""
    host._DAMAGED.clear()
    host._warn_once.cache_clear()
    yield


@pytest.fixture
def theirs(hub: DemoHub, make_repo: MakeRepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A HF_HOME that Hugging Face's own client has filled."""
    make_repo()
    from huggingface_hub import snapshot_download

    snapshot_download("test/model", cache_dir=tmp_path / "theirs/hub", endpoint=hub.url)
    hub.forget()
    return tmp_path / "theirs"


def _state(place: Path) -> dict[str, tuple[int, int, str]]:
    return {
        str(path.relative_to(place)): (
            status.st_mtime_ns,
            status.st_mode,
            str(path.readlink()) if path.is_symlink() else "",
        )
        for path in sorted(place.rglob("*"))
        if (status := path.lstat())
    }


def _files_asked(hub: DemoHub) -> list[str]:
    return [entry["path"] for entry in hub.requests if "/resolve/" in entry["path"]]


@pytest.mark.parametrize("named", ["HF_HOME", "the hub cache"])
def test_a_complete_model_is_served_where_it_is_without_a_request(
    hub: DemoHub, make_cache: MakeCache, theirs: Path, named: str
) -> None:
    before = _state(theirs)
    cache = make_cache(host_cache=theirs if named == "HF_HOME" else theirs / "hub")
    model = cache.verify_and_repair(cache.ensure("test/model"))
    assert model.source == "host" and model.directory.is_relative_to(theirs) and hub.requests == []
    assert not cache.hold(model).held and _state(theirs) == before
    assert not cache.settings.hub_cache.exists()


def test_the_own_volume_is_searched_first(hub: DemoHub, make_cache: MakeCache, theirs: Path) -> None:
    make_cache().ensure("test/model")
    assert make_cache(host_cache=theirs).ensure("test/model").source == "volume"


def test_a_damaged_file_is_named_once_and_the_rest_is_copied(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, theirs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = next(theirs.glob(f"hub/models--test--model/snapshots/*/{UNET}")).resolve()
    place.chmod(0o644)
    place.write_bytes(b"x" * place.stat().st_size)
    before = _state(theirs)
    cache = make_cache(host_cache=theirs)
    model = cache.verify_and_repair(cache.ensure("test/model"))
    assert model.source == "download" and model.directory.is_relative_to(cache.settings.hub_cache)
    weights = [path for path in _files_asked(hub) if path.endswith(".safetensors")]
    assert len(weights) == 1 and weights[0].endswith(UNET) and _state(theirs) == before
    messages = [record.getMessage() for record in caplog.records if str(theirs) in record.getMessage()]
    assert messages and UNET in messages[0] and "left as it is" in messages[0]
    assert cache.ensure("test/model").source == "volume"


def test_an_incomplete_model_gives_its_files(
    hub: DemoHub, make_cache: MakeCache, theirs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = make_cache(host_cache=theirs)
    cache.registry.keep(make_cache().resolve("test/model"), default=True)
    hub.forget()
    link = next(theirs.glob(f"hub/models--test--model/snapshots/*/{UNET}"))
    link.resolve().unlink()
    before = _state(theirs)
    model = cache.ensure("test/model")
    assert model.source == "download" and len(_files_asked(hub)) == 1 and _files_asked(hub)[0].endswith(UNET)
    assert len([record for record in caplog.records if "has not all of test/model" in record.getMessage()]) == 1
    assert _state(theirs) == before


@pytest.mark.parametrize("kind", ["missing", "a file", "unreadable", "the own cache"])
def test_a_host_cache_that_cannot_be_used_is_named_once_and_stops_nothing(
    make_repo: MakeRepo, make_cache: MakeCache, tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    make_repo()
    place = tmp_path / "theirs"
    if kind == "a file":
        place.write_text("x")
    elif kind == "unreadable":
        place.mkdir(mode=0)
        if os.access(place, os.R_OK):
            pytest.skip("root reads every directory")
    elif kind == "the own cache":
        place = make_cache().settings.hub_cache
        place.mkdir(parents=True)
    cache = make_cache(host_cache=place)
    assert cache.ensure("test/model").source == "download"
    named = [record.getMessage() for record in caplog.records if "IMAGE_GEN_HOST_CACHE" in record.getMessage()]
    assert len(named) == 1 and str(place) in named[0]
    status = cache.status().host_cache
    assert status is not None and "IMAGE_GEN_HOST_CACHE" in status.problem


def test_the_path_in_messages_is_the_hosts(
    theirs: Path, make_cache: MakeCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host.reader._reader, "mounts", {str(theirs): "/home/anna/.cache/huggingface"})
    status = make_cache(host_cache=theirs).status().host_cache
    assert status is not None and status.path == "/home/anna/.cache/huggingface/hub"
    assert [(model.model_id, model.complete) for model in status.models] == [("test/model", True)]


def test_no_command_deletes_there(hub: DemoHub, make_cache: MakeCache, theirs: Path) -> None:
    before = _state(theirs)
    cache = make_cache(host_cache=theirs)
    for call in (lambda: cache.clear("test/model"), lambda: cache.verify("test/model", repair=True)):
        with pytest.raises(ImageGenError) as caught:
            call()
        assert caught.value.code == "MODEL_NOT_CACHED"
    cache.clear(None)
    cache.clear_orphans()
    cache.collect_garbage(keep_free=10**15)
    assert cache.doctor("test/model").checks and _state(theirs) == before


def test_contents_of_another_revision_are_used(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, theirs: Path
) -> None:
    root = make_repo()
    (root / "README.md").write_text("---\nlicense: mit\n---\nA newer revision.\n")
    (root / "unet/config.json").write_text('{"newer": true}')
    cache = make_cache(host_cache=theirs)
    manifest = make_cache().resolve("test/model")
    hub.forget()
    model = cache.ensure("test/model", revision=manifest.revision)
    assert model.source == "download" and not [path for path in _files_asked(hub) if path.endswith(".safetensors")]
    assert model.bytes_fetched < 1000


def test_copies_without_links_need_the_list_that_the_client_kept(
    hub: DemoHub, make_cache: MakeCache, theirs: Path
) -> None:
    root = theirs / "hub/models--test--model"
    for link in [path for path in root.glob("snapshots/**/*") if path.is_symlink()]:
        target = link.resolve()
        link.unlink()
        shutil.copyfile(target, link)
    shutil.rmtree(root / "blobs")
    model = make_cache(host_cache=theirs).ensure("test/model")
    assert model.source == "host" and all(file.content_key for file in model.files)
    shutil.rmtree(root / "trees")
    host._warn_once.cache_clear()
    assert make_cache(host_cache=theirs).locate("test/model") is None


def test_the_setting_is_read(tmp_path: Path) -> None:
    assert CacheSettings.from_env({"IMAGE_GEN_HOST_CACHE": str(tmp_path)}).host_cache == tmp_path
    assert ModelCache(CacheSettings.from_env({"HF_HOME": str(tmp_path)})).status().host_cache is None
