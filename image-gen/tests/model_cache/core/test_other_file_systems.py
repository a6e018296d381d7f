"""File systems have other rules for locks, links and room than a local disk: they work, or are named."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import UNET, MakeCache, MakeRepo

from image_gen.model_cache.cache.delete import _remove
from image_gen.model_cache.cache.lease import in_use
from image_gen.model_cache.core import file_lock as locks
from image_gen.model_cache.core.filesystem import mount_of, to_cache_error
from image_gen_demo.hub import DemoHub


def failing(number: int, when: Callable[..., bool] = lambda *_: True, real: Any = None) -> Callable[..., Any]:
    def call(*given: Any, **named: Any) -> Any:
        if when(*given):
            raise OSError(number, os.strerror(number))
        return real(*given, **named)

    return call


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF, errno.ENOSYS])
def test_without_locks_a_model_is_downloaded_and_served(
    make_repo: MakeRepo, make_cache: MakeCache, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    make_repo()
    monkeypatch.setattr(fcntl, "flock", failing(number))
    cache = make_cache()
    model = cache.ensure("test/model")
    assert model.source == "download" and not cache.hold(model).held
    assert not in_use(cache.settings, "test/model")
    assert cache.clear("test/model").removed


def test_a_lock_for_one_alone_is_asked_of_a_file_that_is_open_for_writing(
    make_repo: MakeRepo, make_cache: MakeCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on NFS, where the kernel refuses it otherwise: nobody may believe that a served model is unused."""
    make_repo()
    cache, real = make_cache(), fcntl.flock

    def flock(descriptor: int, how: int) -> None:
        writes = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
        if how & fcntl.LOCK_EX and not writes:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        real(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    lease = cache.hold(cache.ensure("test/model"))
    assert lease.held and in_use(cache.settings, "test/model")
    lease.release()
    assert not in_use(cache.settings, "test/model")


def test_a_lock_that_another_client_of_cifs_holds_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", failing(errno.EACCES))
    with (tmp_path / "x").open("w") as stream:
        assert locks._flock(stream.fileno(), fcntl.LOCK_EX) is False


def test_a_file_whose_number_changes_is_locked_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_is_current", lambda *_: False)
    monkeypatch.setattr(locks, "_PAUSE_SECONDS", 0)
    with locks.file_lock(tmp_path / "lock", lambda: None):
        pass


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_without_links_the_files_are_in_the_snapshot(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    repo = make_repo()
    monkeypatch.setattr(os, "symlink", failing(number))
    cache = make_cache()
    model = cache.verify_and_repair(cache.ensure("test/model"))
    assert not [path for path in model.directory.rglob("*") if path.is_symlink()]
    assert (model.directory / UNET).read_bytes() == (repo / UNET).read_bytes()
    assert (model.directory / "tokenizer_2/vocab.json").read_bytes() == (
        model.directory / "tokenizer/vocab.json"
    ).read_bytes()
    (model.directory / UNET).write_bytes(b"x" * (repo / UNET).stat().st_size)
    cache.verify_and_repair(cache.ensure("test/model"))
    assert (model.directory / UNET).read_bytes() == (repo / UNET).read_bytes()
    hub.forget()
    assert make_cache().ensure("test/model").source == "volume" and hub.requests == []
    assert cache.verify("test/model").ok and cache.clear("test/model").removed


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP])
@pytest.mark.parametrize("call", ["fsync", "fdatasync", "posix_fallocate"])
def test_a_file_system_that_cannot_sync_or_set_aside_is_used(
    make_repo: MakeRepo, make_cache: MakeCache, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    make_repo()
    monkeypatch.setattr(os, call, failing(number))
    assert make_cache(piece_bytes=1 << 20).ensure("test/model").source == "download"


def test_a_file_system_that_does_not_say_its_size_is_used_and_not_emptied(
    make_repo: MakeRepo, make_cache: MakeCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_repo()
    nothing = SimpleNamespace(f_blocks=0, f_bavail=0, f_frsize=4096, f_files=0, f_favail=0, f_flag=0)
    monkeypatch.setattr(os, "statvfs", lambda _: nothing)
    cache = make_cache()
    assert cache.ensure("test/model").source == "download"
    assert cache.collect_garbage(keep_free=10**12).removed == () and cache.ensure("test/model").source == "volume"
    monkeypatch.setattr(os, "statvfs", failing(errno.ENOSYS))
    assert not mount_of(cache.settings.hf_home).is_known


def test_files_that_nfs_keeps_while_they_are_open_stop_no_deletion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model/blobs").mkdir(parents=True)
    (tmp_path / "model/blobs/.nfs0001").write_text("open somewhere")
    real = os.unlink
    busy = failing(errno.EBUSY, lambda path, **_: str(path).endswith(".nfs0001"), real)
    monkeypatch.setattr(os, "unlink", busy)
    _remove([tmp_path / "model"])
    (tmp_path / "model/blobs/mine").write_text("x")
    monkeypatch.setattr(os, "unlink", failing(errno.EBUSY))
    with pytest.raises(OSError, match="busy"):
        _remove([tmp_path / "model"])
    monkeypatch.undo()
    shutil.rmtree(tmp_path / "model")


@pytest.mark.parametrize(
    ("number", "outcome"),
    [
        (errno.ENOSPC, ("DISK_FULL", False, "Not enough room")),
        (errno.EDQUOT, ("DISK_FULL", False, "disk quota of user")),
        (errno.EROFS, ("CACHE_READ_ONLY", False, "read-only")),
        (errno.EACCES, ("CACHE_NOT_WRITABLE", False, "chown")),
        (errno.EPERM, ("CACHE_NOT_WRITABLE", False, "chown")),
        (errno.EIO, ("CACHE_ERROR", True, "check the disk")),
        (errno.ESTALE, ("CACHE_ERROR", True, "check its server")),
        (errno.EHOSTDOWN, ("CACHE_ERROR", True, "check its server")),
        (errno.ENOTCONN, ("CACHE_ERROR", True, "check its server")),
        (errno.EFBIG, ("CACHE_ERROR", False, "file of that size")),
        (errno.EMFILE, ("CACHE_ERROR", True, "ulimit")),
        (errno.EEXIST, ("CACHE_ERROR", False, "a link that leads nowhere")),
        (errno.ELOOP, ("CACHE_ERROR", False, "is no directory")),
        (errno.ENOENT, ("CACHE_CHANGED", True, "start again")),
    ],
)
def test_errors_of_a_file_system_are_named(tmp_path: Path, number: int, outcome: tuple[str, bool, str]) -> None:
    error = to_cache_error(OSError(number, os.strerror(number), str(tmp_path / "hub/x")), tmp_path, "fetching a/b")
    assert (error.code, error.retryable) == outcome[:2] and outcome[2] in error.message
    assert re.search(r" Fix(, as root)?: ", error.message)


def test_room_that_was_set_aside_is_given_back_when_nothing_comes(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache
) -> None:
    make_repo(unet_bytes=8 << 20)
    cache = make_cache(piece_bytes=1 << 20)
    cache.registry.keep(cache.resolve("test/model"), default=True)
    hub.panel.turn({"stall_after_bytes": 0})
    with pytest.raises(Exception, match="does not answer"):
        cache.ensure("test/model")
    left = [path.stat().st_size for path in cache.settings.hub_cache.rglob("*.part")]
    assert sum(left) < 1000
    assert sum(model.bytes_set_aside for model in cache.status().models) < 100_000


def test_status_shows_what_a_download_takes(make_repo: MakeRepo, make_cache: MakeCache) -> None:
    make_repo(unet_bytes=8 << 20)
    cache = make_cache()
    manifest = cache.resolve("test/model")
    cache.registry.keep(manifest, default=True)
    (cache.settings.hub_cache / "models--test--model/snapshots" / manifest.revision).mkdir(parents=True)
    file = max(manifest.files, key=lambda each: each.size)
    partial = cache.settings.hub_cache / f"models--test--model/blobs/{file.sha256}.image-gen.part"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"x" * 1_000_000)
    model = cache.status().models[0]
    assert model.bytes_partial == 1_000_000 and model.bytes_set_aside < 100_000
