"""What is in use stays, what nothing uses goes, and room is made in the order of last use."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from conftest import UNET, MakeCache, MakeRepo

from image_gen.cli.main import main
from image_gen.errors import CorruptCacheError, ImageGenError
from image_gen.model_cache import ModelCache
from image_gen.model_cache.cache.lease import in_use, verified_at
from image_gen.model_cache.cache.scan import disk_usage
from image_gen.model_cache.core.file_lock import file_lock
from image_gen.model_cache.core.layout import RepoLayout
from image_gen.serving.model_loader import ModelLoader
from image_gen.serving.readiness import Readiness
from image_gen.settings import Settings

DAY = 86_400.0
A, B = "test/model", "test/other"


@pytest.fixture
def filled(make_repo: MakeRepo, make_cache: MakeCache) -> ModelCache:
    """A store with two models."""
    store = make_cache()
    for seed, model_id in enumerate((A, B)):
        make_repo(model_id, seed=seed)
        store.ensure(model_id)
    return store


def models(store: ModelCache) -> set[str]:
    return {model.model_id for model in store.status().models}


def lease_of(store: ModelCache, model_id: str) -> Path:
    """The file that says when a model was used."""
    return next(RepoLayout(store.settings.hub_cache, model_id).locks.glob("image-gen.used-*"))


def use(store: ModelCache, model_id: str, days: float = 0) -> None:
    """Lets a service use a model, in so many days."""
    store.hold(store.ensure(model_id)).release()
    moment = time.time() + days * DAY
    os.utime(lease_of(store, model_id), (moment, moment))


def later(monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    """Lets so much time pass for what compares times."""
    moment = time.time() + days * DAY
    monkeypatch.setattr("image_gen.model_cache.cache.gc.time.time", lambda: moment)


def test_a_model_in_use_is_not_cleared(filled: ModelCache) -> None:
    before = disk_usage(filled.settings.hf_home)
    lease = filled.hold(filled.ensure(A))
    assert lease.held and in_use(filled.settings, A) and not in_use(filled.settings, B)
    for wanted in (A, None):
        with pytest.raises(ImageGenError) as caught:
            filled.clear(wanted)
        assert caught.value.code == "MODEL_IN_USE" and A in caught.value.message and B not in caught.value.message
    assert disk_usage(filled.settings.hf_home) == before
    assert [removal.in_use for removal in filled.clear(dry_run=True).removed] == [True, False]
    filled.clear(B)
    lease.release()
    assert not in_use(filled.settings, A) and filled.clear(A).bytes_freed > 0


def test_clear_with_force_deletes_a_model_in_use(filled: ModelCache) -> None:
    with_lease = filled.hold(filled.ensure(A))
    assert filled.clear(A, force=True).removed[0].in_use
    assert models(filled) == {B}
    with_lease.release()
    # Whoever serves it next holds a lease of the new life of the model, not of the old one.
    again = filled.hold(filled.ensure(A))
    assert in_use(filled.settings, A)
    again.release()


def test_a_lease_ends_with_its_process(filled: ModelCache, command_env: dict[str, str], command: list[str]) -> None:
    code = (
        "import os, sys; from image_gen.model_cache import ModelCache, CacheSettings;"
        f"store = ModelCache(CacheSettings.from_env(os.environ)); lease = store.hold(store.ensure('{A}'));"
        "print('held', flush=True); sys.stdin.read()"
    )
    arguments = [command[0], "-c", code]
    with subprocess.Popen(
        arguments, env=command_env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        assert in_use(filled.settings, A)
        process.kill()
    assert not in_use(filled.settings, A) and filled.clear(A).removed


def test_service_holds_a_lease_on_its_model(filled: ModelCache) -> None:
    loader = ModelLoader(Settings(model_id=A), filled.settings, Readiness(A, None, "0"))
    assert asyncio.run(loader.run()) is not None
    assert loader.lease.held and in_use(filled.settings, A)
    assert next(model for model in filled.status().models if model.model_id == A).in_use
    loader.lease.release()


def test_a_model_that_a_start_verifies_is_in_use(filled: ModelCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading gigabytes takes a minute, in which another service's `gc` must not delete them."""
    loader, kept = ModelLoader(Settings(model_id=A), filled.settings, Readiness(A, None, "0")), []
    verified = ModelCache.verify_and_repair

    def meanwhile(cache: ModelCache, *args: object, **options: object) -> object:
        report = cache.collect_garbage(older_than=0)
        kept.extend((each.model_id, each.reason) for each in report.kept)
        return verified(cache, *args, **options)  # type: ignore[arg-type] # they are passed on

    monkeypatch.setattr(ModelCache, "verify_and_repair", meanwhile)
    asyncio.run(loader.run())
    assert kept == [(A, "in use")] and loader.lease.held and models(filled) == {A}
    loader.lease.release()


def test_a_start_that_fails_leaves_its_model_to_be_deleted(filled: ModelCache, monkeypatch: pytest.MonkeyPatch) -> None:
    loader = ModelLoader(Settings(model_id=A), filled.settings, Readiness(A, None, "0"))
    free: list[bool] = []

    def refuse(*_: object, **__: object) -> None:
        raise CorruptCacheError("It is damaged.")

    async def stop(*_: object) -> None:
        free.append(not in_use(filled.settings, A))
        raise asyncio.CancelledError

    monkeypatch.setattr(ModelCache, "verify_and_repair", refuse)
    monkeypatch.setattr(loader._retry, "wait", stop)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(loader.run())
    assert free == [True]


def test_hold_returns_no_lease_on_a_read_only_volume(filled: ModelCache, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise PermissionError

    model = filled.ensure(A)
    monkeypatch.setattr("image_gen.model_cache.cache.lease.os.open", refuse)
    assert not filled.hold(model).held and not in_use(filled.settings, A)


def test_status_shows_when_a_model_was_verified_and_used(filled: ModelCache) -> None:
    line = {model.model_id: model for model in filled.status().models}[A]
    assert line.verified_at is None and line.last_used is not None and line.mount == filled.status().mount.path
    now = time.time()
    filled.verify(A)
    use(filled, A, -3)
    lines = {model.model_id: model for model in filled.status().models}
    verified, used = lines[A].verified_at, lines[A].last_used
    assert verified is not None and abs(verified - now) < 60 and lines[B].verified_at is None
    assert used is not None and abs(now - 3 * DAY - used) < 60
    (filled.ensure(B).directory / UNET).resolve().write_bytes(b"x" * (3 << 20))
    filled.verify(B)
    assert verified_at(filled.settings, B, filled.ensure(B).revision) is None
    assert lines[A].as_json()["verified_at"] and lines[B].as_json()["verified_at"] is None


def test_full_verification_at_a_start_is_recorded(filled: ModelCache) -> None:
    model = filled.ensure(A)
    filled.verify_and_repair(model, verify="size")
    filled.verify_and_repair(model, verify="changed")
    assert verified_at(filled.settings, A, model.revision) is None
    filled.verify_and_repair(model)
    assert verified_at(filled.settings, A, model.revision) is not None
    (filled.ensure(B).directory / UNET).resolve().write_bytes(b"x" * (3 << 20))
    assert filled.verify_and_repair(filled.ensure(B)).source == "download"
    assert verified_at(filled.settings, B, filled.ensure(B).revision) is not None


def litter(store: ModelCache) -> dict[str, Path]:
    """Everything that is left behind, and some that is not."""
    model = store.ensure(A)
    layout = RepoLayout(store.settings.hub_cache, A)
    resumable = (model.directory / UNET).resolve().name
    (model.directory / UNET).resolve().unlink()
    (model.directory / UNET).unlink()
    shared = store.settings.hub_cache / "blobs" / "ab" / ("ab" * 32)
    shared.parent.mkdir(parents=True)
    files = {
        "unlinked": layout.blobs / ("1" * 64),
        "strange": layout.blobs / ("2" * 64 + ".0a1b2c3d.incomplete"),
        "unwanted": layout.blobs / ("3" * 64 + ".incomplete"),
        "resumable": layout.blobs / f"{resumable}.incomplete",
        "its journal": layout.blobs / f"{resumable}.ranges.incomplete",
        "lost journal": layout.blobs / f"{'3' * 64}.ranges.incomplete",
        "shared": shared,
    }
    for path in files.values():
        path.write_bytes(b"x" * 1000)
    return files


def test_clear_orphans_keeps_files_that_can_be_used(filled: ModelCache) -> None:
    files = litter(filled)
    planned = filled.clear_orphans(dry_run=True)
    assert all(path.exists() for path in files.values())
    done = filled.clear_orphans()
    assert {name for name, path in files.items() if path.exists()} == {"resumable", "its journal"}
    assert done.bytes_freed == planned.bytes_freed == 5000 and done.removed == planned.removed
    assert filled.clear_orphans().removed == ()
    assert filled.ensure(A).source == "download" and filled.verify().ok


def test_clear_orphans_keeps_a_download_in_progress(filled: ModelCache) -> None:
    files = litter(filled)
    layout = RepoLayout(filled.settings.hub_cache, A)
    with file_lock(layout.lock, lambda: None):
        report = filled.clear_orphans()
    assert report.skipped == (A,) and files["unlinked"].exists() and not files["shared"].exists()
    with (layout.locks / f"{'2' * 64}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        filled.clear_orphans()
        assert {name for name, path in files.items() if path.exists()} == {"resumable", "its journal", "strange"}


def test_gc_by_age_deletes_unused_models(filled: ModelCache, monkeypatch: pytest.MonkeyPatch) -> None:
    use(filled, A)
    use(filled, B, 30)
    later(monkeypatch, 40)
    assert filled.collect_garbage(older_than=30 * DAY, dry_run=True).removed[0].model_id == A and models(filled) == {
        A,
        B,
    }
    report = filled.collect_garbage(older_than=30 * DAY)
    assert [removal.model_id for removal in report.removed] == [A] and models(filled) == {B}
    assert [(kept.model_id, kept.reason) for kept in report.kept] == [(B, "used lately")] and report.target_met


def test_gc_keeps_models_in_use_or_served_next(filled: ModelCache, monkeypatch: pytest.MonkeyPatch) -> None:
    lease = filled.hold(filled.ensure(A))
    later(monkeypatch, 40)
    report = filled.collect_garbage(older_than=30 * DAY, keep=[(B, None)])
    assert report.removed == () and models(filled) == {A, B}
    assert {kept.model_id: kept.reason for kept in report.kept} == {A: "in use", B: "it is what the next start serves"}
    lease.release()


def test_gc_keeps_the_one_commit_that_is_served_next(
    filled: ModelCache, make_repo: MakeRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_repo(f"{A}@v2", seed=3)
    first, second = filled.ensure(A).revision, filled.ensure(A, revision="v2").revision
    # As the hub's client leaves them.
    shutil.rmtree(filled.settings.cached_manifests_dir)
    later(monkeypatch, 40)
    report = filled.collect_garbage(older_than=30 * DAY, keep=[(A, second), (B, None)])
    assert [(each.model_id, each.revision) for each in report.removed] == [(A, first)]
    assert filled.verify(f"{A}@{second}").ok


def test_gc_by_free_space_deletes_least_recently_used_first(
    filled: ModelCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    litter(filled)
    use(filled, B, 1)
    use(filled, A, 2)
    later(monkeypatch, 3)
    room = 10_000_000
    monkeypatch.setattr("image_gen.model_cache.cache.gc._free", lambda _: room - disk_usage(filled.settings.hf_home))
    free = room - disk_usage(filled.settings.hf_home)
    assert [each.orphans > 0 for each in filled.collect_garbage(keep_free=free + 100).removed] == [True, True]
    planned = filled.collect_garbage(keep_free=free + 1_000_000, dry_run=True)
    report = filled.collect_garbage(keep_free=free + 1_000_000)
    assert [removal.model_id for removal in report.removed] == [B] and models(filled) == {A}
    assert report.target_met and planned.bytes_free == report.bytes_free and planned.removed == report.removed
    assert not filled.collect_garbage(keep_free=room + 1, keep=[(A, None)]).target_met


def test_status_shows_an_unused_model_from_its_download(filled: ModelCache) -> None:
    used = filled.status().models[0].last_used
    assert used is not None and time.time() - used < 600


def test_gc_and_clear_commands_report_json_and_exit_codes(
    filled: ModelCache, command_env: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)
    lease = filled.hold(filled.ensure(A))
    assert main(["clear", "--model", A, "--yes"], command_env) == 4 and "--force" in capsys.readouterr().err
    assert main(["clear", "--model", A], command_env) == 4 and "IN USE" in capsys.readouterr().out
    assert main(["status"], command_env) == 0 and "verified never, in use" in capsys.readouterr().out
    assert main(["clear", "--model", A, "--yes", "--force"], command_env) == 0
    lease.release()
    (RepoLayout(filled.settings.hub_cache, B).blobs / ("1" * 64)).write_bytes(b"x")
    assert main(["clear", "--orphans"], command_env) == 4
    capsys.readouterr()
    assert main(["clear", "--orphans", "--yes", "--json"], command_env) == 0
    assert json.loads(capsys.readouterr().out)["removed"] == [{"id": B, "bytes": 1, "orphans": 1}]
    later(monkeypatch, 40)
    assert main(["gc", "--older-than", "30d"], command_env | {"MODEL_ID": B}) == 0
    assert f"kept {B} at {filled.ensure(B).revision[:12]}: it is what the next start serves" in capsys.readouterr().out
    assert main(["gc", "--keep-free", "1000TB", "--dry-run"], command_env) == 1
    assert "less than" in capsys.readouterr().out and models(filled) == {B}
    assert main(["gc", "--older-than", "30d", "--json"], command_env) == 0
    assert json.loads(capsys.readouterr().out)["removed"][0]["id"] == B
    for wrong in (["gc"], ["gc", "--older-than", "soon"], ["gc", "--keep-free", "20XB"]):
        with pytest.raises(SystemExit) as caught:
            main(wrong, command_env)
        assert caught.value.code == 2
