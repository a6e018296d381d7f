"""Errors in OpenAI's shape: `{"error": {"message", "type", "param", "code"}}`."""

from typing import Final

from fastapi.responses import JSONResponse

from image_gen.serving.readiness import Readiness

_TYPES: Final = {
    408: "timeout_error",
    404: "not_found_error",
    429: "rate_limit_error",
    503: "service_unavailable_error",
    504: "timeout_error",
}


def error_response(
    status: int, message: str, *, code: str, param: str | None = None, retry_after: int | None = None
) -> JSONResponse:
    """`retry_after` is in seconds."""
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
    return JSONResponse(body, status_code=status, headers=headers)


def not_ready(readiness: Readiness) -> JSONResponse:
    """Why no picture can be made now."""
    progress = readiness.progress
    if readiness.error is not None:
        message = f"The model is not ready (phase {readiness.phase}): {readiness.error.message}"
    elif readiness.phase == "fetching" and progress.bytes_total:
        done = f"{progress.bytes_done / progress.bytes_total:.0%}"
        message = f"The model is not ready (phase fetching, {done} done): see /readyz."
    else:
        message = f"The model is not ready (phase {readiness.phase}): see /readyz."
    wait = 5 if progress.eta_seconds is None else max(5, min(round(progress.eta_seconds), 600))
    return error_response(503, message, code="not_ready", retry_after=wait)
