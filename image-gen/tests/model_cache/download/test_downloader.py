"""A model comes from the hub whole, once, and only what is missing."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import UNET, MakeCache, MakeRepo

from image_gen.errors import ImageGenError
from image_gen.model_cache import Progress, ProgressCallbacks
from image_gen_demo.hub import DemoHub

ALL_FILES = 12


def files_asked(hub: DemoHub) -> list[str]:
    return [
        entry["path"].split("/resolve/")[1].split("/", 1)[1] for entry in hub.requests if "resolve" in entry["path"]
    ]


def test_a_fresh_cache_gets_the_needed_files_in_the_hubs_layout(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache
) -> None:
    repo = make_repo()
    model = make_cache().ensure("test/model")
    assert model.source == "download"
    assert (model.pipeline, model.variant) == ("StableDiffusionXLPipeline", "fp16")
    root = model.directory.parents[1]
    assert root.name == "models--test--model"
    assert (root / "refs" / "main").read_text() == model.revision
    found = {
        path.relative_to(model.directory).as_posix(): path for path in model.directory.rglob("*") if path.is_file()
    }
    assert len(found) == ALL_FILES
    assert "README.md" not in found and "vae/diffusion_pytorch_model.safetensors" not in found
    for path, link in found.items():
        assert link.read_bytes() == (repo / path).read_bytes()
        assert str(link.readlink()).startswith("../")
        assert link.resolve().parent == root / "blobs"
    assert len(found[UNET].readlink().name) == 64
    assert len(found["unet/config.json"].readlink().name) == 40
    assert not list((root / "blobs").glob("*.*"))


def test_a_complete_model_asks_nothing(hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache) -> None:
    make_repo()
    first = make_cache().ensure("test/model")
    hub.forget()
    again = make_cache().ensure("test/model")
    assert hub.requests == []
    assert (again.source, again.bytes_fetched, again.directory) == ("volume", 0, first.directory)


def test_identical_files_are_downloaded_once(hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache) -> None:
    make_repo()
    model = make_cache().ensure("test/model")
    assert sum(path.endswith("vocab.json") for path in files_asked(hub)) == 1
    assert (model.directory / "tokenizer/vocab.json").samefile(model.directory / "tokenizer_2/vocab.json")


@pytest.mark.parametrize("harm", ["missing", "truncated", "dangling"])
def test_only_incomplete_files_are_downloaded_again(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, harm: str
) -> None:
    repo = make_repo()
    link = make_cache().ensure("test/model").directory / UNET
    if harm == "missing":
        link.resolve().unlink()
        link.unlink()
    elif harm == "dangling":
        link.resolve().unlink()
    else:
        with link.open("r+b") as stream:
            stream.truncate(1000)
    hub.forget()
    assert make_cache().locate("test/model") is None
    model = make_cache().ensure("test/model")
    assert files_asked(hub) == [UNET]
    assert len(hub.requests) == 1
    assert link.read_bytes() == (repo / UNET).read_bytes()
    assert model.bytes_fetched == (repo / UNET).stat().st_size


def test_a_lost_link_is_made_again_without_the_network(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache
) -> None:
    make_repo()
    link = make_cache().ensure("test/model").directory / UNET
    link.unlink()
    hub.forget()
    assert make_cache().ensure("test/model").bytes_fetched == 0
    assert files_asked(hub) == [] and link.is_file()


def test_interrupted_download_resumes(hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache) -> None:
    repo = make_repo()
    hub.panel.turn({"drop_after_bytes": 1_000_000})
    model = make_cache().ensure("test/model")
    assert (model.directory / UNET).read_bytes() == (repo / UNET).read_bytes()
    ranges = [entry["range"] for entry in hub.requests if entry["path"].endswith(UNET)]
    assert ranges == [None, "bytes=1000000-", "bytes=2000000-", "bytes=3000000-"]


def test_stalled_download_resumes(hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache) -> None:
    repo = make_repo()
    hub.panel.turn({"stall_after_bytes": 2_000_000, "times": 1})
    model = make_cache(parallel_files=1).ensure("test/model")
    assert (model.directory / UNET).read_bytes() == (repo / UNET).read_bytes()
    assert [entry["range"] for entry in hub.requests if entry["path"].endswith(UNET)][1] == "bytes=2000000-"


def test_download_restarts_on_a_hub_without_ranges(hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache) -> None:
    repo = make_repo()
    hub.panel.turn({"drop_after_bytes": 1_000_000, "times": 1, "ignore_range": True})
    model = make_cache(parallel_files=1).ensure("test/model")
    assert (model.directory / UNET).read_bytes() == (repo / UNET).read_bytes()


def test_download_fails_on_a_hub_without_ranges_that_always_disconnects(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("image_gen.model_cache.core.retry._back_off", lambda failed: 0.01)
    make_repo()
    hub.panel.turn({"drop_after_bytes": 1_000_000, "ignore_range": True})
    with pytest.raises(ImageGenError) as caught:
        make_cache(parallel_files=1).ensure("test/model")
    assert caught.value.code == "HUB_UNREACHABLE" and caught.value.retryable


def test_download_that_is_damaged_once_is_repeated(hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache) -> None:
    repo = make_repo()
    hub.panel.turn({"corrupt": "unet/*.safetensors", "times": 1})
    model = make_cache().ensure("test/model")
    assert (model.directory / UNET).read_bytes() == (repo / UNET).read_bytes()
    assert files_asked(hub).count(UNET) == 2


def test_download_that_stays_damaged_is_never_put_in_place(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, tmp_path: Path
) -> None:
    make_repo()
    hub.panel.turn({"corrupt": UNET})
    store = make_cache()
    with pytest.raises(ImageGenError) as caught:
        store.ensure("test/model")
    assert caught.value.code == "CORRUPT_DOWNLOAD" and UNET in caught.value.message
    assert store.locate("test/model") is None
    assert not [path for path in tmp_path.glob("data/**/blobs/*") if path.stat().st_size > 1 << 20]


def test_damaged_partial_file_is_detected(hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache) -> None:
    repo = make_repo()
    store = make_cache()
    manifest = store.resolve("test/model")
    key = next(file.content_key for file in manifest.files if file.path == UNET)
    blobs = store.settings.hub_cache / "models--test--model" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{key}.image-gen.part").write_bytes(b"\0" * 500_000)
    model = store.ensure("test/model")
    assert (model.directory / UNET).read_bytes() == (repo / UNET).read_bytes()


def test_deleted_commit_is_replaced_by_the_newest(hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache) -> None:
    """The commit changes with the content, and this hub keeps no old ones."""
    repo = make_repo()
    store = make_cache()
    store.registry.keep(store.resolve("test/model"), default=True)
    (repo / UNET).write_bytes(b"new")
    model = store.ensure("test/model")
    assert (model.directory / UNET).read_bytes() == b"new"
    hub.forget()
    assert store.ensure("test/model").source == "volume" and hub.requests == []


def test_bundled_manifest_is_never_replaced_by_a_newer_commit(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, tmp_path: Path
) -> None:
    repo = make_repo()
    manifest = make_cache().resolve("test/model")
    wrong = replace(
        manifest, files=tuple(replace(file, size=file.size + (file.path == UNET)) for file in manifest.files)
    )
    (tmp_path / "test--model.json").write_text(wrong.to_json())
    store = make_cache(manifests_dir=tmp_path)
    with pytest.raises(ImageGenError) as caught:
        store.ensure("test/model")
    assert caught.value.code == "CORRUPT_DOWNLOAD" and f"expected {(3 << 20) + 1}" in caught.value.message
    (repo / UNET).write_bytes(b"new")
    with pytest.raises(ImageGenError) as caught:
        store.ensure("test/model")
    assert caught.value.code == "REVISION_NOT_FOUND"


def test_cache_of_another_tool_is_used_as_it_is(hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache) -> None:
    make_repo()
    store = make_cache()
    first = store.ensure("test/model")
    for kept in store.registry.cached_files("test/model"):
        kept.unlink()
    hub.forget()
    assert make_cache(offline=True).ensure("test/model").directory == first.directory
    assert hub.requests == []
    # With the hub at hand it is asked what belongs to the commit that is here, and nothing is fetched.
    again = store.ensure("test/model")
    assert (again.directory, again.bytes_fetched) == (first.directory, 0)
    assert [path for path in files_asked(hub) if path != "model_index.json"] == []
    for kept in store.registry.cached_files("test/model"):
        kept.unlink()
    (first.directory / UNET).unlink()
    with pytest.raises(ImageGenError) as caught:
        make_cache(offline=True).ensure("test/model")
    assert caught.value.code == "OFFLINE"


def test_progress_counts_the_whole_model(hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache) -> None:
    make_repo()
    hub.panel.turn({"rate_bytes_per_second": 6_000_000})
    seen: list[Progress] = []
    model = make_cache().ensure("test/model", callbacks=ProgressCallbacks(seen.append))
    done = [report.bytes_done for report in seen]
    assert done == sorted(done) and done[-1] == model.bytes_total == seen[-1].bytes_total
    assert {report.file for report in seen if report.finished} >= {UNET, "tokenizer_2/vocab.json"}
    assert any(0 < report.bytes_done < report.bytes_total and report.bytes_per_second > 0 for report in seen)
    assert all(report.phase == "fetching" for report in seen)


def test_cancel_ends_soon_and_the_next_call_resumes(hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache) -> None:
    make_repo()
    hub.panel.turn({"rate_bytes_per_second": 1_000_000})
    cancel = threading.Event()

    def stop(report: Progress) -> None:
        if report.file == UNET and report.bytes_done > 900_000:
            cancel.set()

    with pytest.raises(ImageGenError) as caught:
        make_cache().ensure("test/model", callbacks=ProgressCallbacks(stop, cancel))
    assert caught.value.code == "CANCELLED"
    hub.panel.turn({"rate_bytes_per_second": None})
    hub.forget()
    make_cache().ensure("test/model")
    asked = [entry["range"] for entry in hub.requests if entry["path"].endswith(UNET)]
    assert len(asked) == 1 and asked[0] is not None


def test_another_model_never_gets_the_old_ones_files(hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache) -> None:
    make_repo("test/model", seed=1)
    other = make_repo("test/other", seed=2)
    old = make_cache().ensure("test/model")
    new = make_cache().ensure("test/other")
    assert (new.directory / UNET).read_bytes() == (other / UNET).read_bytes()
    assert make_cache().locate("test/model") == make_cache().ensure("test/model")
    assert old.directory != new.directory


def test_a_revision_can_be_pinned_by_tag_and_by_commit(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache
) -> None:
    make_repo("test/model", seed=1)
    tagged = make_repo("test/model@v2", seed=2)
    main = make_cache().ensure("test/model")
    by_tag = make_cache().ensure("test/model", revision="v2")
    assert (by_tag.directory / UNET).read_bytes() == (tagged / UNET).read_bytes()
    hub.forget()
    assert make_cache().ensure("test/model", revision=by_tag.revision).directory == by_tag.directory
    assert make_cache().ensure("test/model").directory == main.directory
    assert hub.requests == []
    # A tag may have moved: that is all that the hub is asked.
    assert make_cache().ensure("test/model", revision="v2").directory == by_tag.directory
    assert [entry["path"] for entry in hub.requests] == ["/api/models/test/model/revision/v2"]


def test_moved_branch_does_not_change_a_cached_model(hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache) -> None:
    repo = make_repo()
    first = make_cache().ensure("test/model")
    (repo / UNET).write_bytes(b"a new commit")
    assert make_cache().ensure("test/model").revision == first.revision


def test_alias_resolves_to_the_model(hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache) -> None:
    make_repo("image-gen/demo")
    assert make_cache().ensure("demo").model_id == "image-gen/demo"
    store = make_cache(home=None)
    assert (
        store.registry.canonical_id("runwayml/stable-diffusion-v1-5") == "stable-diffusion-v1-5/stable-diffusion-v1-5"
    )


def test_file_list_is_read_page_by_page(hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache) -> None:
    make_repo()
    hub.panel.turn({"page_size": 3})
    assert len(make_cache().resolve("test/model").files) == ALL_FILES
    assert sum("/tree/" in entry["path"] for entry in hub.requests) > 1


def test_hf_hub_offline_prevents_requests(hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache) -> None:
    make_repo()
    with pytest.raises(ImageGenError) as caught:
        make_cache(offline=True).ensure("test/model")
    assert caught.value.code == "OFFLINE" and hub.requests == []
    make_cache().ensure("test/model")
    assert make_cache(offline=True).ensure("test/model").source == "volume"


def test_model_dir_is_preferred(hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache) -> None:
    repo = make_repo()
    model = make_cache().ensure("whatever", model_dir=repo)
    assert (model.source, model.directory, model.variant, model.bytes_fetched) == ("directory", repo, "fp16", 0)
    assert hub.requests == []
    with pytest.raises(ImageGenError) as caught:
        make_cache().ensure("whatever", model_dir=repo / "unet")
    assert caught.value.code == "MODEL_DIR_INVALID" and "model_index.json" in caught.value.message
