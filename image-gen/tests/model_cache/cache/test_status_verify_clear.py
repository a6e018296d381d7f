"""Status, verify, repair and clear."""

from __future__ import annotations

import hashlib
import os
import random
import threading
from pathlib import Path

import pytest
from conftest import UNET, MakeCache, MakeRepo

from image_gen.errors import ImageGenError
from image_gen.model_cache import ProgressCallbacks
from image_gen.model_cache.cache.scan import disk_usage
from image_gen.model_cache.core.manifest import ManifestFile
from image_gen.model_cache.core.progress import Meter
from image_gen.model_cache.download.page_cache import PageCacheReader
from image_gen_demo.hub import DemoHub


def damage(path: Path) -> None:
    with path.open("r+b") as stream:
        stream.seek(1000)
        stream.write(b"\xde\xad\xbe\xef")


def test_status_shows_complete_models(make_repo: MakeRepo, make_cache: MakeCache) -> None:
    make_repo("test/model")
    make_repo("test/other", seed=2)
    store = make_cache()
    assert store.status().models == ()
    whole, broken = store.ensure("test/model"), store.ensure("test/other")
    (broken.directory / UNET).resolve().unlink()
    lines = {model.model_id: model for model in store.status().models}
    assert lines["test/model"].complete and lines["test/model"].revision == whole.revision
    assert lines["test/model"].bytes_used == disk_usage(whole.directory.parents[1] / "blobs")
    assert not lines["test/other"].complete and lines["test/other"].missing == (UNET,)
    assert store.status().bytes_used == disk_usage(store.settings.hf_home)


def test_status_shows_partial_downloads_and_models_of_other_tools(
    make_repo: MakeRepo, make_cache: MakeCache, hub: DemoHub
) -> None:
    store = make_cache()
    make_repo()
    model = store.ensure("test/model")
    for kept in store.registry.cached_files("test/model"):
        kept.unlink()
    (store.settings.hub_cache / "models--half--way" / "blobs").mkdir(parents=True)
    lines = {each.model_id: each for each in store.status().models}
    assert not lines["half/way"].complete and lines["half/way"].revision is None
    assert lines["test/model"].complete and lines["test/model"].revision == model.revision
    damage(model.directory / UNET)
    assert store.verify().models[0].damaged == (UNET,)


def test_verify_lists_damaged_files_and_repair_deletes_them(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache
) -> None:
    make_repo()
    store = make_cache()
    model = store.ensure("test/model")
    hub.forget()
    assert store.verify().ok
    damage(model.directory / UNET)
    assert store.locate("test/model") is not None
    report = store.verify("test/model")
    assert not report.ok and report.models[0].damaged == (UNET,) and report.models[0].missing == ()
    assert store.verify("test/model", repair=True).repaired
    assert hub.requests == []
    assert store.ensure("test/model").source == "download"
    assert store.verify().ok
    assert [entry["path"].endswith(UNET) for entry in hub.requests] == [True]


def test_verify_reports_progress_and_missing_files(make_repo: MakeRepo, make_cache: MakeCache) -> None:
    make_repo()
    store = make_cache()
    (store.ensure("test/model").directory / UNET).unlink()
    seen: list[str] = []
    report = store.verify(callbacks=ProgressCallbacks(lambda progress: seen.append(progress.phase)))
    assert report.models[0].missing == (UNET,) and set(seen) == {"verifying"}
    with pytest.raises(ImageGenError) as caught:
        store.verify("no/such")
    assert caught.value.code == "MODEL_NOT_CACHED"


def test_clear_deletes_one_model_with_all_of_its_files(make_repo: MakeRepo, make_cache: MakeCache) -> None:
    make_repo("test/model")
    make_repo("test/other", seed=2)
    store = make_cache()
    store.ensure("test/model")
    other = store.ensure("test/other")
    (store.settings.hf_home / "token").write_text("hf_mine")
    (store.settings.hub_cache / "models--test--model" / "blobs" / ("0" * 64 + ".incomplete")).write_bytes(b"x" * 1000)
    before = disk_usage(store.settings.hf_home)
    planned = store.clear("test/model", dry_run=True)
    assert disk_usage(store.settings.hf_home) == before
    done = store.clear("test/model")
    assert done.bytes_freed == planned.bytes_freed == before - disk_usage(store.settings.hf_home)
    assert not list(store.settings.hf_home.rglob("*test--model*"))
    assert store.ensure("test/other").directory == other.directory and store.verify().ok
    assert (store.settings.hf_home / "token").read_text() == "hf_mine"
    with pytest.raises(ImageGenError) as caught:
        store.clear("test/model")
    assert caught.value.code == "MODEL_NOT_CACHED" and "test/other" in caught.value.message


def test_clear_all_leaves_no_model(hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache) -> None:
    make_repo("test/model")
    make_repo("test/other", seed=2)
    store = make_cache()
    store.ensure("test/model")
    store.ensure("test/other")
    assert {removal.model_id for removal in store.clear().removed} == {"test/model", "test/other"}
    assert store.status().models == () and disk_usage(store.settings.hf_home) == 0
    assert store.clear().removed == ()
    assert store.ensure("test/model").source == "download"


def test_clear_deletes_shared_blobs_with_the_last_model(make_repo: MakeRepo, make_cache: MakeCache) -> None:
    """Newer hub clients keep contents beside the models, and link to them from each."""
    make_repo("test/model")
    make_repo("test/other")
    store = make_cache()
    shared = store.settings.hub_cache / "blobs" / "ab" / ("ab" * 32)
    shared.parent.mkdir(parents=True)
    for model in (store.ensure("test/model"), store.ensure("test/other")):
        blob = (model.directory / UNET).resolve()
        blob.replace(shared)
        blob.symlink_to(f"../../blobs/ab/{shared.name}")
    assert store.locate("test/model") is not None
    store.clear("test/model")
    assert shared.is_file() and store.locate("test/other") is not None
    assert store.clear("test/other").bytes_freed >= 3 << 20
    assert not shared.exists()


def test_verify_does_not_report_unreadable_files_as_damaged(
    make_repo: MakeRepo, make_cache: MakeCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_repo()
    store = make_cache()
    model = store.ensure("test/model")
    monkeypatch.setattr(os, "access", lambda path, *_, **__: path.name != "config.json")
    report = store.verify(repair=True)
    [found] = report.models
    assert found.unreadable == ("unet/config.json", "vae/config.json") and not found.damaged and not found.ok
    assert "chown" in found.problem and not report.repaired and (model.directory / "unet/config.json").exists()
    [line] = store.status().models
    assert line.unreadable == found.unreadable and not line.complete and "chown" in line.problem


@pytest.mark.parametrize("threads", [1, 2, 3, 9])
def test_page_cache_reader_reads_every_block_once(threads: int, tmp_path: Path) -> None:
    noise = random.Random(threads)
    files = []
    for number, size in enumerate((20 << 20, 9 << 20, 1, 0, 8 << 20)):
        content = noise.randbytes(size)
        (tmp_path / str(number)).write_bytes(content)
        files.append(ManifestFile(str(number), size, hashlib.sha256(content).hexdigest()))
    with (tmp_path / "1").open("r+b") as stream:
        stream.write(b"damage")
    meter = Meter("verifying", 37 << 20, 0, None)
    reader = PageCacheReader(tmp_path, files, meter=meter, cancel=threading.Event(), threads=threads)
    assert {read.file.path: read.matches for read in reader.run()} == {
        "0": True,
        "1": False,
        "2": True,
        "3": True,
        "4": True,
    }
