"""`POST /v1/images/generations`, `edits` and `variations` of a fleet: a job, and the wait for its result.

Comes in: requests. Goes out: pictures that a worker made. Must not: leave a job behind whose client is gone, or wait
where no worker lives.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from image_gen.errors import ImageGenError, JobNotMadeError, NoWorkerError, QueueFullError, StoppingError
from image_gen.fleet.fleet_job import FleetJob, FleetResult, Kind, folder_of, new_job_id
from image_gen.fleet.gateway.availability import NOTHING_ACCEPTED, Availability
from image_gen.fleet.gateway.fleet_jobs import FleetJobs
from image_gen.fleet.gateway.fleet_models import FleetModels
from image_gen.fleet.gateway.fleet_outlook import FleetOutlook, waiting_place
from image_gen.fleet.gateway.fleet_pictures import FleetPictures
from image_gen.fleet.gateway.fleet_state import FleetState
from image_gen.fleet.gateway.gateway_metrics import GatewayMetrics
from image_gen.fleet.gateway.job_results import require_success
from image_gen.fleet.gateway.scale_from_zero import ScaleFromZero
from image_gen.serving.http.api_key_auth import KEY_NAME
from image_gen.serving.http.error_json import error_json
from image_gen.serving.http.request_log import REQUEST_ID
from image_gen.serving.images.answers import completed_events
from image_gen.serving.images.body import form_body, json_body
from image_gen.serving.images.edits import Edits, uploads_of
from image_gen.serving.images.image_jobs import NO_URLS_IN_STREAMS, Change, make_image_jobs
from image_gen.serving.images.openai_errors import CLIENT_GONE, error_response, with_errors
from image_gen.serving.images.openapi import complete
from image_gen.serving.images.picture_urls import addresses, require_urls
from image_gen.serving.images.requests import (
    BadRequest,
    EditRequest,
    ImageRequest,
    VariationRequest,
    parse_form,
    parse_request,
)
from image_gen.serving.images.stream import EventStream
from image_gen.serving.images.waiting import while_client_waits
from image_gen.settings import Settings
from image_gen.worker.protocol import PipelineReady

log = logging.getLogger(__name__)
# What a worker must not do: the pictures come when all of them are done, and how they are sent is no matter of its own.
_OF_THE_ANSWER: Final = frozenset({"stream", "progress", "partial_images", "response_format"})
_NO_PREVIEWS: Final = "not used: behind a gateway a picture comes when it is done."


class FleetImages:
    """What `images_api.ImagesApi` says."""

    def __init__(
        self, settings: Settings, state: FleetState, models: FleetModels, jobs: FleetJobs, *, outlook: FleetOutlook,
        scaling: ScaleFromZero, availability: Availability, metrics: GatewayMetrics, pictures: FleetPictures,
    ) -> None:  # fmt: skip
        self._settings, self._state, self._models, self._jobs = settings, state, models, jobs
        self._outlook, self._scaling, self._availability, self._metrics = outlook, scaling, availability, metrics
        self._pictures = pictures
        self._edits = Edits(settings)
        self._waiting: set[str] = set()
        self._stops_at: float | None = None

    async def generate(self, request: Request) -> Response:
        """`POST /v1/images/generations`."""
        return await with_errors(request, self._generate(request))

    async def edit(self, request: Request) -> Response:
        """`POST /v1/images/edits`."""
        return await with_errors(request, self._change(request, EditRequest, "edit"))

    async def vary(self, request: Request) -> Response:
        """`POST /v1/images/variations`."""
        return await with_errors(request, self._change(request, VariationRequest, "variation"))

    def models_json(self) -> list[dict[str, object]]:
        """Those of the workers."""
        return self._models.as_json()

    def is_served(self, name: str) -> bool:
        """Whether a worker serves it."""
        return self._models.is_served(name)

    def not_served(self, name: str) -> str:
        """The message for a caller who asks for another model."""
        return self._models.not_served(name)

    def openapi(self, document: dict[str, Any]) -> dict[str, Any]:
        """The document with what the last worker said of its model."""
        return complete(document, self._settings, self._state.pipeline, self._models.names)

    async def close(self, seconds: float) -> None:
        """Requests that wait have so long; then they are answered with 503, and their jobs are cancelled."""
        self._stops_at = time.monotonic() + seconds
        while self._waiting and time.monotonic() < self._stops_at + 2:
            await asyncio.sleep(0.05)

    async def _generate(self, http: Request) -> Response:
        request = parse_request(await json_body(http), self._settings.max_images)
        self._check(request)
        try:
            if (pipeline := await self._pipeline(request)) is not None:
                make_image_jobs(request, pipeline, self._settings, "check")
            return await self._made(http, request, "generation", {})
        except ImageGenError as error:
            return self._refused(error)

    async def _change(self, http: Request, form: type[EditRequest], kind: Kind) -> Response:
        fields, files = await form_body(http, self._settings.cors_origins)
        request = parse_form(form, fields, self._settings.max_images)
        self._check(request)
        try:
            if (pipeline := await self._pipeline(request)) is not None:
                change: Change = await self._edits.change_without_pixels(request, files, pipeline)
                make_image_jobs(request, pipeline, self._settings, "check", change)
            return await self._made(http, request, kind, uploads_of(request, files))
        except ImageGenError as error:
            return self._refused(error)

    def _check(self, request: ImageRequest) -> None:
        self._models.require(request)
        require_urls(request, self._settings)

    async def _pipeline(self, request: ImageRequest) -> PipelineReady | None:
        """What the workers load; None where none of them has loaded it yet: then the worker checks the request. Raises
        `ImageGenError` where the request would wait in vain.
        """
        if self._stops_at is not None:
            raise StoppingError("The gateway is stopping: try again.")
        state = self._state
        async with self._availability.required(NOTHING_ACCEPTED):
            await state.refresh_old()
        if not state.usable:
            self._scaling.wake()
            started = "; one is being started" if self._scaling.group else ""
            raise NoWorkerError(
                f"No worker is running{started}. Fix: send the request to POST /v1/jobs, which keeps it until a worker "
                "runs, or try again later."
            )
        forecast = state.seconds_until_done(state.waiting, request.n or 1)
        if forecast is not None and forecast > self._settings.request_timeout:
            raise QueueFullError(
                f"About {state.waiting} jobs wait, longer than the {self._settings.request_timeout:.0f} s of "
                "IMAGE_GEN_REQUEST_TIMEOUT. Fix: send the request to POST /v1/jobs, or try again later."
            )
        return state.pipeline

    async def _made(self, http: Request, request: ImageRequest, kind: Kind, uploads: Mapping[str, bytes]) -> Response:
        job_id = new_job_id()
        fields = json.loads(request.model_dump_json(exclude_none=True, exclude=set(_OF_THE_ANSWER)))
        files = {name: f"{folder_of(job_id)}{name}" for name in uploads}
        job = FleetJob(job_id, str(http.scope.get(KEY_NAME, "")), fields, time.time(), kind, files)
        events = "image_generation" if kind == "generation" else "image_edit"
        if not request.stream:
            outcome = await self._answer(http, request, job, uploads)
            return self._refused(outcome) if isinstance(outcome, ImageGenError) else JSONResponse(outcome)
        before = self._state.waiting
        stream = EventStream(request, events, lambda: waiting_place(self._outlook, self._state, before, request.n or 1))
        return await stream.answer(self._streamed(http, request, job, uploads, stream, events=events), self._refused)

    async def _streamed(
        self, http: Request, request: ImageRequest, job: FleetJob, uploads: Mapping[str, bytes], stream: EventStream,
        *, events: str,
    ) -> ImageGenError | None:  # fmt: skip
        """OpenAI's own API sends a stream without previews as one event for each picture, and so does this."""
        is_placed = False

        def on_place() -> None:
            nonlocal is_placed
            is_placed = True
            stream.on_place()

        try:
            outcome = await self._answer(http, request, job, uploads, on_place)
        except BadRequest as error:
            if not is_placed:
                raise
            body = error_json(error.status, error.message, code=error.code, param=error.param)
            stream.put({"type": "error", **body})
            return None
        if isinstance(outcome, ImageGenError):
            return outcome
        for event in completed_events(outcome, events):
            stream.put(event)
        return None

    async def _answer(
        self, http: Request, request: ImageRequest, job: FleetJob, uploads: Mapping[str, bytes],
        on_place: Callable[[], None] = lambda: None,
    ) -> dict[str, Any] | ImageGenError:  # fmt: skip
        """OpenAI's answer, or an error. A client that disconnects cancels the job, and so does the end of the time."""
        began = time.monotonic()

        async def work() -> dict[str, Any]:
            await self._jobs.submit(job, uploads)
            has_result = False
            try:
                on_place()
                async with self._availability.required():
                    result = await self._jobs.results.wait_for(job.id, self._check_stopping)
                has_result = True
                require_success(result)
                async with self._availability.required():
                    answer = await self._answer_of(http, request, result)
            finally:
                self._jobs.forget_later(job.id, has_result=has_result)
            if answer is None:
                raise JobNotMadeError("The pictures were deleted before they could be sent.")
            return self._noted(request, answer)

        self._waiting.add(job.id)
        outcome: dict[str, Any] | ImageGenError | None = None
        try:
            outcome = await while_client_waits(
                http, work(), self._settings.request_timeout, "POST /v1/jobs accepts requests that may take longer."
            )
        finally:
            self._waiting.discard(job.id)
            self._report(http.scope[REQUEST_ID], job.id, outcome, request.n or 1, time.monotonic() - began)
        return outcome

    async def _answer_of(self, http: Request, request: ImageRequest, result: FleetResult) -> dict[str, Any] | None:
        """None where the pictures have been deleted."""
        if request.stream or request.response_format != "url":
            return await self._jobs.results.answer(result)

        async def keep(objects: Sequence[str]) -> list[str]:
            return addresses(http, await self._pictures.keep(objects))

        return await self._jobs.results.answer_with_urls(result, keep)

    def _check_stopping(self) -> None:
        if self._stops_at is not None and time.monotonic() > self._stops_at:
            raise StoppingError("The gateway is stopping: try again.")

    def _noted(self, request: ImageRequest, answer: dict[str, Any]) -> dict[str, Any]:
        """With a note on what a stream of one host has, and this one has not."""
        notes = dict(answer.get("notes") or {})
        notes |= {name: _NO_PREVIEWS for name in ("partial_images", "progress") if getattr(request, name)}
        if request.stream and request.response_format == "url":
            notes["response_format"] = NO_URLS_IN_STREAMS
        return {**answer, "notes": notes} if notes else answer

    def _report(
        self, request_id: str, job_id: str, outcome: dict[str, Any] | ImageGenError | None, count: int, seconds: float
    ) -> None:
        self._metrics.ended(outcome, count)
        code = "ok" if isinstance(outcome, dict) else outcome.code if outcome is not None else "failed"
        log.info("Request %s: job %s, %s after %.1f s", request_id, job_id, code, seconds)

    def _refused(self, error: ImageGenError) -> Response:
        if error.code == "CLIENT_GONE":
            return Response(status_code=CLIENT_GONE)
        again = self._outlook.retry_after(error)
        return error_response(error.http_status, error.message, code=error.code.lower(), retry_after=again)
