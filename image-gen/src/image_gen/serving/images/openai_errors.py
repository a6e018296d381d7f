"""Errors in OpenAI's shape: `{"error": {"message", "type", "param", "code"}}`."""

import math
from collections.abc import Mapping

from starlette.responses import JSONResponse

from image_gen.serving.http.error_json import error_json
from image_gen.serving.readiness import Readiness


def error_response(
    status: int,
    message: str,
    *,
    code: str,
    param: str | None = None,
    retry_after: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """`retry_after` is in seconds."""
    all_headers = dict(headers or {}) | ({} if retry_after is None else {"Retry-After": str(retry_after)})
    return JSONResponse(error_json(status, message, code=code, param=param), status_code=status, headers=all_headers)


def not_ready(readiness: Readiness, seconds: float | None = None) -> JSONResponse:
    """Why no picture can be made now. `seconds`: until the engine should be ready again, where that is known."""
    progress = readiness.progress
    if readiness.error is not None:
        message = f"The model is not ready (phase {readiness.phase}): {readiness.error.message}"
    elif readiness.phase == "fetching" and progress.bytes_total:
        done = f"{progress.bytes_done / progress.bytes_total:.0%}"
        message = f"The model is not ready (phase fetching, {done} done): see /readyz."
    else:
        message = f"The model is not ready (phase {readiness.phase}): see /readyz."
    if readiness.phase == "fetching" and progress.eta_seconds is not None:
        wait = max(5, min(round(progress.eta_seconds), 600))
    else:
        wait = 5 if seconds is None else max(1, min(math.ceil(seconds), 600))
    return error_response(503, message, code="not_ready", retry_after=wait)
