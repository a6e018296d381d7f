"""What is served is announced as itself, and no size is larger than IMAGE_GEN_MAX_SIZE: in the API, on the page, in the
log and in /readyz alike.
"""

import re
from pathlib import Path

import pytest
from PIL import Image

from image_gen.serving.images.uploads import size_like
from image_gen.worker.protocol import bounded_size

from .conftest import StartServer
from .test_generations import size_of


@pytest.mark.parametrize(
    ("own", "multiple", "limit", "expected"),
    [
        ((1024, 1024), 32, 1536, (1024, 1024)),
        ((1024, 1024), 32, 1024, (1024, 1024)),
        ((1024, 1024), 32, 1000, (992, 992)),
        ((1024, 1024), 32, 512, (512, 512)),
        ((1024, 1024), 64, 100, (64, 64)),
        ((1024, 1024), 128, 100, (96, 96)),
        ((1024, 1024), 32, 64, (64, 64)),
        ((1344, 768), 32, 1000, (992, 544)),
        ((768, 1344), 32, 100, (64, 96)),
        ((1000, 1000), 8, 0, (1000, 1000)),
    ],
)
def test_a_bounded_size_keeps_its_shape_in_steps_of_the_model(
    own: tuple[int, int], multiple: int, limit: int, expected: tuple[int, int]
) -> None:
    size = bounded_size(*own, multiple, limit)
    assert size == expected
    assert all(side % 8 == 0 and 64 <= side <= (limit or side) for side in size)


def test_a_size_that_the_model_cannot_make_is_refused_with_its_own_multiple(start_server: StartServer) -> None:
    server = start_server(FAKE_WORKER={"own_size": [1024, 1024], "size_multiple": 16})
    server.wait_phase("ready")
    assert server.get("/v1/models").json["data"][0]["size_multiple"] == 16
    refused = server.post({"prompt": "x", "size": "1032x1024"})
    assert (refused.status, refused.json["error"]["param"]) == (400, "size")
    assert "both multiples of 16 from 64 to 1536" in refused.json["error"]["message"]
    assert server.post({"prompt": "x", "size": "80x64", "steps": 1}).json["size"] == "80x64"
    document = server.get("/openapi.json").json["paths"]["/v1/images/generations"]["post"]
    schema = document["requestBody"]["content"]["application/json"]["schema"]["properties"]["size"]
    pattern = schema["anyOf"][0]["pattern"]
    assert [bool(re.search(pattern, size)) for size in ("80x64", "72x64", "auto")] == [True, False, True]


@pytest.mark.parametrize(("step", "expected"), [(8, (1184, 888)), (16, (1184, 880)), (32, (1184, 896))])
def test_an_edit_has_a_size_that_the_model_can_make(step: int, expected: tuple[int, int]) -> None:
    photo = Image.new("1", (4000, 3000))
    assert size_like(photo, (1024, 1024), 1536, step) == expected
    assert size_like(photo, (64, 64), 100, step)[1] == 64


def test_the_limit_binds_the_size_of_a_request_without_one(start_server: StartServer) -> None:
    server = start_server(FAKE_WORKER={"own_size": [1024, 1024]}, IMAGE_GEN_MAX_SIZE=200)
    server.wait_phase("ready")
    model = server.get("/v1/models").json["data"][0]
    assert (model["default_size"], model["max_size"]) == ("192x192", 200)
    for order in ({}, {"size": "auto"}):
        answer = server.post({"prompt": "x", **order})
        assert answer.json["size"] == "192x192"
        assert size_of(answer.json["data"][0]["b64_json"]) == (192, 192)
    assert server.post({"prompt": "x", "size": "1024x1024"}).status == 400


@pytest.mark.parametrize("model_id", [None, "demo", "image-gen/demo", "acme/other"])
def test_a_directory_is_announced_as_itself(start_server: StartServer, model_dir: Path, model_id: str | None) -> None:
    server = start_server(MODEL_DIR=model_dir, **({"MODEL_ID": model_id} if model_id else {}))
    server.wait_alive()
    assert server.state()["model"] == str(model_dir)
    state = server.wait_phase("ready")
    assert (state["model"], state["source"]) == (str(model_dir), "directory")
    model = server.get("/v1/models").json["data"][0]
    assert (model["id"], model["owned_by"]) == (str(model_dir), "local")
    assert server.get(f"/v1/models/{model_dir}").json["id"] == str(model_dir)
    assert server.post({"prompt": "x"}).json["model"] == str(model_dir)
    for name in (str(model_dir), model_dir.name):
        assert server.post({"prompt": "x", "model": name}).status == 200
    for name in ("stabilityai/stable-diffusion-xl-base-1.0", "demo", "image-gen/demo"):
        assert server.post({"prompt": "x", "model": name}).status == 404
    assert f"the model is {model_dir}\n" in server.log and f"Loading model from {model_dir}...\n" in server.log
    assert "demo" not in server.log and "Hugging Face" not in server.log and "stabilityai" not in server.log
    assert f'model="{model_dir}"' in server.get("/metrics").body.decode()


def test_guidance_that_the_model_does_not_read_is_said_to_be_unused(start_server: StartServer) -> None:
    server = start_server(FAKE_WORKER={"reads_guidance": False})
    server.wait_phase("ready")
    made = server.post({"prompt": "x", "steps": 1, "guidance_scale": 7.5})
    assert made.status == 200
    assert made.json["notes"] == {"guidance_scale": "not used: this model does not read it."}
    assert "notes" not in server.post({"prompt": "x", "steps": 1}).json
