"""`POST /v1/images/generations`: valid requests, invalid ones, and the errors that callers get."""

import base64
import struct
from typing import Any

import pytest

from .conftest import Server

SEED_RANGE = "a whole number from 0 to 4294967295"


def size_of(picture: str) -> tuple[int, int]:
    data = base64.b64decode(picture)
    assert data.startswith(b"\x89PNG")
    width, height = struct.unpack("!II", data[16:24])
    return width, height


def test_a_picture_of_the_models_own_size_comes_with_its_seed(server: Server) -> None:
    answer = server.post({"prompt": "a lighthouse"})
    assert answer.status == 200
    body = answer.json
    assert set(body) == {
        "created", "data", "model", "size", "background", "output_format", "quality", "steps", "seconds",
    }  # fmt: skip
    assert body["size"] == "64x64"
    assert body["steps"] == 30
    [picture] = body["data"]
    assert set(picture) == {"b64_json", "seed"}
    assert size_of(picture["b64_json"]) == (64, 64)
    assert 0 <= picture["seed"] < 2**32


def test_returned_seed_reproduces_the_image(server: Server) -> None:
    first = server.post({"prompt": "x"}).json["data"][0]
    again = server.post({"prompt": "x", "seed": first["seed"]}).json["data"][0]
    other = server.post({"prompt": "x", "seed": (first["seed"] + 1) % 2**32}).json["data"][0]
    assert again == first
    assert other["b64_json"] != first["b64_json"]


def test_each_of_several_images_is_reproducible_alone(server: Server) -> None:
    several = server.post({"prompt": "x", "n": 3, "seed": 2**32 - 2}).json["data"]
    assert [picture["seed"] for picture in several] == [2**32 - 2, 2**32 - 1, 0]
    assert server.post({"prompt": "x", "seed": 0}).json["data"][0] == several[2]


def test_openais_own_fields_are_accepted(server: Server) -> None:
    body = {
        "prompt": "x", "model": str(server.get("/v1/models").json["data"][0]["id"]), "n": 1, "size": "128x64",
        "response_format": "b64_json", "output_format": "png", "user": "u", "quality": "hd", "style": "vivid",
        "background": "auto", "moderation": "auto", "guidance_scale": 5, "negative_prompt": "y",
    }  # fmt: skip
    answer = server.post(body)
    assert answer.status == 200
    assert size_of(answer.json["data"][0]["b64_json"]) == (128, 64)
    assert server.post({"prompt": "x", "size": "auto"}).json["size"] == "64x64"


@pytest.mark.parametrize(
    ("change", "param", "text"),
    [
        ({"prompt": None}, "prompt", "a text of 1 to 4000 characters, got None"),
        ({"prompt": ""}, "prompt", "a text of 1 to 4000 characters, got a text of 0 characters"),
        ({"prompt": "x" * 4001}, "prompt", "got a text of 4001 characters"),
        ({"n": 0}, "n", "a whole number from 1 to 10, got 0"),
        ({"n": 11}, "n", "a whole number from 1 to 10, got 11"),
        ({"n": 10**30}, "n", "a whole number from 1 to 10, got 1000000"),
        ({"n": "2"}, "n", 'got "2"'),
        ({"n": True}, "n", "got True"),
        ({"steps": 0}, "steps", "a whole number from 1 to 150; without it, that of `quality`, got 0"),
        ({"steps": 151}, "steps", "got 151"),
        ({"steps": 2.5}, "steps", "got 2.5"),
        ({"seed": -1}, "seed", f"{SEED_RANGE}, got -1"),
        ({"seed": 2**32}, "seed", f"{SEED_RANGE}, got 4294967296"),
        ({"guidance_scale": 51}, "guidance_scale", "a number from 0 to 50, got 51"),
        ({"guidance_scale": -0.1}, "guidance_scale", "got -0.1"),
        ({"response_format": "url"}, "response_format", '"b64_json": no picture is kept here'),
        (
            {"output_format": "gif"},
            "output_format",
            '"png", "jpeg" or "webp": a picture is made of pixels and does not move, got "gif"',
        ),
        ({"size": "65x64"}, "size", 'both multiples of 8 from 64 to 1536, got "65x64"'),
        ({"size": "56x64"}, "size", 'got "56x64"'),
        ({"size": "64x1544"}, "size", 'got "64x1544"'),
        ({"size": "64"}, "size", 'got "64"'),
        ({"size": "64x064"}, "size", 'got "64x064"'),
        ({"size": "99999999x99999999"}, "size", 'got "99999999x99999999"'),
        ({"output_format": "svg"}, "output_format", 'got "svg"'),
        ({"output_compression": 101}, "output_compression", "a whole number from 0 to 100, the quality of a JPEG"),
        (
            {"background": "transparent"},
            "background",
            'every pixel, so no background is transparent, got "transparent"',
        ),
        ({"quality": "best"}, "quality", '"low", "medium", "high", "xhigh", "max", "auto", "standard" or "hd"'),
        ({"style": "bold"}, "style", 'got "bold"'),
        ({"frame_count": 2}, "frame_count", 'nothing: it is for "gif", which is not made here, got 2'),
        ({"frame_duration_ms": 20}, "frame_duration_ms", "got 20"),
        ({"svg": {"model": "x"}}, "svg", 'nothing: it is for "svg", which is not made here'),
        ({"partial_images": 4}, "partial_images", "a whole number from 0 to 3, got 4"),
        ({"cfg": 5}, "cfg", '"cfg" is not a parameter; these are: prompt, model, n, size,'),
    ],
)
def test_invalid_values_are_reported_with_name_and_range(
    server: Server, change: dict[str, Any], param: str, text: str
) -> None:
    answer = server.post({"prompt": "x", **change})
    assert answer.status == 400
    error = answer.json["error"]
    assert error["param"] == param
    assert error["type"] == "invalid_request_error"
    assert text in error["message"]
    assert error["message"].startswith((f"{param}: ", f'"{param}" '))


def test_missing_prompt_is_reported(server: Server) -> None:
    error = server.post({"seed": 1}).json["error"]
    assert (error["param"], error["code"]) == ("prompt", "missing_required_parameter")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"3", b"\xff\xfe", b'{"prompt": "\xff"}'])
def test_invalid_json_is_reported(server: Server, body: bytes) -> None:
    answer = server.post(body)
    assert answer.status == 400
    assert answer.json["error"]["code"] == "invalid_json"


def test_another_model_is_not_found(server: Server) -> None:
    answer = server.post({"prompt": "x", "model": "dall-e-3"})
    assert answer.status == 404
    assert answer.json["error"]["code"] == "model_not_found"
    assert answer.json["error"]["param"] == "model"
    assert '"dall-e-3" is not served here' in answer.json["error"]["message"]


def test_content_type_and_body_size_are_checked(server: Server) -> None:
    assert server.post({"prompt": "x"}, {"Content-Type": "text/plain"}).status == 415
    answer = server.post({"prompt": "x" * 70_000})
    assert answer.status == 413
    assert answer.json["error"]["code"] == "body_too_large"


def test_a_request_id_is_kept_or_made(server: Server) -> None:
    assert server.post({"prompt": "x"}, {"X-Request-ID": "mine-1"}).headers["x-request-id"] == "mine-1"
    made = server.post({"prompt": "x"}, {"X-Request-ID": "no good: spaces"}).headers["x-request-id"]
    assert len(made) == 12


def test_worker_error_is_reported_and_harmless(server: Server) -> None:
    answer = server.post({"prompt": "out of memory"})
    assert answer.status == 500
    assert answer.json["error"]["code"] == "out_of_memory"
    assert answer.json["error"]["type"] == "server_error"
    assert server.post({"prompt": "x"}).status == 200


def test_prompts_are_not_logged_but_what_happened_is(server: Server) -> None:
    server.post(
        {"prompt": "a very secret garden", "negative_prompt": "nosy people", "seed": 77, "steps": 3},
        {"X-Request-ID": "r77"},
    )
    assert "garden" not in server.log
    assert "nosy" not in server.log
    [line] = [line for line in server.log.splitlines() if "r77:" in line]
    assert line.startswith("[image-gen] Request r77: 1 of 64x64, 3 steps, seed 77, ")
