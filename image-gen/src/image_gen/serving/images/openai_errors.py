"""Errors in OpenAI's shape: `{"error": {"message", "type", "param", "code"}}`."""

import logging
import math
from collections.abc import Awaitable, Mapping
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from image_gen.serving.http.error_json import error_json
from image_gen.serving.http.request_log import REQUEST_ID
from image_gen.serving.images.requests import BadRequest
from image_gen.serving.readiness import Readiness

log = logging.getLogger(__name__)
# nginx's, for the log: nobody gets it.
CLIENT_GONE: Final = 499


async def with_errors(request: Request, work: Awaitable[Response]) -> Response:
    """What `work` answers, also to a request that is wrong, and to a client that has disconnected."""
    try:
        response = await work
    except BadRequest as error:
        response = error_response(error.status, error.message, code=error.code, param=error.param)
    except ClientDisconnect:
        log.info("Request %s: CLIENT_GONE before its body had arrived", request.scope[REQUEST_ID])
        response = Response(status_code=CLIENT_GONE)
    return response


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
