"""IMAGE_GEN_SAFETY_CHECKER: kept like a model; what it withholds is an error in OpenAI's shape."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import MakeCache, MakeRepo

from image_gen.cli.main import main
from image_gen.errors import ImageGenError
from image_gen_demo.hub import DemoHub

from .conftest import StartServer

FILES = {"config.json": b"{}", "preprocessor_config.json": b"{}", "model.safetensors": b"w" * 4000}


def put(root: Path, model_id: str, **files: bytes) -> None:
    place = root / "hub-root" / model_id
    place.mkdir(parents=True)
    for name, content in files.items():
        (place / name).write_bytes(content)


@pytest.fixture
def env(make_repo: MakeRepo, hub: DemoHub, tmp_path: Path) -> dict[str, str]:
    make_repo()
    put(tmp_path, "test/checker", **FILES, **{"pytorch_model.bin": b"p"})
    return {"MODEL_ID": "test/model", "HF_ENDPOINT": hub.url, "IMAGE_GEN_SAFETY_CHECKER": "test/checker"}


def test_a_withheld_picture_is_openais_error_and_no_prompt_is_logged(
    start_server: StartServer, hub: DemoHub, env: dict[str, str]
) -> None:
    server = start_server(**env)
    server.wait_phase("ready")
    directory = Path(server.log.partition("safety checker from ")[2].split("\n")[0])
    assert sorted(path.name for path in directory.iterdir()) == sorted(FILES)
    assert not any(each["path"].endswith(".bin") for each in hub.requests)
    answer = server.post({"prompt": "withhold this-secret-scene", "n": 2})
    assert answer.status == 400
    error = answer.json["error"]
    assert (error["code"], error["type"]) == ("content_policy_violation", "invalid_request_error")
    server.wait_log("CONTENT_POLICY_VIOLATION")
    assert "this-secret-scene" not in server.log + answer.body.decode()
    # However often: it is no failure of the engine's.
    assert [server.post({"prompt": "withhold it"}).status for _ in range(4)] == [400] * 4
    assert "testing the engine" not in server.log
    assert server.post({"prompt": "x"}).status == 200
    server.signal()
    server.process.wait(60)
    hub.forget()
    again = start_server(**env)
    again.wait_phase("ready")
    assert hub.requests == []


def test_prefetch_and_gc_include_the_checker(
    env: dict[str, str], command_env: dict[str, str], make_cache: MakeCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)
    assert main(["prefetch"], command_env | env) == 0
    assert main(["gc", "--older-than", "0m"], command_env | env) == 0
    island = make_cache(offline=True)
    assert island.ensure_checker("test/checker", None).source == "volume"
    assert all(model.complete for model in island.status().models)


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"config.json": b"{}", "preprocessor_config.json": b"{}", "pytorch_model.bin": b"p"}, "UNSAFE_MODEL"),
        ({"config.json": b"{}", "model.safetensors": b"w"}, "SAFETY_CHECKER_INVALID"),
        ({"README.md": b"x"}, "SAFETY_CHECKER_INVALID"),
    ],
)
def test_what_is_no_checker_is_refused(
    make_cache: MakeCache, tmp_path: Path, files: dict[str, bytes], code: str
) -> None:
    put(tmp_path, "test/other", **files)
    with pytest.raises(ImageGenError) as caught:
        make_cache().ensure_checker("test/other", None)
    assert caught.value.code == code


def test_a_model_is_no_checker(make_repo: MakeRepo, make_cache: MakeCache) -> None:
    make_repo()
    cache = make_cache()
    cache.ensure("test/model")
    with pytest.raises(ImageGenError, match="is no safety checker"):
        cache.ensure_checker("test/model", None)
