"""A model of the user's own is verified by what was noted of it at its first start."""

import logging
import os
from pathlib import Path

import pytest

from image_gen import reader
from image_gen.errors import ImageGenError
from image_gen.model_cache import ModelCache
from tests.conftest import MakeCache, MakeRepo
from tests.model_cache.manifests.test_checkpoint import WHOLE, written


def started(cache: ModelCache, place: Path) -> None:
    cache.verify_and_repair(cache.ensure(str(place), model_dir=place), verify="full")


def damaged(path: Path) -> None:
    """Other content under the same time, as a disk's fault leaves it."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_checkpoint_that_its_disk_damaged_is_not_served(
    make_cache: MakeCache, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache, file = make_cache(), written(tmp_path, WHOLE)
    with caplog.at_level(logging.INFO):
        started(cache, file)
    assert "mine.safetensors has the sha256 " in caplog.text
    started(cache, file)
    damaged(file)
    for _ in range(2):
        with pytest.raises(ImageGenError, match=r"mine\.safetensors in MODEL_DIR .* is damaged") as caught:
            started(cache, file)
        assert caught.value.code == "CORRUPT_CACHE"
    # `size` hashes nothing, as the operator asked.
    cache.verify_and_repair(cache.ensure("x", model_dir=file), verify="size")


def test_a_checkpoint_that_was_written_again_is_noted_again(make_cache: MakeCache, tmp_path: Path) -> None:
    cache, file = make_cache(), written(tmp_path, WHOLE)
    started(cache, file)
    file.write_bytes(WHOLE[:-1] + b"x")
    os.utime(file, ns=(1, 1))
    started(cache, file)
    damaged(file)
    with pytest.raises(ImageGenError, match="damaged"):
        started(cache, file)


def test_files_of_a_directory_are_noted_too(make_cache: MakeCache, make_repo: MakeRepo) -> None:
    cache, repo = make_cache(), make_repo()
    started(cache, repo)
    damaged(repo / "unet/diffusion_pytorch_model.fp16.safetensors")
    with pytest.raises(ImageGenError, match="unet/diffusion_pytorch_model"):
        started(cache, repo)


def test_changed_files_alone_are_hashed_where_that_is_asked_for(make_cache: MakeCache, tmp_path: Path) -> None:
    cache, file = make_cache(), written(tmp_path, WHOLE)
    started(cache, file)
    damaged(file)
    cache.verify_and_repair(cache.ensure("x", model_dir=file), verify="changed")
    os.utime(file, ns=(1, 1))
    cache.verify_and_repair(cache.ensure("x", model_dir=file), verify="changed")


def test_errors_of_a_mounted_model_name_the_path_of_its_owner(
    make_cache: MakeCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the container's, which the owner has no file under."""
    cache, file = make_cache(), written(tmp_path, WHOLE)
    theirs = "/home/anna/models/mine.safetensors"
    monkeypatch.setattr(reader._reader, "mounts", {str(file): theirs})
    started(cache, file)
    damaged(file)
    with pytest.raises(ImageGenError, match=f"in MODEL_DIR {theirs} is damaged"):
        started(cache, file)
    file.write_bytes(WHOLE[:-1])
    with pytest.raises(ImageGenError, match=f"MODEL_DIR: {theirs} is cut off"):
        started(cache, file)
    folder = tmp_path / "fox"
    folder.mkdir()
    monkeypatch.setattr(reader._reader, "mounts", {str(folder): "/home/anna/fox"})
    with pytest.raises(ImageGenError, match="MODEL_DIR: /home/anna/fox is not a diffusers pipeline"):
        started(cache, folder)
