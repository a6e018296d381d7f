"""A disk that takes no more ends a backup, a restore or an export with one line, which names that disk."""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import UNET, MakeCache, MakeRepo

from image_gen.errors import ImageGenError
from image_gen.model_cache import ModelCache

Mount = Callable[[str], Path]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mounts a small file system beside the cache."""
    place = tmp_path / "disk"
    place.mkdir()

    def make(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        mounted = subprocess.run(command, check=False, capture_output=True, text=True)
        if mounted.returncode:
            pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
        return place

    yield make
    subprocess.run(["umount", "--quiet", str(place)], check=False)


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(ImageGenError) as caught:
        call()
    assert (caught.value.code, caught.value.exit_code) == ("DISK_FULL", 1)
    assert caught.value.message.count("Fix: ") == 1
    return caught.value.message


def test_a_backup_that_does_not_fit_is_refused_before_it_is_written(filled: ModelCache, mount: Mount) -> None:
    disk = mount("size=1m")
    message = refused(lambda: filled.backup(disk / "backup.tar"))
    assert "needs 3.45 MB" in message and f"on {disk} (tmpfs)" in message and not list(disk.iterdir())


@pytest.mark.parametrize("how", ["gzip", "zstd"])
def test_a_compressed_backup_that_may_not_fit_is_said_and_tried(
    filled: ModelCache, mount: Mount, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    disk = mount("size=1m")
    (disk / "backup.tar").write_text("the last good one")
    with caplog.at_level(logging.WARNING, "image_gen"):
        message = refused(lambda: filled.backup(disk / "backup.tar", compress=how))  # type: ignore[arg-type]
    assert "may not fit" in caplog.text and f"on {disk} (tmpfs)" in message
    assert [path.name for path in disk.iterdir()] == ["backup.tar"]
    assert (disk / "backup.tar").read_text() == "the last good one"


def test_a_compressed_backup_that_fits_only_so_is_made(
    make_repo: MakeRepo, make_cache: MakeCache, mount: Mount, caplog: pytest.LogCaptureFixture
) -> None:
    make_repo(**{UNET.replace("/", "__"): bytes(3 << 20)})
    cache, disk = make_cache(), mount("size=1m")
    cache.ensure("test/model")
    cache.backup(disk / "backup.tar.gz", compress=True)
    assert "may not fit" in caplog.text
    fresh = make_cache(home=disk.parent / "fresh", offline=True)
    assert fresh.restore(disk / "backup.tar.gz").models == ("test/model",)


def test_a_device_that_is_full_is_no_disk_of_the_cache(filled: ModelCache) -> None:
    message = refused(lambda: filled.backup(Path("/dev/full")))
    assert "gc --keep-free" not in message and "--output" in message
    with Path("/dev/full").open("wb") as stream:
        stream.close = stream.raw.close  # type: ignore[method-assign, attr-defined] # what is left can't be written
        refused(lambda: filled.backup(stream))


@pytest.mark.parametrize("target", ["mirror", "bake"])
def test_an_export_onto_a_full_disk_leaves_nothing(filled: ModelCache, mount: Mount, target: str) -> None:
    disk = mount("size=1m")
    message = refused(lambda: getattr(filled, target)("test/model", disk / "exports"))
    assert f"on {disk} (tmpfs)" in message and not [path for path in disk.rglob("*") if path.is_file()]


def test_a_restore_onto_a_disk_without_inodes_says_so(
    filled: ModelCache, make_cache: MakeCache, mount: Mount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.backup(tmp_path / "backup.tar")
    disk = mount("size=64m,nr_inodes=20")
    monkeypatch.chdir("/")
    message = refused(lambda: make_cache(home=disk / "huggingface").restore(tmp_path / "backup.tar"))
    assert "Not enough inodes" in message and f"on {disk} (tmpfs)" in message and "df -i" in message
    assert not [path for path in disk.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_a_restore_that_fills_the_disk_meanwhile_leaves_nothing(
    filled: ModelCache, make_cache: MakeCache, mount: Mount, tmp_path: Path
) -> None:
    filled.backup(tmp_path / "backup.tar.gz", compress=True)
    disk = mount("size=1m")
    with (tmp_path / "backup.tar.gz").open("rb") as stream:
        message = refused(lambda: make_cache(home=disk / "huggingface").restore(stream))
    assert "Not enough room" in message and f"on {disk} (tmpfs)" in message
    assert not [path for path in disk.rglob("*") if path.is_file() and path.suffix != ".lock"]


@pytest.mark.parametrize("place", ["refs", "refs/main"])
def test_a_backup_never_leaves_out_a_branch_without_a_word(
    filled: ModelCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    closed = filled.settings.hub_cache / "models--test--model" / place

    def refuse(real: Callable[..., object]) -> Callable[..., object]:
        def call(path: Path, *rest: object, **options: object) -> object:
            if path == closed:
                raise PermissionError(13, os.strerror(13), str(path))
            return real(path, *rest, **options)

        return call

    # Root may read all, so the calls are refused here.
    monkeypatch.setattr(Path, "open", refuse(Path.open))
    monkeypatch.setattr(Path, "iterdir", refuse(Path.iterdir))
    with pytest.raises(ImageGenError) as caught:
        filled.backup(tmp_path / "backup.tar")
    assert caught.value.code == "NOTHING_TO_BACK_UP" and "chown" in caught.value.message
    assert not (tmp_path / "backup.tar").exists()
