"""`POST /v1/images/generations`: one request, from its body to images or an error in OpenAI's format.

Prompts are never logged.
"""

import asyncio
import base64
import logging
import math
import re
import secrets
import time
from typing import Any, Final

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from image_gen.errors import ClientGoneError, ImageGenError, RequestTimeoutError
from image_gen.serving.images.jobs import make_jobs, notes_on, quality_of
from image_gen.serving.images.openai_errors import error_response, not_ready
from image_gen.serving.images.requests import BadRequest, ImageRequest, parse_request, shorten
from image_gen.serving.metrics import Metrics
from image_gen.serving.queue.request_queue import RequestQueue
from image_gen.serving.readiness import Readiness
from image_gen.serving.worker_supervisor import GeneratedImage, WorkerSupervisor
from image_gen.settings import Settings
from image_gen.worker.protocol import ImageJob

log = logging.getLogger(__name__)
MAX_BODY: Final = 64 * 1024
_CLIENT_GONE: Final = 499
_INTERNAL: Final = 500
_UNAVAILABLE: Final = 503
# For 64 KiB; a client that sends nothing for so long is gone or means no good.
_BODY_SECONDS: Final = 60.0
_OUTCOMES: Final = {"QUEUE_FULL": "refused", "STOPPING": "refused", "CLIENT_GONE": "cancelled", "TIMEOUT": "timeout"}


class Generations:
    """The route, and the served model's description."""

    def __init__(
        self, settings: Settings, readiness: Readiness, worker: WorkerSupervisor, queue: RequestQueue, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._readiness = readiness
        self._worker = worker
        self._queue = queue
        self._metrics = metrics
        self._started = int(time.time())

    async def answer(self, request: Request) -> Response:
        """The whole of the route."""
        given = request.headers.get("x-request-id", "")
        request_id = given if re.fullmatch(r"[A-Za-z0-9._-]{1,64}", given) else secrets.token_hex(6)
        try:
            response = await self._answer(request, request_id)
        except BadRequest as error:
            response = error_response(error.status, error.message, code=error.code, param=error.param)
        except ClientDisconnect:
            log.info("Request %s: CLIENT_GONE before its body had arrived", request_id)
            response = Response(status_code=_CLIENT_GONE)
        response.headers["X-Request-ID"] = request_id
        return response

    def is_served(self, name: str) -> bool:
        """Whether a caller's name for a model means the served one: the id asked for, or its present id."""
        directory = self._settings.model_dir
        return name in {self._readiness.model_id, self._settings.model_id if directory is None else directory.name}

    def not_served(self, name: str) -> str:
        """The message for a caller who asks for another model."""
        return f"model: {shorten(name)} is not served here, {self._readiness.model_id} is; leave it out or name that."

    def model_json(self) -> dict[str, object]:
        """The model in OpenAI's shape."""
        readiness = self._readiness
        owner = readiness.model_id.partition("/")[0] if self._settings.model_dir is None else "local"
        return {
            "id": readiness.model_id, "object": "model", "created": self._started, "owned_by": owner,
            "revision": readiness.revision, "source": readiness.source, "device": readiness.device,
            "ready": readiness.is_ready, "max_size": self._settings.max_size,
            "default_size": None if (own := self._worker.pipeline_info) is None else f"{own.width}x{own.height}",
        }  # fmt: skip

    def openapi(self) -> dict[str, Any]:
        """The body's schema for `/openapi.json`; it is parsed here and not by the framework, for the sake of the
        errors.
        """
        schema = ImageRequest.model_json_schema()
        return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}

    async def _answer(self, http: Request, request_id: str) -> Response:
        request = parse_request(await _body(http), self._settings.max_images)
        if request.model is not None and not self.is_served(request.model):
            raise BadRequest(self.not_served(request.model), "model", status=404, code="model_not_found")
        pipeline_info = self._worker.pipeline_info
        if not self._readiness.is_ready or pipeline_info is None:
            return not_ready(self._readiness, self._worker.seconds_until_ready())
        orders = make_jobs(request, pipeline_info, self._settings, request_id)
        arrived = time.monotonic()
        outcome = await self._made(http, orders, arrived)
        if isinstance(outcome, ImageGenError):
            self._metrics.not_made(_OUTCOMES.get(outcome.code, "failed"), len(orders))
            reason = f": {outcome.message}" if outcome.http_status == _INTERNAL else ""
            log.info("Request %s: %s after %.1f s%s", request_id, outcome.code, time.monotonic() - arrived, reason)
            if outcome.code == "CLIENT_GONE":
                return Response(status_code=_CLIENT_GONE)
            return self._error(outcome)
        self._metrics.made(outcome)
        first = orders[0]
        log.info(
            "Request %s: %d of %dx%d, %d steps, seed %d, %.1f s, %.2f steps/s", request_id, len(orders), first.width,
            first.height, first.steps, first.seed, time.monotonic() - arrived, outcome[0].steps_per_second,
        )  # fmt: skip
        truncated = outcome[0].truncated_tokens
        for name, count in truncated.items():
            log.info(
                "Request %s: %s is too long for the model's text encoder: %d tokens not read", request_id, name, count
            )
        return JSONResponse(
            self._as_json(request, orders, outcome) | ({"truncated_tokens": truncated} if truncated else {})
        )

    def _error(self, error: ImageGenError) -> JSONResponse:
        """With the seconds after which another attempt should succeed, where one can."""
        again: int | None = None
        if error.code == "QUEUE_FULL":
            again = self._queue.seconds_until_place()
        elif error.http_status == _UNAVAILABLE:
            restart = self._worker.seconds_until_ready()
            again = max(1, math.ceil(self._queue.seconds_per_request if restart is None else restart))
        return error_response(error.http_status, error.message, code=error.code.lower(), retry_after=again)

    async def _made(
        self, http: Request, orders: list[ImageJob], arrived: float
    ) -> list[GeneratedImage] | ImageGenError:
        """The images, or an error. A client that disconnects cancels the job."""
        work = asyncio.create_task(
            self._queue.run(orders, lambda: self._metrics.waited(time.monotonic() - arrived), _attempt(http))
        )
        gone = asyncio.create_task(_disconnected(http))
        try:
            await asyncio.wait(
                {work, gone}, timeout=self._settings.request_timeout, return_when=asyncio.FIRST_COMPLETED
            )
            if work.done():
                return work.result()
            if gone.done():
                return ClientGoneError("The client did not wait.")
            seconds = f"{self._settings.request_timeout:.0f} s"
            return RequestTimeoutError(
                f"The picture was not done within {seconds}: ask for fewer steps, a smaller size or a smaller n."
            )
        except ImageGenError as error:
            return error
        finally:
            gone.cancel()
            work.cancel()

    def _as_json(
        self, request: ImageRequest, orders: list[ImageJob], pictures: list[GeneratedImage]
    ) -> dict[str, object]:
        steps, notes = orders[0].steps, notes_on(request)
        facts: dict[str, object] = {
            "created": int(time.time()),
            "data": [
                {"b64_json": base64.b64encode(picture.data).decode("ascii"), "seed": order.seed}
                for order, picture in zip(orders, pictures, strict=True)
            ],
            "model": self._readiness.model_id,
            "size": f"{orders[0].width}x{orders[0].height}",
            "background": "opaque",
            "output_format": orders[0].output_format,
            "quality": quality_of(request),
            "steps": steps,
            "seconds": round(sum(picture.seconds for picture in pictures), 3),
            "safety_identifier": request.safety_identifier or request.user,
            "notes": notes,
        }
        always = {"created", "data", "model", "size", "background", "output_format", "steps", "seconds"}
        return {name: value for name, value in facts.items() if value or name in always}


def _attempt(http: Request) -> int | None:
    """How often the client has tried before, as OpenAI's clients say in a header."""
    said = http.headers.get("x-stainless-retry-count", "")
    return int(said) if re.fullmatch(r"[0-9]{1,4}", said) else None


async def _body(http: Request) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for part in http.stream():
                body += part
                if len(body) > MAX_BODY:
                    raise BadRequest(f"The body is larger than {MAX_BODY} bytes.", status=413, code="body_too_large")
    except TimeoutError:
        message = f"The body did not arrive within {_BODY_SECONDS:.0f} s."
        raise BadRequest(message, status=408, code="request_timeout") from None
    kind = http.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        # Asking for it also keeps other sites' pages from making pictures here: a browser asks before it sends this
        # type.
        raise BadRequest("Send the body as application/json.", status=415, code="unsupported_media_type")
    return bytes(body)


async def _disconnected(http: Request) -> None:
    while not await http.is_disconnected():
        await asyncio.sleep(0.2)
