"""The doctor says where the cache really is, and what is wrong with it."""

from __future__ import annotations

import io
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import UNET, MakeCache, MakeRepo

from image_gen.cli.main import main
from image_gen.model_cache import CacheSettings, ModelCache
from image_gen.model_cache.core.filesystem import Mount
from image_gen.model_cache.core.layout import RepoLayout


@pytest.fixture
def store(make_repo: MakeRepo, make_cache: MakeCache) -> ModelCache:
    make_repo()
    store = make_cache()
    store.ensure("test/model")
    return store


def look(store: ModelCache, check_id: str, env: dict[str, str] | None = None) -> list[tuple[str, str]]:
    """Status, message and fix of the checks of this id."""
    found = store.doctor("test/model", env=env or {}).checks
    return [(each.status, f"{each.message} {each.fix}") for each in found if each.id == check_id]


def on(monkeypatch: pytest.MonkeyPatch, filesystem: str, *, is_mount: bool = True, free: int = 10**12) -> None:
    mount = Mount(Path("/data"), is_mount, filesystem, 10**12, free)
    monkeypatch.setattr("image_gen.model_cache.doctor.mount_of", lambda _: mount)


def test_doctor_finds_nothing_to_fix_in_a_healthy_cache(store: ModelCache, monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, "ext4")
    report = store.doctor("test/model")
    assert report.ok and [each for each in report.checks if each.status != "ok" or each.fix] == []
    assert "from: volume" in next(each.message for each in report.checks if each.id == "model")


@pytest.mark.parametrize(
    ("env", "level", "named"),
    [
        ({"HF_HUB_CACHE": "{home}/hub", "TRANSFORMERS_CACHE": "{home}/hub"}, "ok", "agrees"),
        ({"TRANSFORMERS_CACHE": "{home}/hub"}, "ok", "agrees"),
        ({"HF_HUB_CACHE": "{home}/hub", "TRANSFORMERS_CACHE": "/old"}, "warn", "misleads"),
        ({"TRANSFORMERS_CACHE": "/old"}, "warn", "HF_HUB_CACHE=/old"),
    ],
)
def test_doctor_checks_transformers_cache(store: ModelCache, env: dict[str, str], level: str, named: str) -> None:
    home = str(store.settings.hf_home)
    [(found, text)] = look(store, "variables", {name: value.replace("{home}", home) for name, value in env.items()})
    assert found == level and named in text


def test_doctor_names_the_variable_that_sets_the_cache(tmp_path: Path) -> None:
    env = {"HF_HOME": str(tmp_path / "home"), "HF_HUB_CACHE": str(tmp_path / "cache"), "TRANSFORMERS_CACHE": "/old"}
    found = look(ModelCache(CacheSettings.from_env(env)), "place", env)
    assert [level for level, _ in found] == ["ok", "warn"]
    assert "(HF_HUB_CACHE says so)" in found[0][1] and "outside HF_HOME" in found[1][1]
    only_home = {"HF_HOME": str(tmp_path / "home")}
    assert "(from HF_HOME)" in look(ModelCache(CacheSettings.from_env(only_home)), "place", only_home)[0][1]


@pytest.mark.parametrize(
    ("filesystem", "expected"),
    [
        ("overlay", ("fail", "container's own layer")),
        ("tmpfs", ("warn", "in memory")),
        ("ext4", ("ok", "free")),
    ],
)
def test_doctor_checks_the_mount(
    store: ModelCache, monkeypatch: pytest.MonkeyPatch, filesystem: str, expected: tuple[str, str]
) -> None:
    on(monkeypatch, filesystem, is_mount=filesystem != "overlay")
    [(level, text)] = look(store, "mount")
    assert level == expected[0] and expected[1] in text and (level == "ok") == ("docker run" not in text)


def test_doctor_checks_the_owner_of_the_cache(store: ModelCache, monkeypatch: pytest.MonkeyPatch) -> None:
    store.ensure("test/model")
    monkeypatch.setattr("image_gen.model_cache.doctor.os.access", lambda *_, **__: False)
    report = store.doctor("test/model")
    texts = [f"{each.message} {each.fix}" for each in report.checks if each.status == "fail"]
    assert not report.ok and len(texts) == 4
    assert all(f"chown -R {os.geteuid()}:{os.getegid()}" in text for text in texts), texts


def test_doctor_reports_an_incomplete_model(store: ModelCache, monkeypatch: pytest.MonkeyPatch) -> None:
    (store.ensure("test/model").directory / UNET).unlink()
    on(monkeypatch, "ext4")
    blob = next(path for path in store.settings.hub_cache.glob("models--*/blobs/*") if path.stat().st_size == 3 << 20)
    blob.unlink()
    assert look(store, "model")[0][0] == "warn" and "3.15 MB" in look(store, "model")[0][1]
    assert [level for level, _ in look(store, "models")] == ["warn"]
    on(monkeypatch, "ext4", free=1000)
    assert look(store, "model")[0][0] == "fail" and "gc --keep-free" in look(store, "model")[0][1]
    offline = ModelCache(replace(store.settings, offline=True))
    assert look(offline, "model")[0][0] == "fail" and "HF_HUB_OFFLINE" in look(offline, "model")[0][1]


def test_doctor_names_whole_revisions_that_nothing_names(store: ModelCache, make_repo: MakeRepo) -> None:
    """Copied without `refs`, or by a tool that keeps none; and the only one is what a start without the hub serves."""
    layout = RepoLayout(store.settings.hub_cache, "test/model")
    first = store.ensure("test/model")
    shutil.rmtree(store.settings.cached_manifests_dir)
    shutil.rmtree(layout.root / "refs")
    offline = ModelCache(replace(store.settings, offline=True))
    for cache in (store, offline):
        assert look(cache, "model") == [("ok", f"test/model is complete, from: volume, {first.directory} ")]
    assert offline.ensure("test/model").directory == first.directory
    make_repo("test/model@v2", seed=2)
    second = store.ensure("test/model", revision="v2").revision
    shutil.rmtree(store.settings.cached_manifests_dir)
    shutil.rmtree(layout.root / "refs")
    for cache, status in ((store, "warn"), (offline, "fail")):
        [(found, text)] = look(cache, "model")
        assert found == status and f"has {', '.join(sorted([first.revision, second]))}" in text
        assert f"MODEL_REVISION={min(first.revision, second)}" in text and "not cached" not in text


def test_doctor_reports_a_model_without_a_manifest(store: ModelCache) -> None:
    checks = store.doctor("no/such").checks
    assert [each.status for each in checks if each.id == "model"] == ["warn"]
    assert "MODEL_DIR" in look(store, "model", {"MODEL_DIR": "/mine"})[0][1]
    assert [each.status for each in store.doctor("../x").checks if each.id == "cache"] == ["fail"]


def test_doctor_reports_orphans_and_excluded_backups(store: ModelCache) -> None:
    (store.settings.hub_cache / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55")
    (store.settings.hub_cache / "models--test--model" / "blobs" / ("1" * 64)).write_bytes(b"x" * 5000)
    assert "restic" in look(store, "backups")[0][1]
    assert look(store, "orphans") == [("warn", look(store, "orphans")[0][1])] and "5 kB" in look(store, "orphans")[0][1]


def test_doctor_warns_of_few_free_inodes(store: ModelCache, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs(store.settings.hf_home)

    class Few:
        f_flag, f_files, f_favail = real.f_flag, 1_000_000, 12
        f_blocks, f_bavail, f_frsize = real.f_blocks, real.f_bavail, real.f_frsize

    monkeypatch.setattr("image_gen.model_cache.doctor.os.statvfs", lambda _: Few)
    assert look(store, "inodes")[0][0] == "fail" and "12 of" in look(store, "inodes")[0][1]


def test_doctor_command_reports_json_and_exit_code(
    store: ModelCache,
    command_env: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)
    on(monkeypatch, "ext4")
    assert main(["doctor", "--model", "test/model"], command_env) == 0
    assert capsys.readouterr().out.startswith("ok    place      models are read from")
    on(monkeypatch, "overlay", is_mount=False)
    assert main(["doctor", "--json"], command_env | {"MODEL_ID": "test/model"}) == 1
    report = json.loads(capsys.readouterr().out)
    failed = [each for each in report["checks"] if each["status"] == "fail"]
    assert report["ok"] is False and [each["id"] for each in failed] == ["mount"]
    # The fields of the command on the operator's machine, which reads them: a check without a fix has none.
    assert failed[0].keys() == {"id", "status", "message", "fix"}
    assert {"id", "status", "message"} in [each.keys() for each in report["checks"]]


def test_no_download_is_advised_for_a_directory_that_no_commit_names(filled: ModelCache) -> None:
    (filled.settings.hub_cache / "models--test--model" / "snapshots" / "shared" / "unet").mkdir(parents=True)
    (check,) = [each for each in filled.doctor("test/model").checks if each.id == "models"]
    assert "shared" in check.message and "clear" in check.fix and "prefetch" not in check.fix
    assert any("shared" in each and "no" in each for each in filled.backup(io.BytesIO()).skipped)
