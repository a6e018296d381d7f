"""The mode `recorded`: once a file's sha256 was proven, its BLAKE3 proves every later start."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from blake3 import blake3
from conftest import UNET, MakeCache, MakeRepo

from image_gen.errors import ImageGenError
from image_gen.model_cache import ModelCache, ReadyModel
from image_gen.model_cache.core.digest import ContentDigest
from image_gen.model_cache.core.verification_record import FileFingerprint, VerificationRecord
from image_gen_demo.hub import DemoHub

VAE = "vae/diffusion_pytorch_model.fp16.safetensors"
MODEL = "test/model"


class Counted:
    """How many files were compared with their own name."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sizes: list[int] = []

        def made(size: int, *, recorded: bool = False) -> ContentDigest:
            self.sizes.append(size)
            return ContentDigest(size, recorded=recorded)

        for module in ("page_cache", "repair"):
            monkeypatch.setattr(f"image_gen.model_cache.download.{module}.ContentDigest", made)

    def forget(self) -> int:
        count = len(self.sizes)
        self.sizes.clear()
        return count


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


def restart(store: ModelCache) -> ReadyModel:
    found = store.locate(MODEL)
    assert found is not None
    return found


def record_of(store: ModelCache, model: ReadyModel) -> VerificationRecord:
    return VerificationRecord(store.settings, MODEL, model.revision)


def flip(path: Path) -> None:
    """One bit, with size and times kept."""
    real, before = path.resolve(), path.stat()
    real.chmod(0o644)
    with real.open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        last = stream.read(1)
        stream.seek(-1, os.SEEK_END)
        stream.write(bytes([last[0] ^ 1]))
    os.utime(real, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_download_writes_the_record_and_no_restart_computes_a_sha256(
    make_repo: MakeRepo, make_cache: MakeCache, counted: Counted
) -> None:
    make_repo(unet_bytes=20 << 20)
    store = make_cache()
    model = store.ensure(MODEL)
    record = record_of(store, model).read()
    assert record.keys() == {file.path for file in model.files}
    for path, fingerprint in record.items():
        assert fingerprint.blake3 == blake3((model.directory / path).read_bytes()).hexdigest()
    counted.forget()
    assert store.verify_and_repair(restart(store)) == restart(store)
    assert counted.forget() == 0
    assert record_of(store, model).read() == record
    store.verify_and_repair(restart(store), verify="full")
    assert counted.forget() == len(model.files)
    assert record_of(store, model).read() == record


@pytest.mark.parametrize("path", [UNET, VAE, "model_index.json"])
def test_one_bit_with_size_and_times_kept_is_found_and_only_that_file_is_downloaded(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, path: str
) -> None:
    source = make_repo(unet_bytes=9 << 20)
    store = make_cache()
    model = store.ensure(MODEL)
    flip(model.directory / path)
    hub.forget()
    repaired = store.verify_and_repair(restart(store))
    assert (repaired.directory / path).read_bytes() == (source / path).read_bytes()
    assert [entry["path"].endswith(path) for entry in hub.requests if entry["bytes"]] == [True]
    content = (repaired.directory / path).read_bytes()
    assert record_of(store, model).read()[path].blake3 == blake3(content).hexdigest()


def test_a_file_that_another_tool_replaced_by_the_same_content_stays(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache
) -> None:
    make_repo()
    store = make_cache()
    model = store.ensure(MODEL)
    blob = (model.directory / UNET).resolve()
    content = blob.read_bytes()
    blob.unlink()
    blob.write_bytes(content)
    hub.forget()
    assert not store.verify_and_repair(restart(store)).bytes_fetched
    assert hub.requests == []


@pytest.mark.parametrize("kept", ["nothing", "rubbish", "of the first version", "another content"])
def test_without_a_usable_record_sha256_is_compared_and_a_record_is_written(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, counted: Counted, kept: str
) -> None:
    make_repo()
    store = make_cache()
    model = store.ensure(MODEL)
    record = record_of(store, model)
    before = record.read()
    if kept == "nothing":
        record.path.unlink()
    elif kept == "rubbish":
        record.path.write_text("{", encoding="utf-8")
    elif kept == "of the first version":
        record.write({path: replace(each, blake3="") for path, each in before.items()})
    else:
        record.write({path: replace(each, content="0" * 64) for path, each in before.items()})
    counted.forget()
    hub.forget()
    store.verify_and_repair(restart(store))
    assert counted.forget() == len(model.files)
    assert record.read() == before
    assert hub.requests == []


def test_a_record_that_was_damaged_condemns_no_good_file(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache
) -> None:
    make_repo()
    store = make_cache()
    model = store.ensure(MODEL)
    record = record_of(store, model)
    before = record.read()
    record.write({**before, UNET: replace(before[UNET], blake3="0" * 64)})
    hub.forget()
    store.verify_and_repair(restart(store))
    assert hub.requests == []
    assert record.read() == before


def test_full_and_verify_do_not_believe_the_record(make_repo: MakeRepo, make_cache: MakeCache) -> None:
    """Whoever can write the volume can write a record as well."""
    make_repo()
    store = make_cache()
    model = store.ensure(MODEL)
    flip(model.directory / UNET)
    status = (model.directory / UNET).stat()
    record, file = record_of(store, model), next(each for each in model.files if each.path == UNET)
    forged = blake3((model.directory / UNET).read_bytes()).hexdigest()
    record.write({**record.read(), UNET: FileFingerprint.of(file, status, forged)})
    offline = make_cache(offline=True)
    assert offline.verify_and_repair(restart(offline)).files  # what the mode is documented to accept
    assert not offline.verify().ok
    with pytest.raises(ImageGenError) as caught:
        offline.verify_and_repair(restart(offline), verify="full")
    assert caught.value.code == "CORRUPT_CACHE"
