"""Each field that `images.generate` of OpenAI's client can send: served, refused, or named in `notes`."""

import json
from typing import Any, get_args, get_type_hints

import openai
import pytest
from openai.types.image_generate_params import ImageGenerateParamsBase, ImageGenerateParamsNonStreaming

from image_gen.serving.images.image_jobs import STEPS_BY_QUALITY
from image_gen.serving.images.requests import ImageRequest
from tests.serving.conftest import Server, StartServer

from .conftest import MakeClient

# Fields of the client's own types that are refused, with a value that its types allow.
REFUSED = {"background": "transparent", "frame_count": 2, "frame_duration_ms": 100, "svg": {"model": "x"},
           "output_format": "gif", "response_format": "url"}  # fmt: skip
# Fields that are accepted and not used: the answer says so.
NOTED = {"style": "vivid", "moderation": "low", "complexity": "high", "user": "u", "safety_identifier": "s"}


def test_every_field_of_the_clients_types_is_known() -> None:
    theirs = set(get_type_hints(ImageGenerateParamsBase)) | set(get_type_hints(ImageGenerateParamsNonStreaming))
    assert theirs <= set(ImageRequest.model_fields)


def test_every_value_of_the_clients_types_is_served_or_refused_by_name(server: Server) -> None:
    """Only what is listed in REFUSED is refused; nothing ends in an error of another kind."""
    refused = []
    for name, hint in get_type_hints(ImageGenerateParamsBase).items():
        for value in _literals(hint):
            if name in {"model", "size"}:
                continue
            answer = server.post({"prompt": "x", "steps": 1, name: value})
            if answer.status != 200:
                assert answer.json["error"]["param"] == name
                refused.append((name, value))
    assert sorted(refused) == [
        ("background", "transparent"), ("output_format", "gif"), ("output_format", "svg"), ("response_format", "url"),
    ]  # fmt: skip


def _literals(hint: Any) -> list[str]:
    if isinstance(hint, str):
        return [hint]
    return [value for part in get_args(hint) for value in _literals(part)]


def test_null_is_as_if_not_given(server: Server, official: MakeClient) -> None:
    nulls: dict[str, Any] = dict.fromkeys(set(ImageRequest.model_fields) - {"prompt", "steps", "seed"})
    with_nulls = server.post({"prompt": "x", "seed": 3, **nulls})
    without = server.post({"prompt": "x", "seed": 3})
    assert with_nulls.status == without.status == 200
    assert {**with_nulls.json, "seconds": 0, "created": 0} == {**without.json, "seconds": 0, "created": 0}
    theirs: dict[str, Any] = {name: None for name in get_type_hints(ImageGenerateParamsBase) if name != "prompt"}
    assert official(server).images.generate(prompt="x", **theirs).data
    missing = server.post({"prompt": None})
    assert (missing.status, missing.json["error"]["param"]) == (400, "prompt")


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_not_be_served_is_refused_with_its_name(server: Server, official: MakeClient, name: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        official(server).images.generate(prompt="x", **{name: REFUSED[name]})  # type: ignore[call-overload] # by name
    assert caught.value.param == name
    assert caught.value.type == "invalid_request_error"


@pytest.mark.parametrize("name", NOTED)
def test_what_is_not_used_is_in_the_notes(server: Server, official: MakeClient, name: str) -> None:
    answer = official(server).images.generate(prompt="x", **{name: NOTED[name]})  # type: ignore[call-overload] # by name
    assert answer.data and answer.notes[name].startswith("not used: ")
    assert answer.safety_identifier == (NOTED[name] if name in {"user", "safety_identifier"} else None)


def test_an_answer_without_notes_has_none(server: Server) -> None:
    assert "notes" not in server.post({"prompt": "x"}).json


@pytest.mark.parametrize(
    ("quality", "steps", "served"),
    [*((name, count, name) for name, count in STEPS_BY_QUALITY.items()),
     ("auto", 30, "medium"), ("standard", 30, "medium"), ("hd", 50, "high")],
)  # fmt: skip
def test_quality_is_a_number_of_steps(
    server: Server, official: MakeClient, quality: Any, steps: int, served: str
) -> None:
    answer = official(server).images.generate(prompt="x", quality=quality)
    assert (answer.quality, answer.steps, answer.notes) == (served, steps, {"quality": f"{steps} steps."})


def test_explicit_steps_win_over_quality(server: Server) -> None:
    answer = server.post({"prompt": "x", "quality": "low", "steps": 7}).json
    assert (answer["steps"], "quality" in answer) == (7, False)
    assert answer["notes"] == {"quality": "not used: `steps` says 7."}


def test_compression_of_a_png_and_partial_pictures_without_a_stream_are_in_the_notes(server: Server) -> None:
    notes = server.post({"prompt": "x", "output_compression": 40, "partial_images": 2}).json["notes"]
    assert notes["output_compression"].startswith("not used: a PNG")
    assert notes["partial_images"].startswith("not used: only an answer with `stream`")


def test_the_number_of_pictures_has_the_limit_of_the_settings(start_server: StartServer) -> None:
    server = start_server(IMAGE_GEN_MAX_IMAGES=2)
    server.wait_phase("ready")
    assert len(server.post({"prompt": "x", "n": 2}).json["data"]) == 2
    refused = server.post({"prompt": "x", "n": 3})
    assert refused.status == 400
    assert refused.json["error"]["message"] == "n: expected a whole number from 1 to 2, got 3."
    assert (
        server.post({"prompt": "x", "n": 0}).json["error"]["message"]
        == "n: expected a whole number from 1 to 2, got 0."
    )


def test_a_users_name_is_not_logged(server: Server) -> None:
    server.post({"prompt": "x", "user": "anna-of-the-users", "safety_identifier": "hash-of-the-users"})
    assert "of-the-users" not in server.log


def test_schedulers_are_listed_and_others_refused(server: Server) -> None:
    assert server.get("/v1/models").json["data"][0]["schedulers"] == ["ddim", "euler"]
    assert server.post({"prompt": "x", "scheduler": "ddim"}).status == 200
    refused = server.post({"prompt": "x", "scheduler": "unipc"})
    assert (refused.status, refused.json["error"]["param"]) == (400, "scheduler")
    assert refused.json["error"]["message"].endswith("has ddim, euler, got unipc.")
    assert server.post({"prompt": "x", "scheduler": "fast"}).json["error"]["param"] == "scheduler"


def test_metadata_of_other_formats_than_png_are_in_the_notes(server: Server) -> None:
    assert "notes" not in server.post({"prompt": "x", "metadata": True}).json
    notes = server.post({"prompt": "x", "metadata": True, "output_format": "jpeg"}).json["notes"]
    assert notes == {"metadata": "not used: only a PNG has them."}


def test_a_few_step_model_has_its_own_defaults(start_server: StartServer) -> None:
    turbo = {"mode": "turbo", "steps": 4, "guidance_scale": 0.0}
    server = start_server(FAKE_WORKER=json.dumps({"few_steps": turbo}))
    server.wait_phase("ready")
    model = server.get("/v1/models").json["data"][0]
    assert model["few_steps"] == turbo
    assert model["parameters"] == ["negative_prompt", "guidance_scale"]
    assert (model["progress"], model["previews"], model["max_images"], model["demo"]) == (True, True, 10, False)
    assert "A few-step model (turbo): 4 steps and guidance 0 unless a request has its own" in server.log
    plain = server.post({"prompt": "x"}).json
    assert (plain["steps"], plain["quality"], "notes" in plain) == (4, "medium", False)
    chosen = {quality: server.post({"prompt": "x", "quality": quality}).json for quality in STEPS_BY_QUALITY}
    assert {quality: answer["steps"] for quality, answer in chosen.items()} == {
        "low": 2, "medium": 4, "high": 7, "xhigh": 10, "max": 13,
    }  # fmt: skip
    assert chosen["high"]["notes"] == {"quality": "7 steps."} and chosen["high"]["quality"] == "high"
    own = server.post({"prompt": "x", "steps": 9, "guidance_scale": 3, "negative_prompt": "y"}).json
    assert (own["steps"], "notes" in own) == (9, False)
    unread = server.post({"prompt": "x", "negative_prompt": "y"}).json
    assert unread["notes"] == {"negative_prompt": "not used: with guidance 0 the model reads none."}
