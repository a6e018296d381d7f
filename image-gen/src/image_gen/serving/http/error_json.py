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
    """The body of an answer with that status."""
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
