"""The unit of status, clear and gc is a revision, as for Hugging Face's own tools."""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from conftest import MakeCache, MakeRepo

from image_gen.cli.main import main
from image_gen.errors import ImageGenError
from image_gen.model_cache import ModelCache
from image_gen.model_cache.cache.scan import disk_usage
from image_gen.model_cache.core.layout import RepoLayout
from image_gen_demo.hub import DemoHub

ID = "test/model"
DAY = 86_400.0
VAE = "vae/diffusion_pytorch_model.fp16.safetensors"


@pytest.fixture
def pair(make_repo: MakeRepo, make_cache: MakeCache) -> ModelCache:
    """A cache with two revisions of a model: `v2` has another VAE, and shares the rest."""
    root = make_repo()
    shutil.copytree(root, root.with_name("model@v2"))
    (root.with_name("model@v2") / VAE).write_bytes(b"another" * 20_000)
    cache = make_cache()
    cache.ensure(ID)
    cache.ensure(ID, revision="v2")
    return cache


def layout(cache: ModelCache) -> RepoLayout:
    return RepoLayout(cache.settings.hub_cache, ID)


def lines(cache: ModelCache) -> dict[tuple[str, ...], str]:
    return {each.refs: str(each.revision) for each in cache.status().models}


def test_status_lists_each_revision_with_its_refs_and_size(pair: ModelCache) -> None:
    first, second = pair.status().models
    assert {first.refs, second.refs} == {("main",), ("v2",)} and first.complete and second.complete
    assert first.bytes_shared == second.bytes_shared == first.bytes_used - 300_000
    (layout(pair).snapshot(lines(pair)["v2",]) / VAE).unlink()
    half = next(each for each in pair.status().models if each.refs == ("v2",))
    assert not half.complete and half.missing == (VAE,) and half.bytes_lacking == 140_000


@pytest.mark.parametrize("name", ["v2", "commit", "prefix"])
def test_clear_deletes_a_revision_with_what_no_other_uses(pair: ModelCache, name: str) -> None:
    commit = lines(pair)["v2",]
    pair.verify()
    before = disk_usage(pair.settings.hf_home)
    wanted = {"v2": "v2", "commit": commit, "prefix": commit[:12]}[name]
    planned = pair.clear(ID, wanted, dry_run=True)
    done = pair.clear(ID, wanted)
    assert done.bytes_freed == planned.bytes_freed == before - disk_usage(pair.settings.hf_home)
    assert done.removed[0].revision == commit and done.bytes_freed > 140_000
    assert not [path for path in pair.settings.hf_home.rglob("*") if commit in path.name or path.name == "v2"]
    assert list(lines(pair)) == [("main",)] and pair.verify().ok and pair.clear_orphans().removed == ()


def test_clear_deletes_what_was_downloaded_in_part_of_that_revision(pair: ModelCache) -> None:
    place = layout(pair)
    blob = (place.snapshot(lines(pair)["v2",]) / VAE).resolve()
    half = place.partial(blob.name)
    blob.rename(half)
    pair.clear(ID, "v2")
    assert not half.exists() and pair.verify().ok


def test_clear_of_the_only_revision_deletes_the_model(pair: ModelCache) -> None:
    pair.clear(ID, "v2")
    assert pair.clear(ID, "main").removed[0].revision is None
    assert not list(pair.settings.hf_home.rglob("*test--model*"))


def test_clear_names_the_revisions_that_there_are(pair: ModelCache) -> None:
    with pytest.raises(ImageGenError) as caught:
        pair.clear(ID, "v3")
    assert caught.value.code == "MODEL_NOT_CACHED" and f"{lines(pair)['v2',]} (v2)" in caught.value.message


def test_a_revision_can_be_cleared_while_another_is_served(pair: ModelCache) -> None:
    lease = pair.hold(pair.ensure(ID))
    assert pair.clear(ID, "v2").removed
    with pytest.raises(ImageGenError) as caught:
        pair.clear(ID, "main")
    assert caught.value.code == "MODEL_IN_USE"
    lease.release()


def test_clear_command_takes_a_revision_of_a_model(
    pair: ModelCache, command_env: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)
    commit = lines(pair)["v2",]
    assert main(["clear", "--all", "--revision", "v2", "--yes"], command_env) != 0
    assert "add --model ID" in capsys.readouterr().err
    assert main(["clear", "--model", ID, "--revision", "v2", "--yes"], command_env) == 0
    assert f"removed {ID} at {commit[:12]}" in capsys.readouterr().out


def test_a_model_that_is_a_link_is_unlinked_and_its_files_stay(pair: ModelCache, tmp_path: Path) -> None:
    place = layout(pair)
    place.root.rename(tmp_path / "elsewhere")
    place.root.symlink_to(tmp_path / "elsewhere")
    assert pair.collect_garbage(older_than=0).kept[0].reason == "it is a link to another place"
    done = pair.clear(ID).removed[0]
    assert done.linked_to == tmp_path / "elsewhere" and done.bytes_freed < 100_000
    assert (tmp_path / "elsewhere/blobs").is_dir() and not place.root.is_symlink()


def test_gc_by_age_takes_revisions(pair: ModelCache, monkeypatch: pytest.MonkeyPatch) -> None:
    pair.hold(pair.ensure(ID)).release()
    used = next(layout(pair).locks.glob("image-gen.used-*"))
    os.utime(used, (time.time() + 39 * DAY,) * 2)
    moment = time.time() + 40 * DAY
    monkeypatch.setattr("image_gen.model_cache.cache.gc.time.time", lambda: moment)
    commit = lines(pair)["v2",]
    report = pair.collect_garbage(older_than=30 * DAY)
    assert [(each.model_id, each.revision) for each in report.removed] == [(ID, commit)] and pair.verify().ok


@pytest.mark.parametrize("record", [True, False])
def test_gc_keeps_a_copy_whose_times_are_those_of_the_original(pair: ModelCache, record: bool) -> None:
    """As tar, rsync -a and cp -a make it."""
    if record:
        pair.hold(pair.ensure(ID)).release()
    for path in pair.settings.hf_home.rglob("*"):
        os.utime(path, (1_700_000_000, 1_700_000_000), follow_symlinks=False)
    assert pair.collect_garbage(older_than=30 * DAY).removed == () and pair.verify().ok


def test_gc_counts_from_now_where_the_clock_was_wrong(pair: ModelCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("image_gen.model_cache.cache.scan.CachedRevision.change_times", [1000.0, time.time() + 9 * DAY])
    kept = {each.reason for each in pair.collect_garbage(older_than=30 * DAY).kept}
    assert kept == {"its age is not known, and counts from now"}
    moment = time.time() + 5
    monkeypatch.setattr("image_gen.model_cache.cache.gc.time.time", lambda: moment)
    assert len(pair.collect_garbage(older_than=2).removed) == 2


def test_gc_keeps_what_the_next_start_serves(pair: ModelCache) -> None:
    time.sleep(0.05)
    report = pair.collect_garbage(older_than=0.01, keep=[(ID, "v2")])
    assert [each.revision for each in report.kept] == [lines(pair)["v2",]] and len(report.removed) == 1


def test_clear_waits_for_another_writer_and_then_names_it(
    pair: ModelCache, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("image_gen.model_cache.cache.delete._PAUSE_SECONDS", 0.01)
    real, stop = shutil.rmtree, threading.Event()

    def written_meanwhile(path: Path, **options: object) -> None:
        real(path, **options)  # type: ignore[call-overload] # as it was called
        if not stop.is_set():
            (path / "blobs").mkdir(parents=True)
            (path / "blobs/stray.part").write_bytes(b"x")
            path.rmdir()

    monkeypatch.setattr("image_gen.model_cache.cache.delete.shutil.rmtree", written_meanwhile)
    with pytest.raises(ImageGenError) as caught:
        pair.clear(ID)
    assert caught.value.code == "CACHE_BUSY" and "stray.part" in caught.value.message
    stop.set()
    assert pair.clear(ID).removed and not layout(pair).root.exists()


def test_clear_leaves_what_another_tool_downloads(pair: ModelCache) -> None:
    import fcntl

    with (layout(pair).locks / f"{'a' * 64}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ImageGenError) as caught:
            pair.clear(ID)
    assert caught.value.code == "CACHE_BUSY" and len(lines(pair)) == 2


def change(cache: ModelCache, root: Path, name: str) -> str:
    """Another VAE in a branch of the hub. Returns the commit that was cached."""
    before = layout(cache).ref(name).read_text()
    (root / VAE).write_bytes(b"newer" * 20_000)
    return before


@pytest.mark.parametrize("name", ["main", "v2", "refs/pr/1", "feature/x"])
def test_a_named_branch_moves_with_the_hub(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    main_root = make_repo()
    root = main_root if name == "main" else main_root.with_name(f"model@{quote(name, safe='')}")
    if name != "main":
        shutil.copytree(main_root, root)
    cache = make_cache()
    first = cache.ensure(ID, revision=name)
    before = change(cache, root, name)
    assert before == first.revision
    assert make_cache(offline=True).ensure(ID, revision=name).revision == before
    hub.panel.turn({"status": 503})
    assert cache.ensure(ID, revision=name).revision == before and "stays at the commit" in caplog.text
    hub.panel.turn({"status": None})
    hub.forget()
    assert cache.ensure(ID, revision=before).revision == before and hub.requests == []
    moved = cache.ensure(ID, revision=name)
    assert moved.revision != before and layout(cache).ref(name).read_text() == moved.revision
    assert make_cache(offline=True).ensure(ID, revision=name).revision == moved.revision


def test_a_start_does_not_take_main_back(make_repo: MakeRepo, make_cache: MakeCache) -> None:
    """Of a pinned commit, after another tool has fetched a newer one."""
    root, cache = make_repo(), make_cache()
    pinned = cache.ensure(ID)
    newer = "7" * 40
    shutil.copytree(pinned.directory, layout(cache).snapshot(newer), symlinks=True)
    layout(cache).ref("main").write_text(newer)
    (pinned.directory / VAE).unlink()
    assert cache.ensure(ID).revision == pinned.revision and layout(cache).ref("main").read_text() == newer
    layout(cache).ref("main").write_text("")
    (pinned.directory / VAE).unlink()
    cache.ensure(ID)
    assert layout(cache).ref("main").read_text() == pinned.revision and root.is_dir()


def test_a_half_revision_is_incomplete_and_the_advice_ends_that(
    pair: ModelCache, command_env: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)
    (layout(pair).snapshot(lines(pair)["v2",]) / VAE).unlink()
    assert main(["verify"], command_env) == 3
    said = capsys.readouterr().out
    advice = f"clear --model {ID} --revision {lines(pair)['v2',]} --yes"
    assert "DAMAGED" not in said and "INCOMPLETE" in said and f"`image-gen {advice}`" in said
    assert any(advice in check.fix for check in pair.doctor(ID).checks)
    assert main(advice.split(), command_env) == 0 and main(["verify"], command_env) == 0
