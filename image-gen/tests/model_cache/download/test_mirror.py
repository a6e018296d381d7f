"""A directory is asked before the hub, and is trusted no more than one."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import pytest
from conftest import UNET, MakeCache, MakeRepo

from image_gen.cli.main import main
from image_gen.errors import ImageGenError
from image_gen.model_cache import CacheSettings, ModelCache, ProgressCallbacks
from image_gen_demo.hub import DemoHub

ID = "test/model"


@pytest.fixture
def mirror(make_repo: MakeRepo, make_cache: MakeCache, tmp_path: Path) -> Path:
    """A mirror with one model, made by the command's own means."""
    make_repo()
    make_cache(home=tmp_path / "connected").mirror(ID, tmp_path / "mirror")
    return tmp_path / "mirror"


def place(mirror: Path) -> Path:
    return next((mirror / ID).iterdir())


def test_a_mirror_serves_without_a_hub(mirror: Path, make_cache: MakeCache, hub: DemoHub) -> None:
    assert (place(mirror) / UNET).is_file() and (place(mirror) / "manifest.json").is_file()
    hub.forget()
    store = make_cache(mirror=mirror, offline=True)
    seen: list[int] = []
    model = store.ensure(ID, callbacks=ProgressCallbacks(lambda progress: seen.append(progress.bytes_done)))
    assert model.revision == place(mirror).name and model.bytes_fetched > 3 << 20 and seen[-1] == model.bytes_total
    assert model.verified == {file.path for file in model.files}  # hashed on its way, and not once more
    assert store.verify().ok and hub.requests == []
    assert make_cache(offline=True).ensure(ID).source == "volume"
    assert not list(store.settings.hub_cache.rglob("*.part"))


@pytest.mark.parametrize("revision", ["commit", "tag"])
def test_mirror_revision_is_found_by_branch_name(mirror: Path, make_cache: MakeCache, revision: str) -> None:
    commit = place(mirror).name
    shutil.copytree(place(mirror), mirror / ID / "tag")
    store = make_cache(mirror=mirror, offline=True)
    assert store.ensure(ID, revision=commit if revision == "commit" else "tag").revision == commit


def test_missing_or_damaged_mirror_files_come_from_the_hub(
    mirror: Path, make_cache: MakeCache, hub: DemoHub, caplog: pytest.LogCaptureFixture
) -> None:
    (place(mirror) / "unet" / "config.json").unlink()
    with (place(mirror) / UNET).open("r+b") as stream:
        stream.write(b"damage")
    hub.forget()
    store = make_cache(mirror=mirror)
    assert store.ensure(ID).source == "download" and store.verify().ok
    files = sorted(entry["path"].partition("/resolve/")[2].partition("/")[2] for entry in hub.requests)
    assert files == ["unet/config.json", UNET]
    assert "has no unet/config.json" in caplog.text and "arrived damaged" in caplog.text


def test_without_a_hub_a_damaged_mirror_is_an_error_and_leaves_nothing_wrong(
    mirror: Path, make_cache: MakeCache
) -> None:
    with (place(mirror) / UNET).open("r+b") as stream:
        stream.write(b"damage")
    store = make_cache(mirror=mirror, offline=True)
    with pytest.raises(ImageGenError) as caught:
        store.ensure(ID)
    assert caught.value.code == "OFFLINE"
    assert store.verify().models[0].damaged == () and store.verify().models[0].missing == (UNET,)


def test_model_that_is_not_in_the_mirror_comes_from_the_hub(
    mirror: Path, make_repo: MakeRepo, make_cache: MakeCache, caplog: pytest.LogCaptureFixture
) -> None:
    make_repo("test/other", seed=3)
    assert make_cache(mirror=mirror).ensure("test/other").source == "download"
    assert "has no test/other" in caplog.text


def test_a_mirror_of_another_commit_is_not_used(
    mirror: Path, make_repo: MakeRepo, make_cache: MakeCache, hub: DemoHub
) -> None:
    """What is known of a model here decides, not what somebody put into a directory."""
    make_repo(seed=9)
    store = make_cache(mirror=None)
    wanted = store.ensure(ID).revision
    (store.ensure(ID).directory / UNET).resolve().unlink()
    assert make_cache(mirror=mirror).ensure(ID).revision == wanted != place(mirror).name


def test_mirror_with_two_revisions_and_no_main_is_ignored(mirror: Path, make_cache: MakeCache) -> None:
    shutil.copytree(place(mirror), mirror / ID / "tag")
    with pytest.raises(ImageGenError) as caught:
        make_cache(mirror=mirror, offline=True).ensure(ID)
    assert caught.value.code == "OFFLINE"
    (mirror / ID / "main").symlink_to("tag")
    assert make_cache(mirror=mirror, offline=True).ensure(ID).revision


def test_mirror_manifest_of_another_model_is_rejected(mirror: Path, make_cache: MakeCache) -> None:
    path = place(mirror) / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"id": "test/other"}))
    with pytest.raises(ImageGenError) as caught:
        make_cache(mirror=mirror, offline=True).ensure(ID)
    # The hub is asked instead; that it is not there is not the whole reason.
    assert caught.value.code == "OFFLINE" and "test/other" in caught.value.message


def test_mirror_download_can_be_cancelled(mirror: Path, make_cache: MakeCache) -> None:
    cancel = threading.Event()
    cancel.set()
    store = make_cache(mirror=mirror, offline=True)
    with pytest.raises(ImageGenError) as caught:
        store.ensure(ID, callbacks=ProgressCallbacks(cancel=cancel))
    assert caught.value.code == "CANCELLED" and not list(store.settings.hub_cache.rglob("*.part"))


def test_mirror_setting_accepts_file_and_s3_urls(tmp_path: Path) -> None:
    assert CacheSettings.from_env({"IMAGE_GEN_MIRROR": "file:///a%20b/c"}).mirror == Path("/a b/c")
    assert CacheSettings.from_env({"IMAGE_GEN_MIRROR": ""}).mirror is None
    for wrong in ("/plain", "s3://", "file://host/path", "file:"):
        with pytest.raises(ImageGenError) as caught:
            CacheSettings.from_env({"IMAGE_GEN_MIRROR": wrong})
        assert caught.value.code == "SETTING_INVALID" and "IMAGE_GEN_MIRROR" in caught.value.message


@pytest.mark.parametrize(
    "env", [{"IMAGE_GEN_MIRROR": f"{scheme}://anna:ge/heim123@mirror"} for scheme in ("https", "s3")]
)
def test_a_refused_address_is_shown_without_its_password(env: dict[str, str]) -> None:
    with pytest.raises(ImageGenError) as caught:
        CacheSettings.from_env(env)
    assert "//***@mirror" in caught.value.message and "heim123" not in caught.value.message


def test_mirror_command_exports_and_serves_a_model(
    make_repo: MakeRepo, command_env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)
    make_repo()
    assert main(["mirror", "--model", ID, "--output", str(tmp_path / "mirror")], command_env) == 0
    offline = command_env | {
        "HF_HOME": str(tmp_path / "island"),
        "HF_HUB_OFFLINE": "1",
        "IMAGE_GEN_MIRROR": f"file://{tmp_path / 'mirror'}",
    }
    assert main(["prefetch", "--model", ID], offline) == 0
    assert ModelCache(CacheSettings.from_env(offline)).verify().ok
