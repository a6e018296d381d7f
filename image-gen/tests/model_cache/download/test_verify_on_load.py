"""The pass at a start: reads everything, hashes it, sets damage aside and fetches only that again."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import UNET, MakeCache, MakeRepo

from image_gen.errors import ImageGenError
from image_gen.model_cache import ModelCache, Progress, ProgressCallbacks, ReadyModel
from image_gen.model_cache.core.layout import RepoLayout
from image_gen.model_cache.core.verification_record import VerificationRecord
from image_gen.model_cache.download.page_cache import loading_order
from image_gen.model_cache.download.repair import quarantined_files
from image_gen_demo.hub import DemoHub


def damage(path: Path, keep_times: bool = False) -> None:
    before = path.stat()
    with path.open("r+b") as stream:
        stream.seek(1000)
        stream.write(b"\xde\xad\xbe\xef")
    if keep_times:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def again(store: ModelCache) -> ReadyModel:
    """What a restart finds: nothing of it was hashed by this process."""
    found = store.locate("test/model")
    assert found is not None
    assert not found.verified
    return found


def test_verify_and_repair_hashes_and_records_a_model_offline(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache
) -> None:
    make_repo(unet_bytes=20 << 20)
    store = make_cache()
    fresh = store.ensure("test/model")
    assert fresh.verified == {file.path for file in fresh.files}
    hub.forget()
    seen: list[Progress] = []
    good: list[str] = []
    assert store.verify_and_repair(fresh, callbacks=ProgressCallbacks(seen.append, on_file=good.append)) == fresh
    assert seen == []  # it was hashed on its way here
    assert sorted(good) == sorted(fresh.verified)

    model, good = again(store), []
    assert store.verify_and_repair(model, callbacks=ProgressCallbacks(seen.append, on_file=good.append)) == model
    assert hub.requests == []
    assert {report.phase for report in seen} == {"verifying"}
    assert seen[-1].bytes_done == seen[-1].bytes_total == model.bytes_total
    assert sorted(good) == sorted(file.path for file in model.files)
    # Weights come last, and the largest of them first: it takes longest to load.
    weights = [file.path for file in loading_order(model.files)][-2:]
    assert weights == [UNET, "vae/diffusion_pytorch_model.fp16.safetensors"]
    stamp = json.loads(
        VerificationRecord(store.settings, model.model_id, model.revision).path.read_text(encoding="utf-8")
    )
    assert stamp["files"].keys() == {file.path for file in model.files}


def test_verify_and_repair_downloads_only_the_damaged_file(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache
) -> None:
    source = make_repo(unet_bytes=9 << 20)
    store = make_cache()
    model = store.ensure("test/model")
    damage(model.directory / UNET)
    hub.forget()
    good: list[str] = []
    repaired = store.verify_and_repair(again(store), callbacks=ProgressCallbacks(on_file=good.append))
    assert (repaired.directory / UNET).read_bytes() == (source / UNET).read_bytes()
    assert [entry["path"].split("/resolve/")[1].split("/", 1)[1] for entry in hub.requests if entry["bytes"]] == [UNET]
    assert sorted(good) == sorted(file.path for file in model.files)
    assert repaired.bytes_fetched == 9 << 20
    assert quarantined_files(RepoLayout(store.settings.hub_cache, "test/model")) == []
    assert store.verify().ok


def test_verify_and_repair_quarantines_offline_and_names_the_fix(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache
) -> None:
    make_repo()
    model = make_cache().ensure("test/model")
    damage(model.directory / UNET)
    offline = make_cache(offline=True)
    for attempt in (lambda: offline.verify_and_repair(again(offline)), lambda: offline.ensure("test/model")):
        with pytest.raises(ImageGenError) as caught:
            attempt()
        assert caught.value.code == "CORRUPT_CACHE"
        assert caught.value.message.count("image-gen restore --input FILE") == 1
        assert caught.value.message.count("Fix") == 1
        assert "unset HF_HUB_OFFLINE" in caught.value.message
    aside = quarantined_files(RepoLayout(offline.settings.hub_cache, "test/model"))
    assert len(aside) == 1
    assert not (model.directory / UNET).exists()
    online = make_cache()
    assert online.verify_and_repair(online.ensure("test/model")).source == "download"
    assert not aside[0].exists()


def test_verify_changed_does_not_hash_unchanged_files(hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache) -> None:
    make_repo()
    store = make_cache()
    model = store.verify_and_repair(store.ensure("test/model"))
    blob = (model.directory / UNET).resolve()
    other = model.directory / "vae/diffusion_pytorch_model.fp16.safetensors"
    # Even with its times put back, a write is seen: the kernel alone sets the time of change.
    damage(blob, keep_times=True)
    hub.forget()
    store.verify_and_repair(again(store), verify="size")
    assert hub.requests == []
    stamp = VerificationRecord(store.settings, model.model_id, model.revision)
    before = stamp.read()
    store.verify_and_repair(again(store), verify="changed")
    fetched = [entry["path"] for entry in hub.requests if entry["bytes"]]
    assert len(fetched) == 1
    assert fetched[0].endswith(UNET)
    # A stamp that is right by all signs is trusted, which is what this mode is for.
    path = "vae/diffusion_pytorch_model.fp16.safetensors"
    after = stamp.read()
    assert after[path] == before[path]
    assert after[UNET] != before[UNET]
    damage(other)
    status = other.stat()
    stamp.write({**after, path: replace(after[path], mtime_ns=status.st_mtime_ns, ctime_ns=status.st_ctime_ns)})
    hub.forget()
    store.verify_and_repair(again(store), verify="changed")
    assert hub.requests == []
    store.verify_and_repair(again(store), verify="full")
    assert len([entry for entry in hub.requests if entry["bytes"]]) == 1


def test_verify_and_repair_names_a_damaged_image(make_repo: MakeRepo, make_cache: MakeCache, tmp_path: Path) -> None:
    make_repo()
    store = make_cache()
    store.bake("test/model", tmp_path / "baked")
    model = again(store)
    assert model.source == "baked"
    damage(model.directory / UNET)
    assert store.verify_and_repair(model, verify="size") == model
    with pytest.raises(ImageGenError, match="pull or build it again") as caught:
        store.verify_and_repair(model, verify="full")
    assert caught.value.code == "CORRUPT_CACHE"


def test_verify_and_repair_treats_missing_files_as_damaged(make_repo: MakeRepo, make_cache: MakeCache) -> None:
    make_repo(unet_bytes=17 << 20)
    store = make_cache()
    store.ensure("test/model")
    model = again(store)
    os.truncate((model.directory / UNET).resolve(), 9 << 20)
    (model.directory / "vae/config.json").resolve().unlink()
    repaired = store.verify_and_repair(model)
    assert repaired.source == "download"
    assert store.verify().ok


def test_cancel_ends_verify_and_repair(make_repo: MakeRepo, make_cache: MakeCache) -> None:
    make_repo()
    store = make_cache()
    store.ensure("test/model")
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(ImageGenError) as caught:
        store.verify_and_repair(again(store), callbacks=ProgressCallbacks(cancel=cancel))
    assert caught.value.code == "CANCELLED"


def test_clear_deletes_verification_records(make_repo: MakeRepo, make_cache: MakeCache) -> None:
    make_repo()
    store = make_cache()
    model = store.verify_and_repair(store.ensure("test/model"))
    stamp = VerificationRecord(store.settings, model.model_id, model.revision)
    assert stamp.path.exists()
    store.clear("test/model")
    assert not stamp.path.exists()
