"""Files that dead processes left are deleted; what a live one works on, or can resume, is kept."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest
from conftest import MakeCache, MakeRepo

from image_gen.model_cache import ModelCache
from image_gen.model_cache.core.file_lock import file_lock, try_lock
from image_gen.model_cache.core.layout import RepoLayout
from image_gen_demo.hub import DemoHub

OTHER = "b" * 64


@pytest.fixture
def blobs(hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache) -> Path:
    """The blobs of a model that the next `ensure` has to fetch."""
    make_repo()
    place = make_cache().settings.hub_cache / "models--test--model" / "blobs"
    place.mkdir(parents=True)
    return place


def leave(path: Path, hours: float) -> Path:
    path.write_bytes(b"x" * 5000)
    then = time.time() - hours * 3600
    os.utime(path, (then, then))
    return path


def test_old_partial_downloads_are_deleted(make_cache: MakeCache, blobs: Path) -> None:
    names = (f"{OTHER}.incomplete", f"{OTHER}.ranges.incomplete", f"{OTHER}.0123abcd.incomplete")
    left = [leave(blobs / name, 2) for name in names]
    make_cache().ensure("test/model")
    assert [path.name for path in left if path.exists()] == []


def test_recent_and_unknown_partial_downloads_are_kept(make_cache: MakeCache, blobs: Path) -> None:
    kept = [leave(blobs / f"{OTHER}.0123abcd.incomplete", 0.5), leave(blobs / "notes.incomplete", 50)]
    make_cache().ensure("test/model")
    assert all(path.exists() for path in kept)


def test_partial_downloads_locked_by_another_tool_are_kept(make_cache: MakeCache, blobs: Path) -> None:
    held = leave(blobs / f"{OTHER}.0123abcd.incomplete", 2)
    lock = make_cache().settings.hub_cache / ".locks" / "models--test--model" / f"{OTHER}.lock"
    lock.parent.mkdir(parents=True)
    with lock.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        make_cache().ensure("test/model")
        assert held.exists()
    (blobs.parent / "refs" / "main").unlink()
    for path in blobs.parent.rglob("*.safetensors"):
        path.resolve().unlink()
    make_cache().ensure("test/model")
    assert not held.exists()


def left_by_killed_commands(cache: ModelCache) -> list[Path]:
    """One of each kind."""
    model = cache.ensure("test/model")
    home, hub = cache.settings.hf_home, cache.settings.hub_cache
    layout = RepoLayout(hub, "test/model")
    gone = RepoLayout(hub, "test/gone")
    nobody = "9" * 40
    files = [
        hub / ".locks/image-gen-restore/hub/models--a--b/blobs" / OTHER,
        hub / ".image-gen-restore/hub/models--a--b/blobs" / OTHER,
        layout.blobs / f".{OTHER}.4711",
        layout.blobs / f"{OTHER}.damaged",
        layout.blobs / f"{OTHER}.image-gen.part",
        layout.root / "refs/.main.4711",
        model.directory / "unet/.config.json.4711",
        home / "image-gen/manifests/.test--model.json.4711",
        home / f"image-gen/manifests/test--model@{nobody}.json",
        home / "image-gen/stamps/.test--model@1.json.4711",
        home / f"image-gen/stamps/test--model@{nobody}.json",
        home / "image-gen/backup.json",
        layout.locks / f"image-gen.verified-{nobody}",
        layout.locks / f"image-gen.used-{nobody}",
        gone.locks / f"{OTHER}.lock",
    ]
    for path in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    folders = [layout.snapshot(nobody) / "unet", RepoLayout(hub, "test/empty").blobs]
    for path in folders:
        path.mkdir(parents=True)
    return [*files, *folders]


def test_what_killed_commands_leave_is_listed_and_deleted(make_repo: MakeRepo, make_cache: MakeCache) -> None:
    make_repo()
    cache = make_cache()
    left = left_by_killed_commands(cache)
    status = cache.status()
    checks = cache.doctor("test/model").checks
    assert status.orphans > 12 and any(each.id == "orphans" for each in checks)
    assert cache.clear_orphans(dry_run=True).removed and all(path.exists() for path in left)
    cache.clear_orphans()
    assert [path for path in left if path.exists()] == [] and cache.verify().ok
    assert cache.status().orphans == 0 and cache.clear_orphans().removed == ()
    assert not (cache.settings.hub_cache / ".locks/models--test--gone").exists()


def test_what_killed_commands_left_lately_is_kept_by_a_start(make_repo: MakeRepo, make_cache: MakeCache) -> None:
    make_repo()
    cache = make_cache()
    left = [path for path in left_by_killed_commands(cache) if path.is_file()]
    assert cache.clear_orphans(min_age=3600).removed == () and all(path.exists() for path in left)
    for path in sorted(cache.settings.hf_home.rglob("*"), reverse=True):
        os.utime(path, (time.time() - 7200,) * 2, follow_symlinks=False)
    cache.clear_orphans(min_age=3600)
    assert [path for path in left if path.exists()] == []


def test_what_a_running_command_works_on_is_kept(make_repo: MakeRepo, make_cache: MakeCache) -> None:
    make_repo()
    cache = make_cache()
    left = left_by_killed_commands(cache)
    hub = cache.settings.hub_cache
    locks = [hub / ".locks/image-gen-restore.lock", *(hub / ".locks").glob("models--*/image-gen.lock")]
    with ExitStack() as held:
        for path in [*locks, hub / ".locks/models--test--gone/image-gen.lock"]:
            held.enter_context(file_lock(path, lambda: None))
        cache.clear_orphans()
        # A record is written again, and an empty directory that no lock protects is nobody's.
        assert {path.name for path in left if not path.exists()} == {".test--model@1.json.4711", "blobs"}


def test_files_of_a_repository_with_strange_names_are_kept(make_repo: MakeRepo, make_cache: MakeCache) -> None:
    make_repo()
    cache = make_cache()
    strange = cache.ensure("test/model").directory / ".notes.v1.0"
    strange.write_bytes(b"x")
    cache.clear_orphans()
    assert strange.exists()


def test_datasets_and_links_that_lead_nowhere_are_left_alone(make_cache: MakeCache, tmp_path: Path) -> None:
    hub = make_cache().settings.hub_cache
    (hub / "datasets--a--b/blobs").mkdir(parents=True)
    (hub / "models--a--b").symlink_to(tmp_path / "unmounted")
    (hub / ".locks/models--a--b").mkdir(parents=True)
    make_cache().clear_orphans()
    make_cache().clear()
    assert (hub / "datasets--a--b/blobs").is_dir() and (hub / "models--a--b").is_symlink()


def test_orphan_that_has_a_lock_of_the_hubs_client_is_deleted(make_repo: MakeRepo, make_cache: MakeCache) -> None:
    make_repo()
    cache = make_cache()
    cache.ensure("test/model")
    layout = RepoLayout(cache.settings.hub_cache, "test/model")
    # Such a snapshot, too, is deleted only while no client is at work.
    layout.snapshot("9" * 40).mkdir()
    (layout.locks / f"{OTHER}.lock").touch()
    left = [layout.blobs / OTHER, layout.blobs / f"{OTHER}.incomplete"]
    for path in left:
        path.write_bytes(b"x")
    cache.clear_orphans()
    assert [path for path in left if path.exists()] == []


def test_a_blob_that_the_hubs_client_links_meanwhile_is_kept(
    make_cache: MakeCache, make_repo: MakeRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_repo()
    cache = make_cache()
    snapshot, layout = cache.ensure("test/model").directory, RepoLayout(cache.settings.hub_cache, "test/model")
    leave(layout.blobs / OTHER, 2)

    def after_the_link(path: Path) -> AbstractContextManager[bool | None]:
        # The client links to the blob, gives its lock back, and only then it is looked at.
        if path.name == f"{OTHER}.lock" and not (snapshot / "late").is_symlink():
            (snapshot / "late").symlink_to(f"../../blobs/{OTHER}")
        return try_lock(path)

    monkeypatch.setattr("image_gen.model_cache.cache.orphans.try_lock", after_the_link)
    assert not cache.clear_orphans().removed
    assert (snapshot / "late").is_file()
