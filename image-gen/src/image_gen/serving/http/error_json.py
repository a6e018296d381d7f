"""Errors in OpenAI's shape, without Starlette, which is imported after the first answers."""

from typing import Final

_TYPES: Final = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    429: "rate_limit_error",
    503: "service_unavailable_error",
    504: "timeout_error",
}


def error_json(status: int, message: str, *, code: str, param: str | None = None) -> dict[str, object]:
    """The body of an answer with that status. A lone surrogate, which UTF-8 has no bytes for, is escaped."""
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    shown = None if param is None else _encodable(param)
    return {"error": {"message": _encodable(message), "type": kind, "param": shown, "code": code}}


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
