"""Full, read-only and foreign volumes are reported with a fix, and the cache is left as it was."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import UNET, MakeCache, MakeRepo

from image_gen.errors import ImageGenError
from image_gen.model_cache.core.filesystem import mount_of
from image_gen_demo.hub import DemoHub

AS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not AS_ROOT, reason="mounting file systems and changing users needs root")
NOBODY = 65534


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB, mounted where the cache will lie."""
    place = tmp_path / "data"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """Call it after the cache is filled: from then on it is mounted read-only."""
    place = tmp_path / "data"
    place.mkdir()
    bound = subprocess.run(["mount", "--bind", str(place), str(place)], check=False, capture_output=True, text=True)
    if bound.returncode:
        pytest.skip(f"nothing can be bind-mounted here: {bound.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def few_files(tmp_path: Path) -> Iterator[Path]:
    """A file system that takes 24 files, mounted where the cache will lie."""
    place = tmp_path / "data"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64m,nr_inodes=24", "tmpfs", str(place)]
    mounted = subprocess.run(command, check=False, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@contextmanager
def as_user(user: int) -> Iterator[None]:
    os.setegid(user)
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def close(place: Path) -> None:
    subprocess.run(["mount", "-o", "remount,bind,ro", str(place)], check=True)


@needs_root
def test_full_disk_is_reported_before_the_download(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, small_disk: Path
) -> None:
    make_repo(unet_bytes=6 << 20)
    with pytest.raises(ImageGenError) as caught:
        make_cache().ensure("test/model")
    assert caught.value.code == "DISK_FULL"
    assert "needs 10.8 MB more" in caught.value.message
    assert f"on {small_disk} (tmpfs)" in caught.value.message and "`image-gen gc --keep-free" in caught.value.message
    assert not [entry for entry in hub.requests if entry["path"].endswith(UNET)]


@needs_root
def test_a_disk_that_fills_up_meanwhile_leaves_the_cache_usable(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_repo(unet_bytes=6 << 20)
    make_repo("test/small", seed=7, unet_bytes=1000)
    monkeypatch.setattr("image_gen.model_cache.download.downloader.require_room", lambda *_: None)
    before = make_cache().ensure("test/small")
    with pytest.raises(ImageGenError) as caught:
        make_cache().ensure("test/model")
    assert caught.value.code == "DISK_FULL" and "tmpfs" in caught.value.message
    assert make_cache().locate("test/model") is None
    assert make_cache().verify("test/small").ok and make_cache().locate("test/small") is not None
    assert before.directory.is_dir()
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    hub.forget()
    model = make_cache().ensure("test/model")
    assert (model.directory / UNET).stat().st_size == 6 << 20
    asked = [entry["range"] for entry in hub.requests if entry["path"].endswith(UNET)]
    # Resumed, with one request or, on a busy machine, with another after a time-out.
    assert asked and not {None, "bytes=0-"} & set(asked)


@needs_root
def test_a_read_only_volume_serves_what_is_complete(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, read_only: Path
) -> None:
    make_repo()
    first = make_cache().ensure("test/model")
    close(read_only)
    assert make_cache().ensure("test/model").directory == first.directory
    assert make_cache().verify().ok
    with pytest.raises(ImageGenError) as caught:
        make_cache().ensure("test/other")
    assert caught.value.code == "CACHE_READ_ONLY" and ":ro" in caught.value.message
    with pytest.raises(ImageGenError) as caught:
        make_cache().clear("test/model")
    assert caught.value.code == "CACHE_READ_ONLY"
    assert make_cache().locate("test/model") is not None


@needs_root
def test_volume_of_another_owner_is_reported_with_a_command(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, tmp_path: Path
) -> None:
    make_repo()
    store = make_cache()
    complete = store.ensure("test/model")
    # The directories that pytest makes are its own user's alone.
    for parent in [store.settings.hf_home, *store.settings.hf_home.parents[:-2]]:
        parent.chmod(0o755)
    with as_user(NOBODY):
        assert store.ensure("test/model").directory == complete.directory
        with pytest.raises(ImageGenError) as caught:
            store.ensure("test/other")
        assert store.status().models
        fresh = make_cache(home=tmp_path / "nothing" / "there")
        with pytest.raises(ImageGenError) as absent:
            fresh.ensure("test/model")
    store.settings.hf_home.chmod(0o700)
    with as_user(NOBODY):
        for look in (store.status, store.verify, lambda: store.locate("test/model")):
            with pytest.raises(ImageGenError) as closed:
                look()
            assert closed.value.code == "CACHE_NOT_WRITABLE"
    assert caught.value.code == absent.value.code == "CACHE_NOT_WRITABLE" and not caught.value.retryable
    assert f"chown -R {NOBODY}:{NOBODY} {store.settings.hf_home}" in caught.value.message
    assert f"mkdir -p {fresh.settings.hf_home} && chown" in absent.value.message


def test_the_mount_is_found_for_a_path_that_does_not_exist_yet(tmp_path: Path) -> None:
    mount = mount_of(tmp_path / "not" / "yet")
    assert tmp_path.is_relative_to(mount.path)
    assert 0 < mount.bytes_free <= mount.bytes_total


@needs_root
def test_mount_of_distinguishes_mounts_from_directories(small_disk: Path) -> None:
    mount = mount_of(small_disk / "huggingface")
    assert (mount.path, mount.is_mount, mount.filesystem) == (small_disk, True, "tmpfs")
    assert mount.bytes_total == 4 << 20


def test_missing_inodes_are_reported_before_the_download(
    few_files: Path, hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache
) -> None:
    make_repo()
    with pytest.raises(ImageGenError) as caught:
        make_cache().ensure("test/model")
    assert caught.value.code == "DISK_FULL"
    assert "inodes" in caught.value.message and str(few_files) in caught.value.message
    assert [each for each in hub.requests if each["path"].endswith("safetensors")] == []


def test_inodes_that_run_out_during_a_download_are_reported(
    few_files: Path, make_repo: MakeRepo, make_cache: MakeCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_repo()
    monkeypatch.setattr("image_gen.model_cache.download.downloader.require_room", lambda *_: None)
    with pytest.raises(ImageGenError) as caught:
        make_cache().ensure("test/model")
    assert caught.value.code == "DISK_FULL" and "inodes" in caught.value.message


def test_a_file_system_without_inodes_to_count_is_not_refused(
    make_repo: MakeRepo, make_cache: MakeCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """btrfs, and overlays on it, say 0 of 0."""
    make_repo()
    real = os.statvfs

    def uncounted(path: Path) -> os.statvfs_result:
        return os.statvfs_result([*real(path)[:5], 0, 0, 0, *real(path)[8:]])

    monkeypatch.setattr("image_gen.model_cache.core.filesystem.os.statvfs", uncounted)
    assert mount_of(make_cache().settings.hf_home).files_free is None
    assert make_cache().ensure("test/model").source == "download"
