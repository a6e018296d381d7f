"""What schemathesis sends as an image: a small one, which is its own mask."""

import io
import re
import secrets
from typing import Any

import schemathesis
from hypothesis import strategies
from PIL import Image


def _image() -> bytes:
    image = Image.new("RGBA", (64, 64), "green")
    image.paste((0, 0, 0, 0), (0, 0, 32, 64))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


for kind in ("image/png", "image/jpeg", "image/webp"):
    schemathesis.openapi.media_type(kind, strategies.just(_image()))


# Fields of forms that are not texts.
_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("stream", "progress", "metadata"), (bool,)),
    **dict.fromkeys(("n", "steps", "seed", "output_compression", "partial_images"), (int, float)),
    **dict.fromkeys(("guidance_scale", "strength"), (int, float)),
}


@schemathesis.hook
def filter_body(context: Any, body: Any) -> bool:
    """A form sends every value as a text, an empty one where it is null, and no field for an empty list: values of
    wrong types arrive as right ones. Only texts, and values of the right type, are sent in forms; JSON gets all.
    """
    is_form = context.operation.path in {"/v1/images/edits", "/v1/images/variations"}
    if not is_form or not isinstance(body, dict):
        return True
    return all(isinstance(value, (str, bytes, *_TYPES.get(name, ()))) for name, value in body.items())


_IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}")


@schemathesis.hook
def before_call(context: Any, case: Any, _options: Any) -> None:
    """Two requests with one idempotency key are an error by design: each valid key is made the request's own."""
    name = next((each for each in case.headers or {} if each.lower() == "idempotency-key"), None)
    if name is not None and case.method.upper() == "POST" and _IDEMPOTENCY_KEY.fullmatch(str(case.headers[name])):
        case.headers[name] = secrets.token_hex(16)
