"""The body of `POST /v1/images/generations`: OpenAI's fields, and ours.

`BadRequest` names the parameter and its valid range. What depends on the loaded model is checked in `image_jobs`.
"""

import re
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from image_gen.worker.protocol import MIN_SIDE, STEP

MAX_SEED: Final = 2**32 - 1


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


class ImageRequest(BaseModel):
    """Descriptions are part of error messages: they state the valid values."""

    model_config = ConfigDict(extra="forbid", strict=True)

    prompt: Annotated[str, Field(min_length=1, max_length=4000, description="a text of 1 to 4000 characters")]
    model: Annotated[str | None, Field(description="the id of the served model, or nothing")] = None
    n: Annotated[int, Field(ge=1, le=4, description="a whole number from 1 to 4")] = 1
    size: Annotated[
        str | None, Field(description='"WIDTHxHEIGHT" in pixels, multiples of 8, such as "1024x1024", or "auto"')
    ] = None
    response_format: Annotated[
        Literal["b64_json"], Field(description='"b64_json": pictures are in the answer, no address of them is kept')
    ] = "b64_json"
    output_format: Annotated[Literal["png", "jpeg", "webp"], Field(description='"png", "jpeg" or "webp"')] = "png"
    seed: Annotated[int | None, Field(ge=0, le=MAX_SEED, description=f"a whole number from 0 to {MAX_SEED}")] = None
    steps: Annotated[int, Field(ge=1, le=150, description="a whole number from 1 to 150")] = 30
    guidance_scale: Annotated[float | None, Field(ge=0, le=50, description="a number from 0 to 50")] = None
    negative_prompt: Annotated[str | None, Field(max_length=4000, description="a text of up to 4000 characters")] = None
    user: Annotated[str | None, Field(max_length=512, description="a text of up to 512 characters")] = None
    # OpenAI's own fields that mean nothing to a diffusion pipeline: accepted, so that its clients work, and not used.
    quality: Annotated[str | None, Field(description="a text")] = None
    style: Annotated[str | None, Field(description="a text")] = None
    background: Annotated[str | None, Field(description="a text")] = None
    moderation: Annotated[str | None, Field(description="a text")] = None


def parse_request(body: bytes) -> ImageRequest:
    """Raises `BadRequest` for the first thing that is wrong."""
    try:
        return ImageRequest.model_validate_json(body)
    except ValidationError as error:
        raise _to_bad_request(error.errors(include_url=False)[0]) from None


def parse_size(size: str, max_side: int) -> tuple[int, int]:
    """Width and height in pixels. Raises `BadRequest`."""
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", size)
    sides = (int(match[1]), int(match[2])) if match else (0, 0)
    if any(side % STEP or not MIN_SIDE <= side <= max_side for side in sides):
        raise BadRequest(
            f'size: expected "WIDTHxHEIGHT" in pixels, both multiples of {STEP} from {MIN_SIDE} to {max_side}, '
            f"got {shorten(size)}.",
            "size",
        )
    return sides


def shorten(value: Any) -> str:
    """A caller's value, short enough for an error message."""
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _to_bad_request(error: Any) -> BadRequest:
    kind, place, value = error["type"], error["loc"], error["input"]
    if kind == "json_invalid" or not place:
        return BadRequest("The body is not a JSON object; send one with at least a prompt.", code="invalid_json")
    name = str(place[0])
    if kind == "missing":
        return BadRequest(f"{name}: required, expected {_legal(name)}.", name, code="missing_required_parameter")
    if kind == "extra_forbidden":
        known = ", ".join(ImageRequest.model_fields)
        return BadRequest(
            f"{shorten(name)} is not a parameter; these are: {known}.", name[:60], code="unknown_parameter"
        )
    got = _described(value) if "prompt" in name else shorten(value)
    return BadRequest(f"{name}: expected {_legal(name)}, got {got}.", name)


def _described(value: Any) -> str:
    """A prompt, or what was sent in its place, without quoting it: clients log the messages of errors."""
    if isinstance(value, str):
        return f"a text of {len(value)} characters"
    return {dict: "an object", list: "a list", type(None): "None", bool: "a boolean"}.get(type(value), "a number")


def _legal(name: str) -> str:
    return ImageRequest.model_fields[name].description or "another value"
