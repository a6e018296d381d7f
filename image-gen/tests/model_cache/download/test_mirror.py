"""A directory is asked before the hub, and is trusted no more than one."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
from conftest import UNET, MakeCache, MakeRepo

from image_gen import reader
from image_gen.cli.main import main
from image_gen.errors import ImageGenError
from image_gen.model_cache import CacheSettings, ModelCache, ProgressCallbacks
from image_gen.model_cache.manifests.lora_source import parse_loras
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


@pytest.fixture
def own(make_repo: MakeRepo, hub: DemoHub, tmp_path: Path) -> Path:
    """A directory of the user's, with a file that no pipeline needs."""
    del hub
    directory = tmp_path / "own"
    make_repo("not/a-repository").rename(directory)
    return directory


def test_a_model_of_ones_own_is_served_from_a_mirror_under_its_name(
    own: Path, make_cache: MakeCache, hub: DemoHub, tmp_path: Path
) -> None:
    report = make_cache().mirror_own(own, "acme/photos", tmp_path / "mirror")
    place = tmp_path / "mirror" / "acme/photos" / report.revision
    assert report.directory == place and not (place / "README.md").exists()
    island = make_cache(mirror=tmp_path / "mirror", offline=True)
    for revision in (None, report.revision):
        model = island.ensure("acme/photos", revision=revision)
        assert (model.revision, model.pipeline) == (report.revision, "StableDiffusionXLPipeline")
        assert (model.directory / UNET).read_bytes() == (own / UNET).read_bytes()
    assert island.verify().ok and hub.requests == []
    # The same again is the same revision, and other contents are another one, which then has to be named.
    assert make_cache().mirror_own(own, "acme/photos", tmp_path / "mirror") == report
    (own / UNET).write_bytes(b"trained on")
    newer = make_cache().mirror_own(own, "acme/photos", tmp_path / "mirror")
    assert newer.revision != report.revision
    fresh = make_cache(home=tmp_path / "fresh", mirror=tmp_path / "mirror", offline=True)
    with pytest.raises(ImageGenError, match="MODEL_REVISION=<one of them>"):
        fresh.ensure("acme/photos")
    found = fresh.ensure("acme/photos", revision=newer.revision)
    assert (found.directory / UNET).read_bytes() == b"trained on"


def test_a_checkpoint_of_ones_own_is_served_from_a_mirror_under_its_name(
    hub: DemoHub, make_cache: MakeCache, tmp_path: Path
) -> None:
    names = (
        "model.diffusion_model.input_blocks.0.0.weight", "first_stage_model.decoder.conv_in.weight",
        "cond_stage_model.transformer.text_model.embeddings.position_embedding.weight",
    )  # fmt: skip
    header = {name: {"dtype": "U8", "shape": [1, 4], "data_offsets": [at, at + 1]} for at, name in enumerate(names)}
    text = json.dumps(header).encode()
    file = tmp_path / "photos.safetensors"
    file.write_bytes(len(text).to_bytes(8, "little") + text + b"abc")
    report = make_cache().mirror_own(file, "acme/own", tmp_path / "mirror")
    island = make_cache(mirror=tmp_path / "mirror", offline=True)
    model = island.ensure("acme/own/photos.safetensors", revision=report.revision)
    assert (model.checkpoint, model.directory.name) == ("stable-diffusion", report.revision)
    assert (model.directory / "photos.safetensors").read_bytes() == file.read_bytes() and hub.requests == []
    # A copy that was altered there is not served.
    (tmp_path / "mirror" / "acme/own" / report.revision / "photos.safetensors").write_bytes(
        file.read_bytes()[:-1] + b"x"
    )
    with pytest.raises(ImageGenError) as caught:
        make_cache(home=tmp_path / "fresh", mirror=tmp_path / "mirror", offline=True).ensure(model.name)
    assert caught.value.code == "OFFLINE"


def test_a_lora_of_ones_own_is_in_a_mirror_under_its_name(hub: DemoHub, make_cache: MakeCache, tmp_path: Path) -> None:
    header = {"unet.mid_block.to_q.lora_A.weight": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}
    text = json.dumps(header).encode()
    file = tmp_path / "sketch.safetensors"
    file.write_bytes(len(text).to_bytes(8, "little") + text + b"a")
    report = make_cache().mirror_own(file, "acme/sketch", tmp_path / "mirror")
    assert report.component == "LoRA"
    island = make_cache(mirror=tmp_path / "mirror", offline=True)
    for source in (f"a=acme/sketch@{report.revision}/sketch.safetensors", "a=acme/sketch"):
        [lora] = parse_loras(source)
        assert island.ensure_lora(lora)[1].read_bytes() == file.read_bytes()
    assert island.verify().ok and hub.requests == []


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("path", "model_id", "why"),
    [
        ("own", "photos", "MODEL_ID_INVALID"),
        ("own", "acme/photos/x.safetensors", "MODEL_ID_INVALID"),
        ("own", "/srv/x", "MODEL_ID_INVALID"),
        ("own", "acme/../x", "MODEL_ID_INVALID"),
        ("own", "stabilityai/stable-diffusion-xl-base-1.0", "MODEL_ID_INVALID"),
        ("nowhere", "acme/photos", "does not exist"),
        ("empty", "acme/photos", "has no model_index.json. Fix: name a directory with a model_index.json, or a "),
        ("text.safetensors", "acme/photos", "--own: {path} is no safetensors file"),
        ("cut", "acme/photos", "--own: {path} lacks "),
        ("odd", "acme/photos", "has characters that not every store takes. Fix: rename it"),
    ],
)
def test_what_is_no_model_or_no_name_is_not_mirrored(
    make_cache: MakeCache, tmp_path: Path, path: str, model_id: str, why: str
) -> None:
    (tmp_path / "empty").mkdir()
    shutil.copytree(tmp_path / "own", tmp_path / "odd")
    (tmp_path / "odd" / "tokenizer" / "my tokens.json").write_text("{}")
    (tmp_path / "text.safetensors").write_text("no weights")
    shutil.copytree(tmp_path / "own", tmp_path / "cut")
    (tmp_path / "cut" / UNET).unlink()
    with pytest.raises(ImageGenError) as caught:
        make_cache().mirror_own(tmp_path / path, model_id, tmp_path / "mirror")
    message = f"{caught.value.code}: {caught.value.message}"
    assert why.format(path=tmp_path / path) in message and "MODEL_DIR:" not in message
    assert not (tmp_path / "mirror").exists()


def test_the_mirror_command_takes_a_model_of_ones_own(
    own: Path, tmp_path: Path, command_env: dict[str, str], command: list[str]
) -> None:
    options = ["mirror", "--own", str(own), "--model", "acme/photos", "--output", str(tmp_path / "mirror"), "--json"]
    done = subprocess.run([*command, *options], env=command_env, capture_output=True, text=True, check=True)
    report = json.loads(done.stdout)
    assert report["id"] == "acme/photos" and (tmp_path / "mirror/acme/photos" / report["revision"]).is_dir()


def test_the_outer_command_calls_the_arguments_otherwise(
    make_cache: MakeCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader._reader, "command", "imagegen --stack prod")
    with pytest.raises(ImageGenError, match=f"^<path>: {tmp_path}/nowhere is not a diffusers pipeline"):
        make_cache().mirror_own(tmp_path / "nowhere", "acme/photos", tmp_path / "mirror")
    for name in ("photos", "stabilityai/stable-diffusion-xl-base-1.0"):
        with pytest.raises(ImageGenError, match=r"^--name: .* Fix: --name "):
            make_cache().mirror_own(tmp_path, name, tmp_path / "mirror")


@pytest.mark.parametrize(
    "case",
    [
        ("mirror --own= --output=mirror", "--own is empty"),
        ("mirror --own=own --output=", "--output is empty"),
        ("mirror --output=", "--output is empty"),
        ("bake --output=", "--output is empty"),
        ("mirror --own=own --output=mirror --revision=abc", "--own takes no revision"),
        ("mirror --own=own --output=mirror --revision=", "--own takes no revision"),
        ("mirror --own=own --output=mirror --model=own/a@main", "--own takes no revision"),
    ],
)
def test_empty_and_contradicting_arguments_are_refused(
    own: Path,
    command_env: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    case: tuple[str, str],
) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.chdir(own.parent)
    before = sorted(own.parent.iterdir())
    command, *options = case[0].split()
    # The last one of a name counts.
    assert main([command, f"--model={ID}", *options], command_env) == 2
    printed = capsys.readouterr()
    assert f": {case[1]}" in printed.err and printed.err.count("\n") == 1 and "Fix: " in printed.err
    assert sorted(own.parent.iterdir()) == before


def test_a_revision_of_the_environment_is_that_of_another_model(
    own: Path, command_env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)
    env = command_env | {"MODEL_REVISION": "v2"}
    assert main(["mirror", "--own", str(own), "--model", "acme/a", "--output", str(tmp_path / "mirror")], env) == 0
