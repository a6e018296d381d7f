"""IMAGE_GEN_LORAS: files of weights that are fetched, verified and kept like a model, and chosen by name."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeCache, MakeRepo

from image_gen.cli.main import main
from image_gen.errors import ImageGenError
from image_gen.model_cache.manifests.lora_source import parse_loras
from image_gen.settings import Settings
from image_gen_demo.hub import DemoHub

from .conftest import StartServer

FILE = "pytorch_lora_weights.safetensors"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def put(root: Path, model_id: str, **files: bytes) -> None:
    for name, content in files.items():
        place = root / "hub-root" / model_id / name.replace("__", ".")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


@pytest.fixture
def env(make_repo: MakeRepo, hub: DemoHub, tmp_path: Path) -> dict[str, str]:
    """A model, LoRAs in a repository of one and of several, and one of the user's own."""
    make_repo()
    put(
        tmp_path, "test/sketch", pytorch_lora_weights__safetensors=b"s" * 5000, other__safetensors=b"o", README__md=b"x"
    )
    put(tmp_path, "test/steps", four__safetensors=b"4" * 4000, eight__safetensors=b"8" * 8000, full__bin=b"p")
    (tmp_path / "mine.safetensors").write_bytes(b"m" * 300)
    return {
        "MODEL_ID": "test/model",
        "HF_ENDPOINT": hub.url,
        "IMAGE_GEN_LORAS": f"sketch=test/sketch, fast=test/steps/four.safetensors,mine={tmp_path / 'mine.safetensors'}",
    }


def loaded(log: str, name: str) -> Path:
    return Path(log.partition(f"LoRA {name} from ")[2].split("\n")[0])


def test_loras_are_fetched_once_and_only_what_is_needed(
    start_server: StartServer, hub: DemoHub, env: dict[str, str], tmp_path: Path
) -> None:
    server = start_server(**env)
    server.wait_phase("ready")
    assert loaded(server.log, "sketch").read_bytes() == b"s" * 5000
    assert loaded(server.log, "fast").name == "four.safetensors" and "models--test--steps" in server.log
    assert loaded(server.log, "mine") == tmp_path / "mine.safetensors"
    fetched = {each["path"].rpartition("/")[2] for each in hub.requests if "resolve" in each["path"]}
    assert not fetched & {"other.safetensors", "eight.safetensors", "full.bin"}
    server.signal()
    server.process.wait(60)
    hub.forget()
    again = start_server(**env)
    again.wait_phase("ready")
    assert hub.requests == []
    # Another file of a repository of which one is there.
    again.signal()
    again.process.wait(60)
    two = "eight=test/steps/eight.safetensors,four=test/steps/four.safetensors"
    more = start_server(**env | {"IMAGE_GEN_LORAS": two})
    more.wait_phase("ready")
    assert loaded(more.log, "eight").read_bytes() == b"8" * 8000
    assert "four.safetensors" not in {each["path"].rpartition("/")[2] for each in hub.requests}


def test_a_model_of_ones_own_takes_loras_of_the_hub(
    start_server: StartServer, env: dict[str, str], model_dir: Path
) -> None:
    server = start_server(**env | {"MODEL_DIR": str(model_dir)})
    server.wait_phase("ready")
    assert loaded(server.log, "fast").read_bytes() == b"4" * 4000
    found = server.get("/v1/models").json["data"][0]
    assert (found["id"], found["loras"]) == (str(model_dir), ["sketch", "fast", "mine"])


def test_damaged_lora_is_repaired(start_server: StartServer, hub: DemoHub, env: dict[str, str]) -> None:
    server = start_server(**env)
    server.wait_phase("ready")
    file = loaded(server.log, "fast")
    server.signal()
    server.process.wait(60)
    with file.resolve().open("r+b") as stream:
        stream.write(b"damage")
    hub.forget()
    again = start_server(**env)
    again.wait_phase("ready")
    assert [each["path"].rpartition("/")[2] for each in hub.requests] == ["four.safetensors"]
    assert file.read_bytes() == b"4" * 4000


def test_requests_choose_loras_by_name(start_server: StartServer, env: dict[str, str]) -> None:
    server = start_server(**env)
    server.wait_phase("ready")
    assert server.get("/v1/models").json["data"][0]["loras"] == ["sketch", "fast", "mine"]
    assert server.post({"prompt": "x", "loras": [{"name": "mine"}, {"name": "sketch", "weight": 0.5}]}).status == 200
    server.wait_log('with LoRAs {"mine": 1.0, "sketch": 0.5}')
    for loras, expected in (
        ([{"name": "other"}], 'loras: this service has sketch, fast, mine, got "other".'),
        ([{"name": "mine"}, {"name": "mine", "weight": 2}], "loras: expected up to 8 LoRAs"),
        ([{"name": "mine", "weight": 5}], "loras: expected up to 8 LoRAs"),
        ([{"name": "mine", "scale": 1}], "loras: expected up to 8 LoRAs"),
        ([{"weight": 1}], "loras: expected up to 8 LoRAs"),
        (["mine"], "loras: expected up to 8 LoRAs"),
        ("mine", "loras: expected up to 8 LoRAs"),
        ([{"name": f"l{index}"} for index in range(9)], "loras: expected up to 8 LoRAs"),
    ):
        answer = server.post({"prompt": "x", "loras": loras})
        error = answer.json["error"]
        assert (answer.status, error["param"]) == (400, "loras") and error["message"].startswith(expected), error
    assert server.post({"prompt": "x", "loras": []}).status == server.post({"prompt": "x", "loras": None}).status == 200
    document = server.get("/openapi.json").json["paths"]["/v1/images/generations"]["post"]
    items = document["requestBody"]["content"]["application/json"]["schema"]["properties"]["loras"]["anyOf"][0]["items"]
    assert items["properties"]["name"]["enum"] == ["sketch", "fast", "mine"]
    picture = server.post({"prompt": "x", "metadata": True, "loras": [{"name": "mine", "weight": 0.5}]}).json["data"][0]
    assert base64.b64decode(picture["b64_json"]).startswith(b"\x89PNG")


def test_without_loras_the_reason_is_said(start_server: StartServer, env: dict[str, str]) -> None:
    server = start_server(**env | {"IMAGE_GEN_LORAS": ""})
    server.wait_phase("ready")
    error = server.post({"prompt": "x", "loras": [{"name": "sketch"}]}).json["error"]
    assert "none: IMAGE_GEN_LORAS (the key `loras`) names them" in error["message"]
    assert server.post({"prompt": "x", "loras": []}).status == 200


@pytest.mark.parametrize(
    ("files", "source", "expected"),
    [
        ({"lora__bin": b"p", "lora__pt": b"p"}, "test/bad", ("UNSAFE_MODEL", "as a pickle (lora.bin)")),
        (
            {"lora__bin": b"p", "good__safetensors": b"g"},
            "test/bad/lora.bin",
            ("UNSAFE_MODEL", "as a pickle (lora.bin)"),
        ),
        (
            {"a__safetensors": b"a", "b__safetensors": b"b"},
            "test/bad",
            ("LORA_INVALID", "a.safetensors, b.safetensors"),
        ),
        ({"a__safetensors": b"a"}, "test/bad/b.safetensors", ("LORA_INVALID", "has no b.safetensors")),
        ({"README__md": b"x"}, "test/bad", ("LORA_INVALID", "has no LoRA")),
        ({}, "test/nowhere", ("MODEL_NOT_FOUND", "test/nowhere")),
        ({"a__safetensors": b"a"}, f"test/bad@{COMMIT}", ("REVISION_NOT_FOUND", COMMIT)),
        ({}, "/nowhere/lora.safetensors", ("LORA_INVALID", "no such file")),
        ({}, "/nowhere/lora.ckpt", ("UNSAFE_MODEL", "as a pickle (lora.ckpt)")),
    ],
)
def test_what_is_no_lora_is_refused_with_its_reason(
    make_cache: MakeCache, tmp_path: Path, files: dict[str, bytes], source: str, expected: tuple[str, str]
) -> None:
    put(tmp_path, "test/bad", **files)
    [lora] = parse_loras(f"bad={source}")
    with pytest.raises(ImageGenError) as caught:
        make_cache().ensure_lora(lora)
    assert caught.value.code == expected[0] and expected[1] in caught.value.message


def test_a_pipeline_and_a_lora_of_one_repository(make_repo: MakeRepo, make_cache: MakeCache) -> None:
    """Whichever comes first, each is complete by its own files, and `verify` reads both."""
    make_repo("test/both", **{"offset.safetensors": b"l" * 900})
    [lora] = parse_loras("offset=test/both/offset.safetensors")
    for home, lora_first in (("one", True), ("two", False)):
        cache = make_cache(home=Path(str(make_cache().settings.hf_home)) / home)
        steps: list[Any] = [
            lambda cache=cache: cache.ensure_lora(lora)[0],
            lambda cache=cache: cache.ensure("test/both"),
        ]
        found = [step() for step in (steps if lora_first else reversed(steps))]
        assert {each.component for each in found} == {None, "LoRA"}
        assert cache.locate("test/both") is not None
        [verified] = cache.verify("test/both").models
        assert verified.ok and verified.files == len([file for each in found for file in each.files])


def test_prefetch_gc_and_a_backup_include_loras(
    env: dict[str, str], command_env: dict[str, str], make_cache: MakeCache, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("signal.signal", lambda *_: None)
    both = command_env | env
    assert main(["prefetch"], both) == 0
    island = make_cache(offline=True)
    sources = [each for each in parse_loras(env["IMAGE_GEN_LORAS"]) if each.model_id]
    assert [island.ensure_lora(each)[0].source for each in sources] == ["volume", "volume"]
    assert main(["gc", "--older-than", "0m"], both) == 0
    assert [island.ensure_lora(each)[0].source for each in sources] == ["volume", "volume"]
    assert all(model.complete for model in island.status().models)
    archive = tmp_path / "backup.tar"
    assert set(island.backup(archive).models) == {"test/model", "test/sketch", "test/steps"}
    other = make_cache(home=tmp_path / "other" / "huggingface", offline=True)
    other.restore(archive)
    assert [other.ensure_lora(each)[1].read_bytes() for each in sources] == [b"s" * 5000, b"4" * 4000]
    assert other.locate("test/model") is not None
    lacking = make_cache(home=tmp_path / "empty" / "huggingface", offline=True)
    with pytest.raises(ImageGenError) as caught:
        lacking.ensure_lora(sources[0])
    assert caught.value.code == "OFFLINE"


def test_a_service_takes_loras_from_its_image_or_a_mirror_with_the_hub_down(
    start_server: StartServer, hub: DemoHub, env: dict[str, str], make_cache: MakeCache, tmp_path: Path
) -> None:
    sources = parse_loras(env["IMAGE_GEN_LORAS"])
    full = make_cache(home=tmp_path / "connected")
    for put_into in ("baked", "mirror"):
        place: Path = tmp_path / put_into
        getattr(full, put_into.replace("baked", "bake"))("test/model", place)
        getattr(full, f"{put_into.replace('baked', 'bake')}_loras")(sources, place)
    hub.forget()
    for more, place in (
        ({"IMAGE_GEN_BAKED_DIR": str(tmp_path / "baked")}, tmp_path / "baked"),
        (
            {
                "IMAGE_GEN_MIRROR": f"file://{tmp_path / 'mirror'}",
                "HF_HOME": str(tmp_path / "fresh"),
                "IMAGE_GEN_BAKED_DIR": str(tmp_path / "none"),
            },
            tmp_path / "fresh",
        ),
    ):
        server = start_server(**env | more)
        server.wait_phase("ready")
        file = loaded(server.log, "fast")
        assert file.is_relative_to(place) and file.read_bytes() == b"4" * 4000
        assert loaded(server.log, "sketch").read_bytes() == b"s" * 5000
        assert server.get("/v1/models").json["data"][0]["loras"] == ["sketch", "fast", "mine"]
        server.signal()
        server.process.wait(60)
    assert hub.requests == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"a=org/name@{COMMIT}", ("org/name", COMMIT, None)),
        (f"a=hf://org/name@{COMMIT}/x/y.safetensors", ("org/name", COMMIT, "x/y.safetensors")),
        (f"a=https://huggingface.co/org/name/blob/{COMMIT}/y.safetensors", ("org/name", COMMIT, "y.safetensors")),
        ("a=org/name", ("org/name", None, None)),
    ],
)
def test_sources_are_understood_as_people_paste_them(text: str, expected: tuple[object, ...]) -> None:
    [found] = parse_loras(text)
    assert (found.model_id, found.revision, found.file) == expected


@pytest.mark.parametrize(
    "text", ["a", "a=", "=org/name", "a b=org/name", "a=name", "a=org/na me", "a=org/name/../x", "a=x/y,a=x/z"]
)
def test_other_texts_are_refused_before_the_start(text: str) -> None:
    with pytest.raises(ImageGenError, match="IMAGE_GEN_LORAS: expected"):
        Settings.from_env({"IMAGE_GEN_LORAS": text})


def test_loras_and_compiled_blocks_exclude_each_other() -> None:
    with pytest.raises(ImageGenError, match="IMAGE_GEN_LORAS: expected none with IMAGE_GEN_COMPILE=1"):
        Settings.from_env({"IMAGE_GEN_LORAS": "a=org/name", "IMAGE_GEN_COMPILE": "1"})
    assert [each.name for each in Settings.from_env({"IMAGE_GEN_LORAS": "a=o/n,b=/x"}).loras] == ["a", "b"]


def test_a_few_step_mode_is_what_a_request_has_without_its_own(start_server: StartServer, tmp_path: Path) -> None:
    (tmp_path / "lcm.safetensors").write_bytes(b"l" * 300)
    server = start_server(
        IMAGE_GEN_LORAS=f"lcm={tmp_path / 'lcm.safetensors'}", IMAGE_GEN_FEW_STEPS="lcm",
        FAKE_WORKER={"schedulers": ["ddim", "lcm"]},
    )  # fmt: skip
    server.wait_phase("ready")
    assert "A few-step model (lcm): 4 steps and guidance 1 unless a request has its own\n" in server.log
    assert server.get("/v1/models").json["data"][0]["few_steps"] == {
        "mode": "lcm", "steps": 4, "guidance_scale": 1.0, "scheduler": "lcm", "lora": "lcm",
    }  # fmt: skip
    assert server.post({"prompt": "x"}).json["steps"] == 4
    server.wait_log("4 steps of lcm, guidance 1.0\n")
    assert 'with LoRAs {"lcm": 1.0}\n' in server.log
    own = server.post({"prompt": "x", "steps": 6, "guidance_scale": 1.5, "scheduler": "ddim"})
    assert own.json["steps"] == 6
    server.wait_log("6 steps of ddim, guidance 1.5\n")
    # None at all: an ordinary picture.
    assert server.post({"prompt": "x", "loras": []}).json["steps"] == 30


def test_a_few_step_mode_without_its_lora_is_refused() -> None:
    expected = "IMAGE_GEN_FEW_STEPS: expected a LoRA of this name in IMAGE_GEN_LORAS, got lcm without one"
    for loras in ({}, {"IMAGE_GEN_LORAS": "other=/m.safetensors"}):
        with pytest.raises(ImageGenError, match=expected):
            Settings.from_env({"IMAGE_GEN_FEW_STEPS": "lcm", **loras})
