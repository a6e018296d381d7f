"""Errors in OpenAI's shape, of what callers send."""

import json

from image_gen.serving.http.error_json import error_json


def test_half_a_character_of_a_caller_is_escaped() -> None:
    error = error_json(400, 'model: got "\ud800".', code="invalid_value", param="\udc00")
    text = json.dumps(error, ensure_ascii=False).encode()
    assert json.loads(text)["error"] == {
        "message": 'model: got "\\ud800".',
        "type": "invalid_request_error",
        "param": "\\udc00",
        "code": "invalid_value",
    }
