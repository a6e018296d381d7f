"""A baked model is a plain directory that is found before the volume, and the same whenever it is made."""

from __future__ import annotations

import json
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import UNET, MakeCache, MakeRepo

from image_gen.errors import ImageGenError
from image_gen.model_cache import ModelCache
from image_gen.model_cache.backup import export as export_module
from image_gen_demo.hub import DemoHub


def look(place: Path) -> dict[str, tuple[int, int, bytes]]:
    """Names, modes, times and contents of a tree."""
    return {
        path.relative_to(place).as_posix(): (
            path.stat().st_mode,
            int(path.stat().st_mtime),
            path.read_bytes() if path.is_file() else b"",
        )
        for path in sorted(place.rglob("*"))
    }


def test_baked_model_is_a_plain_directory_and_preferred(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, tmp_path: Path
) -> None:
    repo = make_repo()
    report = make_cache(home=tmp_path / "build-cache").bake("test/model", tmp_path / "baked")
    place = tmp_path / "baked" / "test--model"
    assert report.directory == place and json.loads((place / "manifest.json").read_text())["id"] == "test/model"
    assert not [path for path in place.rglob("*") if path.is_symlink()]
    assert (place / "snapshot" / UNET).read_bytes() == (repo / UNET).read_bytes()
    assert {path.stat().st_mode & 0o777 for path in place.rglob("*")} == {0o755, 0o644}
    assert len({int(path.stat().st_mtime) for path in [place, *place.rglob("*")]}) == 1
    hub.forget()
    model = make_cache().ensure("test/model")
    assert (model.source, model.directory) == ("baked", place / "snapshot")
    assert hub.requests == [] and not (tmp_path / "data").exists()
    assert make_cache().verify().ok and make_cache().status().models[0].source == "baked"


def test_bake_is_reproducible_and_downloads_nothing_again(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, tmp_path: Path
) -> None:
    make_repo()
    store = make_cache(home=tmp_path / "build-cache")
    store.bake("test/model", tmp_path / "baked")
    first = look(tmp_path / "baked")
    hub.forget()
    os.umask(0o077)
    try:
        store.bake("test/model", tmp_path / "baked")
    finally:
        os.umask(0o022)
    assert look(tmp_path / "baked") == first and hub.requests == []


def test_baked_model_of_another_revision_is_not_used(
    make_repo: MakeRepo, make_cache: MakeCache, tmp_path: Path
) -> None:
    make_repo("test/model", seed=1)
    make_repo("test/model@v2", seed=2)
    make_cache(home=tmp_path / "build-cache").bake("test/model", tmp_path / "baked")
    assert make_cache().ensure("test/model", revision="v2").source == "download"


def test_baked_model_is_found_by_the_branch_or_tag_that_it_was_asked_for_by(
    make_repo: MakeRepo, make_cache: MakeCache, tmp_path: Path, hub: DemoHub
) -> None:
    make_repo("test/model", seed=1)
    make_repo("test/model@v2", seed=2)
    full = make_cache(home=tmp_path / "build-cache")
    for _ in range(2):
        report = full.bake("test/model", tmp_path / "baked", revision="v2")
        before = look(tmp_path / "baked")
        hub.forget()
        for asked in ("v2", None, report.revision):
            model = make_cache(offline=True).ensure("test/model", revision=asked)
            assert (model.source, model.revision) == ("baked", report.revision)
        assert hub.requests == [] and look(tmp_path / "baked") == before
        assert make_cache(offline=True).locate("test/model", "v3") is None
    full.bake("test/model", tmp_path / "baked")
    assert make_cache(offline=True).locate("test/model", "v2") is None


def test_bake_rejects_a_damaged_file(make_repo: MakeRepo, make_cache: MakeCache, tmp_path: Path) -> None:
    make_repo()
    store = make_cache(home=tmp_path / "build-cache")
    with (store.ensure("test/model").directory / UNET).open("r+b") as stream:
        stream.write(b"damage")
    with pytest.raises(ImageGenError) as caught:
        store.bake("test/model", tmp_path / "baked")
    assert caught.value.code == "CORRUPT_CACHE" and not list((tmp_path / "baked").iterdir())


def test_incomplete_baked_model_falls_back_to_the_volume(
    make_repo: MakeRepo, make_cache: MakeCache, tmp_path: Path
) -> None:
    make_repo()
    make_cache(home=tmp_path / "build-cache").bake("test/model", tmp_path / "baked")
    (tmp_path / "baked" / "test--model" / "snapshot" / UNET).unlink()
    store = make_cache()
    assert store.ensure("test/model").source == "download"
    offline = ModelCache(replace(store.settings, offline=True))
    assert offline.ensure("test/model").source == "volume"


def test_a_cache_without_a_manifest_is_exported_where_all_hashes_are_known(
    make_repo: MakeRepo, make_cache: MakeCache, tmp_path: Path
) -> None:
    leafs = [
        f"{part}__{leaf}" for part in ("tokenizer", "tokenizer_2") for leaf in ("merges.txt", "tokenizer_config.json")
    ]
    make_repo(**dict.fromkeys(leafs, b"{}"))
    model = make_cache().ensure("test/model")
    shutil.rmtree(make_cache().settings.cached_manifests_dir)
    island = make_cache(offline=True)
    assert island.mirror("test/model", tmp_path / "mirror").revision == model.revision
    other = make_cache(home=tmp_path / "other" / "huggingface", mirror=tmp_path / "mirror", offline=True)
    assert other.ensure("test/model").revision == model.revision and other.verify().ok
    index = model.directory / "model_index.json"
    text = index.read_bytes()
    index.unlink()
    index.write_bytes(text)
    with pytest.raises(ImageGenError) as caught:
        island.mirror("test/model", tmp_path / "mirror")
    assert caught.value.code == "MANIFEST_NOT_FOUND" and "model_index.json" in caught.value.message


def test_an_export_deletes_and_changes_only_what_exports_made(
    make_repo: MakeRepo, make_cache: MakeCache, tmp_path: Path
) -> None:
    """A directory that was copied by other means, or into which its user put files and links, is the user's."""
    make_repo()
    store, outside = make_cache(home=tmp_path / "build-cache"), tmp_path / "outside"
    outside.mkdir(mode=0o700)
    (outside / "theirs").write_text("theirs")
    times = outside.stat().st_mtime_ns
    for place, export in (
        (tmp_path / "baked" / "test--model", lambda: store.bake("test/model", tmp_path / "baked")),
        (tmp_path / "mirror" / "test" / "model", lambda: store.mirror("test/model", tmp_path / "mirror")),
    ):
        export()
        top = next(iter(place.rglob("manifest.json"))).parent
        (top / "README.md").write_text("mine")
        (top / "unet" / "more").mkdir(parents=True)
        (top / "unet" / "more" / "weights.bin").write_text("mine")
        (top / "link").symlink_to(outside)
        export()
        assert (top / "README.md").exists() and (top / "unet" / "more" / "weights.bin").exists()
        assert (top / "link" / "theirs").exists()
    assert (outside.stat().st_mode & 0o777, outside.stat().st_mtime_ns) == (0o700, times)


def test_a_bake_of_another_revision_leaves_nothing_of_the_first(
    make_repo: MakeRepo, make_cache: MakeCache, tmp_path: Path
) -> None:
    make_repo("test/model", seed=1)
    make_repo("test/model@v2", seed=2)
    store, place = make_cache(home=tmp_path / "build-cache"), tmp_path / "baked" / "test--model"
    store.bake("test/model", tmp_path / "baked")
    manifest = json.loads((place / "manifest.json").read_text())
    alone = place / "snapshot" / "old" / "part" / "weights.bin"
    alone.parent.mkdir(parents=True)
    alone.write_bytes(b"x")
    manifest["files"].append({"path": "old/part/weights.bin", "bytes": 1, "sha256": "0" * 64})
    (place / "manifest.json").write_text(json.dumps(manifest))
    store.bake("test/model", tmp_path / "baked", revision="v2")
    assert not (place / "snapshot" / "old").exists()
    assert json.loads((place / "manifest.json").read_text())["revision"] != manifest["revision"]


def test_a_bake_after_a_killed_one_of_another_revision_leaves_nothing_of_that(
    make_repo: MakeRepo, make_cache: MakeCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = ("merges.txt", "added_tokens.json")
    make_repo("test/model", seed=1, **{f"tokenizer__{leaf}": b"{}" for leaf in extra})
    make_repo("test/model@v2", seed=2)
    store, place = make_cache(home=tmp_path / "build-cache"), tmp_path / "baked" / "test--model"
    store.ensure("test/model")
    # As SIGKILL: nothing is cleaned up.
    child = os.fork()
    if child == 0:
        feed, copied = export_module.feed, []

        def dies(stream, *rest):  # type: ignore[no-untyped-def]
            copied.append(stream.name)
            if len(copied) > 1 and "added_tokens" in copied[-2]:
                os.kill(os.getpid(), signal.SIGKILL)
            return feed(stream, *rest)

        monkeypatch.setattr(export_module, "feed", dies)
        store.bake("test/model", tmp_path / "baked")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert (place / "snapshot" / "tokenizer" / "added_tokens.json").exists() and list(place.rglob("*.partial"))
    store.bake("test/model", tmp_path / "baked", revision="v2")
    monkeypatch.undo()
    once = make_cache(home=tmp_path / "build-cache")
    once.bake("test/model", tmp_path / "fresh", revision="v2")
    assert look(tmp_path / "baked") == look(tmp_path / "fresh")


def test_a_model_that_is_cleared_during_an_export_is_named(
    make_repo: MakeRepo, make_cache: MakeCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_repo()
    store = make_cache(home=tmp_path / "build-cache")
    model = store.ensure("test/model")
    monkeypatch.setattr(
        "image_gen.model_cache.backup.export.require_room", lambda *_: (model.directory / UNET).unlink()
    )
    with pytest.raises(ImageGenError) as caught:
        store.mirror("test/model", tmp_path / "mirror")
    assert caught.value.code == "CACHE_CHANGED"
