"""`POST /v1/images/generations`: one request, from its body to images or an error in OpenAI's format.

Prompts are never logged.
"""

import math
import time
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from image_gen.errors import ImageGenError
from image_gen.serving.engines import Engines
from image_gen.serving.http.request_log import REQUEST_ID
from image_gen.serving.images.answers import answer_json
from image_gen.serving.images.body import form_body, json_body
from image_gen.serving.images.edits import Edits
from image_gen.serving.images.image_jobs import REPORTS_STEPS, make_image_jobs
from image_gen.serving.images.openai_errors import CLIENT_GONE, error_response, not_ready, with_errors
from image_gen.serving.images.openapi import complete
from image_gen.serving.images.picture_urls import PictureKeeper, addresses, most_bytes, require_urls
from image_gen.serving.images.requests import (
    BadRequest,
    EditRequest,
    ImageRequest,
    VariationRequest,
    parse_form,
    parse_request,
    shorten,
)
from image_gen.serving.images.stream import EventStream
from image_gen.serving.images.work import Work
from image_gen.serving.metrics import Metrics
from image_gen.serving.queue.forecast import queue_place
from image_gen.serving.queue.request import Listener
from image_gen.serving.queue.request_queue import RequestQueue
from image_gen.serving.readiness import Readiness
from image_gen.settings import Settings
from image_gen.worker.protocol import ImageJob, PipelineReady

_UNAVAILABLE: Final = 503
# Fields of a request that not every model takes.
_PARAMETERS: Final = ("negative_prompt", "guidance_scale")


class Generations:
    """The route, and the served model's description."""

    def __init__(
        self, settings: Settings, readiness: Readiness, worker: Engines, queue: RequestQueue, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._readiness = readiness
        self._worker = worker
        self._queue = queue
        self._work = Work(queue, metrics, settings.request_timeout)
        self._edits = Edits(self._settings)
        self._started = int(time.time())
        # Where pictures are kept for `response_format: "url"`; set by the service where they are.
        self.keeper: PictureKeeper | None = None

    async def generate(self, request: Request) -> Response:
        """`POST /v1/images/generations`."""
        return await with_errors(request, self._generate(request, request.scope[REQUEST_ID]))

    async def edit(self, request: Request) -> Response:
        """`POST /v1/images/edits`."""
        return await with_errors(request, self._change(request, request.scope[REQUEST_ID], EditRequest))

    async def vary(self, request: Request) -> Response:
        """`POST /v1/images/variations`."""
        return await with_errors(request, self._change(request, request.scope[REQUEST_ID], VariationRequest))

    @property
    def model_id(self) -> str:
        """The name of what is served."""
        return self._readiness.model_id

    def is_served(self, name: str) -> bool:
        """Whether a caller's name for a model means the served one: the id asked for, or its present id."""
        directory = self._settings.model_dir
        return name in {self._readiness.model_id, self._settings.model_id if directory is None else directory.name}

    def not_served(self, name: str) -> str:
        """The message for a caller who asks for another model."""
        return f"model: {shorten(name)} is not served here, {self._readiness.model_id} is; leave it out or name that."

    def models_json(self) -> list[dict[str, object]]:
        """The served model alone: others of the cache can't be asked for."""
        return [self.model_json()]

    def model_json(self) -> dict[str, object]:
        """The model in OpenAI's shape."""
        readiness = self._readiness
        owner = readiness.model_id.partition("/")[0] if self._settings.model_dir is None else "local"
        return {
            "id": readiness.model_id, "object": "model", "created": self._started, "owned_by": owner,
            "revision": readiness.revision, "source": readiness.source, "device": readiness.device,
            "ready": readiness.is_ready, "max_size": self._settings.max_size,
            "default_size": None if (own := self._worker.pipeline_info) is None else f"{own.width}x{own.height}",
            "size_multiple": None if own is None else own.size_multiple,
            "schedulers": [] if own is None else own.schedulers, "loras": [] if own is None else own.loras,
            "few_steps": None if own is None else own.few_steps,
            "edits": [] if own is None else own.edits,
            "parameters": [] if own is None else [name for name in _PARAMETERS if name in own.accepts],
            "progress": own is not None and REPORTS_STEPS in own.accepts,
            "previews": own is not None and own.previews,
            "max_images": self._settings.max_images,
            "demo": self._settings.is_demo and self._settings.model_dir is None,
        }  # fmt: skip

    def openapi(self, document: dict[str, Any]) -> dict[str, Any]:
        """The document with what the settings and the loaded model say; see `images.openapi`."""
        names = [self._readiness.model_id, self._settings.model_id]
        return complete(document, self._settings, self._worker.pipeline_info, list(filter(self.is_served, names)))

    async def _generate(self, http: Request, request_id: str) -> Response:
        request = parse_request(await json_body(http), self._settings.max_images)
        self.require_model(request)
        require_urls(request, self._settings)
        if (pipeline := self._ready_pipeline()) is None:
            return not_ready(self._readiness, self._worker.seconds_until_ready())
        jobs = make_image_jobs(request, pipeline, self._settings, request_id, model=self._readiness.model_id)
        return await self._made(http, request, jobs, request_id, "image_generation")

    async def _change(self, http: Request, request_id: str, kind: type[EditRequest]) -> Response:
        fields, files = await form_body(http, self._settings.cors_origins)
        request = parse_form(kind, fields, self._settings.max_images)
        self.require_model(request)
        require_urls(request, self._settings)
        if (pipeline := self._ready_pipeline()) is None:
            return not_ready(self._readiness, self._worker.seconds_until_ready())
        change = await self._edits.change_of(request, files, pipeline)
        jobs = make_image_jobs(request, pipeline, self._settings, request_id, change, model=self._readiness.model_id)
        return await self._made(http, request, jobs, request_id, "image_edit")

    def require_model(self, request: ImageRequest) -> None:
        """Raises `BadRequest` where another model is asked for than is served."""
        if request.model is not None and not self.is_served(request.model):
            raise BadRequest(self.not_served(request.model), "model", status=404, code="model_not_found")

    def _ready_pipeline(self) -> PipelineReady | None:
        return self._worker.pipeline_info if self._readiness.is_ready else None

    async def _made(
        self, http: Request, request: ImageRequest, jobs: list[ImageJob], request_id: str, kind: str
    ) -> Response:
        if request.stream:
            stream = EventStream(request, kind, lambda: queue_place(self._queue, jobs[0].id))
            return await stream.answer(self._work.do(http, jobs, request_id, stream), self._refused)
        keeper = self.keeper if request.response_format == "url" else None
        try:
            if keeper is not None:  # before the work, which would be lost
                await keeper.require_room(most_bytes(jobs))
            outcome = await self._work.do(http, jobs, request_id, Listener())
            if isinstance(outcome, ImageGenError):
                return self._refused(outcome)
            names = [] if keeper is None else await keeper.keep(outcome, jobs[0].output_format)
        except ImageGenError as error:
            return self._refused(error)
        urls = addresses(http, names)
        return JSONResponse(answer_json(request, jobs, outcome, self._readiness.model_id, urls))

    def _refused(self, error: ImageGenError) -> Response:
        """With the seconds after which another attempt should succeed, where one can."""
        if error.code == "CLIENT_GONE":
            return Response(status_code=CLIENT_GONE)
        again: int | None = None
        if error.code == "QUEUE_FULL":
            again = self._queue.seconds_until_place()
        elif error.http_status == _UNAVAILABLE:
            restart = self._worker.seconds_until_ready()
            again = max(1, math.ceil(self._queue.seconds_per_request if restart is None else restart))
        return error_response(error.http_status, error.message, code=error.code.lower(), retry_after=again)
