"""The body of `POST /v1/images/generations`: every field of OpenAI's clients, and ours.

A field that is null is one that was not given. `BadRequest` names the parameter and its valid values. What depends on
the loaded model or on the settings is checked in `jobs`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from image_gen.worker.protocol import MIN_SIDE, STEP

MAX_SEED: Final = 2**32 - 1
_NOT_OPTIONAL: Final = frozenset({"prompt"})
_WHOLE: Final = frozenset({"n", "steps", "seed", "output_compression", "partial_images"})
_ONLY_GIF: Final = 'nothing: it is for "gif", which is not made here'


class BadRequest(Exception):  # noqa: N818 - named after the answer
    """A request that cannot be served. `status` is HTTP's, `code` and `param` are OpenAI's."""

    def __init__(
        self, message: str, param: str | None = None, *, status: int = 400, code: str = "invalid_value"
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.status = status
        self.code = code


class Lora(BaseModel):
    """A LoRA of a picture."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str, Field(description="a name of `/v1/models`")]
    weight: Annotated[float, Field(ge=-4, le=4, description="a number from -4 to 4")] = 1.0


class ImageRequest(BaseModel):
    """Descriptions are part of error messages: they state the valid values."""

    model_config = ConfigDict(extra="forbid", strict=True)

    prompt: Annotated[str, Field(min_length=1, max_length=4000, description="a text of 1 to 4000 characters")]
    model: Annotated[str | None, Field(description="the id of the served model, or nothing")] = None
    n: Annotated[int | None, Field(ge=1, description="a whole number from 1 to IMAGE_GEN_MAX_IMAGES")] = None
    size: Annotated[
        str | None, Field(description='"WIDTHxHEIGHT" in pixels, multiples of 8, such as "1024x1024", or "auto"')
    ] = None
    response_format: Annotated[
        Literal["b64_json", "url"] | None,
        Field(description='"b64_json", or "url" where the service keeps pictures'),
    ] = None
    output_format: Annotated[
        Literal["png", "jpeg", "webp"] | None,
        Field(description='"png", "jpeg" or "webp": a picture is made of pixels and does not move'),
    ] = None
    output_compression: Annotated[
        int | None,
        Field(ge=0, le=100, description="a whole number from 0 to 100, the quality of a JPEG or WebP (95)"),
    ] = None
    quality: Annotated[
        Literal["low", "medium", "high", "xhigh", "max", "auto", "standard", "hd"] | None,
        Field(description='"low", "medium", "high", "xhigh", "max", "auto", "standard" or "hd": a number of steps'),
    ] = None
    steps: Annotated[
        int | None, Field(ge=1, le=150, description="a whole number from 1 to 150; without it, that of `quality`")
    ] = None
    seed: Annotated[int | None, Field(ge=0, le=MAX_SEED, description=f"a whole number from 0 to {MAX_SEED}")] = None
    scheduler: Annotated[
        Literal[
            "ddim",
            "ddim_trailing",
            "ddpm",
            "deis",
            "dpmpp_2m",
            "dpmpp_2m_karras",
            "euler",
            "euler_a",
            "euler_trailing",
            "lcm",
            "tcd",
            "unipc",
        ]
        | None,
        Field(
            description='one of `/v1/models`, such as "ddim", "ddim_trailing", "ddpm", "deis", "dpmpp_2m", '
            '"dpmpp_2m_karras", "euler", "euler_a", "euler_trailing", "lcm", "tcd" and "unipc"'
        ),
    ] = None
    loras: Annotated[
        list[Lora] | None,
        Field(
            max_length=8,
            description='up to 8 LoRAs of `/v1/models`, each once, such as [{"name": "sketch", "weight": 0.8}], with '
            "weights from -4 to 4 (1)",
        ),
    ] = None
    metadata: Annotated[
        bool | None, Field(description="true or false: whether a PNG has the prompt and the settings in its file")
    ] = None
    guidance_scale: Annotated[float | None, Field(ge=0, le=50, description="a number from 0 to 50")] = None
    negative_prompt: Annotated[str | None, Field(max_length=4000, description="a text of up to 4000 characters")] = None
    background: Annotated[
        Literal["opaque", "auto"] | None,
        Field(description='"opaque" or "auto": the model paints every pixel, so no background is transparent'),
    ] = None
    stream: Annotated[bool | None, Field(description="true or false: whether the answer is a stream of events")] = None
    progress: Annotated[
        bool | None, Field(description="true or false: whether a stream has an event for each step")
    ] = None
    partial_images: Annotated[int | None, Field(ge=0, le=3, description="a whole number from 0 to 3")] = None
    # OpenAI's fields that mean nothing to a diffusion pipeline: accepted, so that its clients work; `notes` tells it.
    style: Annotated[Literal["vivid", "natural"] | None, Field(description='"vivid" or "natural"; not used')] = None
    moderation: Annotated[Literal["low", "auto"] | None, Field(description='"low" or "auto"; not used')] = None
    complexity: Annotated[
        Literal["low", "medium", "high"] | None, Field(description='"low", "medium" or "high"; not used')
    ] = None
    user: Annotated[str | None, Field(max_length=512, description="a text of up to 512 characters; not used")] = None
    safety_identifier: Annotated[
        str | None, Field(max_length=512, description="a text of up to 512 characters; not used")
    ] = None
    # What no model here can do is refused.
    frame_count: Annotated[None, Field(description=_ONLY_GIF)] = None
    frame_duration_ms: Annotated[None, Field(description=_ONLY_GIF)] = None
    svg: Annotated[None, Field(description='nothing: it is for "svg", which is not made here')] = None

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        given = {key: value for key, value in body.items() if value is not None or key in _NOT_OPTIONAL}
        # To JSON, 30.0 is a whole number.
        whole = {key: int(value) for key, value in given.items() if key in _WHOLE and _is_whole(value)}
        return {**given, **whole}


Parsed = TypeVar("Parsed", bound=ImageRequest)


class EditRequest(ImageRequest):
    """The fields of an edit, beside its files."""

    prompt: Annotated[str, Field(max_length=4000, description="a text of up to 4000 characters")]
    strength: Annotated[
        float | None,
        Field(gt=0, le=1, description="a number above 0 up to 1: how much of the image is generated again"),
    ] = None
    input_fidelity: Annotated[Literal["high", "low"] | None, Field(description='"high" or "low"; not used')] = None


class VariationRequest(EditRequest):
    """The fields of a variation."""

    prompt: Annotated[None, Field(description="nothing: a variation has no prompt")] = None  # type: ignore[assignment] # a subset of the fields


_FREE_TEXTS: Final = frozenset({"negative_prompt", "user", "safety_identifier"})
_NUMBERS: Final = frozenset({"guidance_scale", "strength"})
_WORDS: Final = {"true": True, "false": False}


def _is_given(name: str, text: str) -> bool:
    return name == "prompt" or (bool(text) and (text != "null" or name in _FREE_TEXTS))


def _is_whole(value: object) -> bool:
    return isinstance(value, float) and value.is_integer()


def parse_form(kind: type[EditRequest], fields: Sequence[tuple[str, str]], max_images: int) -> EditRequest:
    """The fields of a form, whose values are texts: an empty one is not given, nor null where that is no text of its
    own. Raises `BadRequest`.
    """
    names = [name for name, _ in fields]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise BadRequest(f"{shorten(twice)} was sent more than once.", twice[:60])
    values = {name: _typed(name, text) for name, text in fields if _is_given(name, text)}
    return _parsed(kind, values, max_images)


def parse_request(body: bytes, max_images: int) -> ImageRequest:
    """Raises `BadRequest` for the first thing that is wrong."""
    return _parsed(ImageRequest, body, max_images)


def parse_fields(kind: type[Parsed], fields: Mapping[str, object], max_images: int) -> Parsed:
    """Fields of any request, each with its own type. Raises `BadRequest`."""
    return _parsed(kind, dict(fields), max_images)


def _typed(name: str, text: str) -> object:
    if name in {"stream", "progress", "metadata"}:
        return _WORDS.get(text.lower(), text)
    try:
        if name == "loras":
            return json.loads(text)
        if name in _WHOLE and re.fullmatch(r"-?[0-9]{1,30}", text):
            return int(text)
        if name in _NUMBERS and re.fullmatch(r"[-+0-9.eE]{1,30}", text):
            return float(text)
    except (ValueError, RecursionError):
        pass
    return text


def _parsed(kind: type[Parsed], body: bytes | dict[str, object], max_images: int) -> Parsed:
    try:
        request = kind.model_validate_json(body) if isinstance(body, bytes) else kind.model_validate(body)
    except ValidationError as error:
        bad = _to_bad_request(kind, error.errors(include_url=False)[0])
        bad.message = bad.message.replace("IMAGE_GEN_MAX_IMAGES", str(max_images))
        raise bad from None
    names = [lora.name for lora in request.loras or ()]
    if len(set(names)) < len(names):
        raise BadRequest(f"loras: expected {_legal(kind, 'loras')}, got one twice.", "loras")
    if (request.n or 1) > max_images:
        raise BadRequest(f"n: expected a whole number from 1 to {max_images}, got {shorten(request.n)}.", "n")
    return request


def parse_size(size: str, max_side: int, step: int = STEP) -> tuple[int, int]:
    """Width and height in pixels, multiples of `step`. Raises `BadRequest`."""
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", size, re.ASCII)
    sides = (int(match[1]), int(match[2])) if match else (0, 0)
    if any(side % step or not MIN_SIDE <= side <= max_side for side in sides):
        raise BadRequest(
            f'size: expected "WIDTHxHEIGHT" in pixels, both multiples of {step} from {MIN_SIDE} to {max_side}, '
            f"got {shorten(size)}.",
            "size",
        )
    return sides


def shorten(value: Any) -> str:
    """A caller's value, short enough for an error message."""
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _to_bad_request(request: type[ImageRequest], error: Any) -> BadRequest:
    kind, place, value = error["type"], error["loc"], error["input"]
    if kind == "json_invalid" or not place:
        return BadRequest("The body is not a JSON object; send one with at least a prompt.", code="invalid_json")
    name = str(place[0])
    if kind == "missing" and len(place) == 1:
        return BadRequest(
            f"{name}: required, expected {_legal(request, name)}.", name, code="missing_required_parameter"
        )
    if kind == "extra_forbidden" and len(place) == 1:
        known = ", ".join(request.model_fields)
        return BadRequest(
            f"{shorten(name)} is not a parameter; these are: {known}.", name[:60], code="unknown_parameter"
        )
    got = _described(value) if "prompt" in name else shorten(value)
    return BadRequest(f"{name}: expected {_legal(request, name)}, got {got}.", name)


def _described(value: Any) -> str:
    """A prompt, or what was sent in its place, without quoting it: clients log the messages of errors."""
    if isinstance(value, str):
        return f"a text of {len(value)} characters"
    return {dict: "an object", list: "a list", type(None): "None", bool: "a boolean"}.get(type(value), "a number")


def _legal(request: type[ImageRequest], name: str) -> str:
    return request.model_fields[name].description or "another value"
