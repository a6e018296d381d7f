"""LoRAs in a mirror and in an image: exported with their model, and served from there without a hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeCache, MakeRepo

from image_gen.cli.main import main
from image_gen.errors import ImageGenError
from image_gen.model_cache import ModelCache
from image_gen.model_cache.manifests.lora_source import LoraSource, parse_loras
from image_gen_demo.hub import DemoHub

FILE = "pytorch_lora_weights.safetensors"
LORAS = (
    "sketch=test/sketch,other=test/sketch/other.safetensors,fast=test/steps/four.safetensors,"
    "mine=/data/mine.safetensors"
)
CONTENTS = {"sketch": b"s" * 5000, "other": b"o" * 600, "fast": b"4" * 4000}
CHECKER = {"config.json": b"{}", "model.safetensors": b"c" * 900, "preprocessor_config.json": b"{ }"}


def put(root: Path, model_id: str, **files: bytes) -> None:
    for name, content in files.items():
        place = root / "hub-root" / model_id / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


@pytest.fixture
def env(
    make_repo: MakeRepo, command_env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The environment of a service with a model, LoRAs in two repositories, and one in a file of the container."""
    monkeypatch.setattr("signal.signal", lambda *_: None)
    make_repo()
    put(tmp_path, "test/sketch", **{FILE: CONTENTS["sketch"], "other.safetensors": CONTENTS["other"]})
    put(tmp_path, "test/steps", **{"four.safetensors": CONTENTS["fast"], "eight.safetensors": b"8" * 800})
    return command_env | {"MODEL_ID": "test/model", "IMAGE_GEN_LORAS": LORAS}


def sources(text: str = LORAS) -> list[LoraSource]:
    return [each for each in parse_loras(text) if each.model_id]


def served(cache: ModelCache, text: str = LORAS) -> dict[str, bytes]:
    return {each.name: cache.ensure_lora(each)[1].read_bytes() for each in sources(text)}


@pytest.fixture
def mirror(env: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A mirror that the command has filled."""
    assert main(["mirror", "--output", str(tmp_path / "mirror")], env | {"HF_HOME": str(tmp_path / "connected")}) == 0
    printed = capsys.readouterr()
    assert [line.split(" at ")[0] for line in printed.out.splitlines()] == [
        "mirrored test/model", "mirrored test/sketch", "mirrored test/steps",
    ]  # fmt: skip
    assert "LoRA mine is left out: the service reads /data/mine.safetensors where it runs." in printed.err
    return tmp_path / "mirror"


def test_a_mirror_has_the_loras_and_serves_them_without_a_hub(
    mirror: Path, make_cache: MakeCache, hub: DemoHub
) -> None:
    assert {path.name for path in (mirror / "test/steps").rglob("*.safetensors")} == {"four.safetensors"}
    hub.forget()
    island = make_cache(mirror=mirror, offline=True)
    first = island.ensure_lora(sources()[0])[0]
    assert first.source == "download" and first.verified == {FILE} and first.bytes_fetched == 5000
    assert served(island) == CONTENTS
    assert island.ensure("test/model").source == "download"
    # What came once is not asked for again.
    again = make_cache(offline=True)
    assert served(again) == CONTENTS and again.ensure_lora(sources()[0])[0].source == "volume"
    assert island.verify().ok and hub.requests == []


def test_loras_of_a_mirror_are_pinned(mirror: Path, make_cache: MakeCache, tmp_path: Path) -> None:
    commit = next((mirror / "test/steps").iterdir()).name
    island = make_cache(mirror=mirror, offline=True)
    assert served(island, f"a=test/steps@{commit}/four.safetensors") == {"a": CONTENTS["fast"]}
    for text in (f"a=test/steps@{'0' * 40}/four.safetensors", "a=test/steps/eight.safetensors"):
        with pytest.raises(ImageGenError) as caught:
            served(make_cache(home=tmp_path / "other", mirror=mirror, offline=True), text)
        assert caught.value.code == "OFFLINE" and f"The mirror {mirror} has no test/steps/" in caught.value.message


def test_a_damaged_lora_of_a_mirror_is_not_served(
    mirror: Path, make_cache: MakeCache, hub: DemoHub, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    with next((mirror / "test/steps").rglob("four.safetensors")).open("r+b") as stream:
        stream.write(b"damage")
    with pytest.raises(ImageGenError) as caught:
        served(make_cache(mirror=mirror, offline=True), "a=test/steps/four.safetensors")
    assert caught.value.code == "OFFLINE"
    hub.forget()
    with_hub = make_cache(home=tmp_path / "other", mirror=mirror)
    assert served(with_hub, "a=test/steps/four.safetensors") == {"a": CONTENTS["fast"]}
    assert "arrived damaged" in caplog.text
    assert {each["path"].rpartition("/")[2] for each in hub.requests} == {"four.safetensors"}


def test_a_damaged_lora_in_the_cache_is_repaired_from_the_mirror(
    mirror: Path, make_cache: MakeCache, hub: DemoHub
) -> None:
    island = make_cache(mirror=mirror, offline=True)
    file = island.ensure_lora(sources()[2])[1]
    with file.resolve().open("r+b") as stream:
        stream.write(b"damage")
    hub.forget()
    repaired = island.verify_and_repair(island.ensure_lora(sources()[2])[0], verify="full")
    assert (repaired.directory / "four.safetensors").read_bytes() == CONTENTS["fast"] and hub.requests == []


def test_loras_that_are_mirrored_later_are_added(mirror: Path, make_cache: MakeCache, tmp_path: Path) -> None:
    make_cache(home=tmp_path / "later").mirror_loras(sources("eight=test/steps/eight.safetensors"), mirror)
    listing = json.loads(next((mirror / "test/steps").rglob("loras.json")).read_text())
    assert sorted(file["path"] for file in listing["files"]) == ["eight.safetensors", "four.safetensors"]
    island = make_cache(mirror=mirror, offline=True)
    assert served(island) == CONTENTS and served(island, "e=test/steps/eight.safetensors") == {"e": b"8" * 800}


def test_a_model_and_a_lora_of_one_repository_are_both_in_the_mirror(
    make_repo: MakeRepo, make_cache: MakeCache, tmp_path: Path
) -> None:
    make_repo("test/both", **{"offset.safetensors": b"l" * 900})
    full, loras = make_cache(home=tmp_path / "connected"), sources("offset=test/both/offset.safetensors")
    for _ in range(2):
        full.mirror_loras(loras, tmp_path / "mirror")
        full.mirror("test/both", tmp_path / "mirror")
    island = make_cache(mirror=tmp_path / "mirror", offline=True)
    assert island.ensure("test/both").bytes_fetched > 3 << 20
    assert served(island, "offset=test/both/offset.safetensors") == {"offset": b"l" * 900}
    assert island.verify().ok


def test_another_model_is_mirrored_without_the_loras(
    env: dict[str, str], make_repo: MakeRepo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_repo("test/other", seed=3)
    assert main(["mirror", "--model", "test/other", "--output", str(tmp_path / "mirror"), "--json"], env) == 0
    assert "others" not in json.loads(capsys.readouterr().out)
    assert {path.name for path in (tmp_path / "mirror/test").iterdir()} == {"other"}


def test_the_safety_checker_is_mirrored_too(
    env: dict[str, str], make_cache: MakeCache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, "test/checker", **CHECKER)
    own = env | {"IMAGE_GEN_LORAS": "", "IMAGE_GEN_SAFETY_CHECKER": "test/checker", "HF_HOME": str(tmp_path / "full")}
    assert main(["mirror", "--model", "test/model", "--output", str(tmp_path / "mirror"), "--json"], own) == 0
    [checker] = json.loads(capsys.readouterr().out)["others"]
    assert (checker["id"], checker["bytes"]) == ("test/checker", 905)
    island = make_cache(mirror=tmp_path / "mirror", offline=True)
    assert island.ensure_checker("test/checker", None).source == "download"


def bake(env: dict[str, str], tmp_path: Path, loras: str = LORAS) -> int:
    return main(
        ["bake", "--model", "test/model", "--loras", loras, "--output", str(tmp_path / "baked"),
         "--cache", str(tmp_path / "build-cache")],
        env,
    )  # fmt: skip


def test_an_image_has_its_loras_and_serves_them_without_a_hub(
    env: dict[str, str], make_cache: MakeCache, hub: DemoHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bake(env, tmp_path) == 0
    assert "LoRA mine is left out" in capsys.readouterr().err
    baked = tmp_path / "baked"
    assert {path.name for path in baked.iterdir()} == {"test--model", "test--sketch~loras", "test--steps~loras"}
    assert {path.name for path in baked.rglob("*.safetensors")} >= {FILE, "other.safetensors", "four.safetensors"}
    assert not list(baked.rglob("eight.safetensors"))
    assert {path.stat().st_mode & 0o777 for path in baked.rglob("*")} == {0o755, 0o644}
    hub.forget()
    island = make_cache(offline=True)
    assert served(island) == CONTENTS
    assert {island.ensure_lora(each)[0].source for each in sources()} == {"baked"}
    assert hub.requests == [] and not (tmp_path / "data").exists()
    assert island.verify().ok and all(each.source == "baked" for each in island.status().models)
    before = {path: (path.stat().st_mtime_ns, path.is_file() and path.read_bytes()) for path in baked.rglob("*")}
    assert bake(env, tmp_path) == 0 and hub.requests == []
    assert before == {
        path: (path.stat().st_mtime_ns, path.is_file() and path.read_bytes()) for path in baked.rglob("*")
    }


def test_a_baked_lora_is_the_one_of_its_revision(
    env: dict[str, str], make_cache: MakeCache, hub: DemoHub, tmp_path: Path
) -> None:
    put(tmp_path, "test/steps@v2", **{"four.safetensors": b"second"})
    commit = make_cache(home=tmp_path / "look").ensure_lora(sources()[2])[0].revision
    text = (
        f"one=test/steps@{commit}/four.safetensors,two=test/steps@v2/four.safetensors,three=test/steps/four.safetensors"
    )
    assert bake(env, tmp_path, text) == 0
    hub.forget()
    assert served(make_cache(), text) == {"one": CONTENTS["fast"], "two": b"second", "three": CONTENTS["fast"]}
    assert hub.requests == []
    # One that is not in the image is downloaded, as every model is.
    assert served(make_cache(), "e=test/steps/eight.safetensors") == {"e": b"8" * 800} and hub.requests


def test_a_lora_that_is_damaged_in_the_builds_cache_is_not_baked(
    env: dict[str, str], make_cache: MakeCache, tmp_path: Path
) -> None:
    file = make_cache(home=tmp_path / "build-cache").ensure_lora(sources()[2])[1]
    with file.resolve().open("r+b") as stream:
        stream.write(b"damage")
    assert bake(env, tmp_path) == 3
    assert not (tmp_path / "baked" / "test--steps~loras").exists()


def test_a_baked_lora_that_is_damaged_later_is_found(
    env: dict[str, str], make_cache: MakeCache, tmp_path: Path
) -> None:
    assert bake(env, tmp_path) == 0
    lora, file = make_cache().ensure_lora(sources()[2])
    with file.open("r+b") as stream:
        stream.write(b"damage")
    assert make_cache().verify_and_repair(lora, verify="size").source == "baked"
    with pytest.raises(ImageGenError) as caught:
        make_cache().verify_and_repair(lora, verify="full")
    assert caught.value.code == "CORRUPT_CACHE" and "four.safetensors" in caught.value.message


@pytest.mark.parametrize("text", ["a", "a=x", "=org/name", "a=x/y,a=x/z"])
def test_other_lists_are_refused_before_anything_is_baked(
    env: dict[str, str], tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bake(env, tmp_path, text) == 1 and "--loras: expected " in capsys.readouterr().err
    assert not (tmp_path / "baked").exists()


@pytest.mark.parametrize("names", [("b", "a"), ("a", "b")])
def test_a_lora_without_a_files_name_is_the_repositorys_own_whatever_else_is_here(
    env: dict[str, str], make_cache: MakeCache, names: tuple[str, str]
) -> None:
    """The file that was named first is no default, even where it is the only one here."""
    del env
    texts = {"a": "a=test/sketch", "b": "b=test/sketch/other.safetensors"}
    expected: dict[str, Any] = {"a": CONTENTS["sketch"], "b": CONTENTS["other"]}
    for name in names:
        assert served(make_cache(), texts[name]) == {name: expected[name]}
    served(make_cache(), "four=test/steps/four.safetensors")
    with pytest.raises(ImageGenError, match="does not say which file is the LoRA"):
        served(make_cache(), "any=test/steps")


@pytest.mark.parametrize("command", ["mirror", "prefetch", "bake"])
def test_a_wrong_list_of_loras_is_refused_before_the_model_is_downloaded(
    env: dict[str, str], hub: DemoHub, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    hub.forget()
    wrong = "a=test/sketch,a=test/steps"
    options = {"bake": ["--model", "test/model", "--loras", wrong]}.get(command, [])
    options += [] if command == "prefetch" else ["--output", str(tmp_path / "out")]
    assert main([command, *options], env | {"IMAGE_GEN_LORAS": wrong}) != 0
    assert "each name once" in capsys.readouterr().err
    assert hub.requests == [] and not (tmp_path / "out").exists()
