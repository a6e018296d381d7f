"""The routes of jobs: `/v1/jobs`, `/v1/jobs/{id}`, `/v1/jobs/{id}/cancel` and `/v1/queue`."""

import hashlib
import json
import math
import re
import secrets
import time
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from image_gen.errors import ImageGenError
from image_gen.serving.http.api_key_auth import KEY_NAME
from image_gen.serving.images.body import json_body
from image_gen.serving.images.image_jobs import make_image_jobs
from image_gen.serving.images.openai_errors import error_response
from image_gen.serving.images.requests import MAX_SEED, BadRequest, ImageRequest, parse_request, parse_size
from image_gen.serving.jobs.job import Job
from image_gen.serving.jobs.job_openapi import CANCEL, DELETE, GET, QUEUE, create_operation
from image_gen.serving.jobs.job_runner import new_id
from image_gen.serving.jobs.jobs_api import JobKeeper, JobOutlook
from image_gen.serving.jobs.webhook_address import parse_webhook_url
from image_gen.serving.routing.documented_route import DocumentedRoute, Endpoint
from image_gen.settings import Settings

# The answer is the pictures in base64; one that can't be compressed takes this much for each pixel.
_BYTES_PER_PIXEL: Final = 4
_NOT_KEPT: Final = "No job of this id is kept: it has expired, was deleted, or never was."


class JobRoutes:
    """What HTTP sees of jobs."""

    def __init__(self, settings: Settings, jobs: JobKeeper, outlook: JobOutlook) -> None:
        self._settings, self._jobs, self._outlook = settings, jobs, outlook

    def routes(self) -> list[DocumentedRoute]:
        """Those of the module's first line."""
        create = create_operation(webhooks=self._settings.webhook_secret is not None)
        return [
            DocumentedRoute("POST", "/v1/jobs", self._guarded(self._create), create),
            DocumentedRoute("GET", "/v1/jobs/{job_id}", self._guarded(self._get), GET),
            DocumentedRoute("DELETE", "/v1/jobs/{job_id}", self._guarded(self._delete), DELETE),
            DocumentedRoute("POST", "/v1/jobs/{job_id}/cancel", self._guarded(self._cancel), CANCEL),
            DocumentedRoute("GET", "/v1/queue", self._guarded(self._state), QUEUE),
        ]

    def _guarded(self, route: Endpoint) -> Endpoint:
        async def answer(request: Request) -> Response:
            try:
                response = await route(request)
            except BadRequest as error:
                response = error_response(error.status, error.message, code=error.code, param=error.param)
            except ImageGenError as error:
                again = await self._outlook.seconds_until_retry(error)
                response = error_response(error.http_status, error.message, code=error.code.lower(), retry_after=again)
            except ClientDisconnect:
                response = Response(status_code=499)
            return response

        answer.__name__ = f"job{route.__name__}"
        return answer

    async def _create(self, http: Request) -> Response:
        body = await json_body(http)
        request, webhook = self._parsed(body)
        given = http.headers.get("idempotency-key")
        if given is not None and not re.fullmatch(r"[\x21-\x7e]{1,255}", given):
            raise BadRequest(
                "Idempotency-Key: expected 1 to 255 printable characters without spaces.", "Idempotency-Key"
            )
        pipeline = self._jobs.pipeline
        if pipeline is not None:
            first = make_image_jobs(request, pipeline, self._settings, "check")[0]
            pixels = first.width * first.height
        elif request.size in {None, "auto"}:
            pixels = self._settings.max_size**2
        else:
            width, height = parse_size(request.size or "", self._settings.max_size)
            pixels = width * height
        kept = request.model_dump_json(exclude_none=True)
        fingerprint = hashlib.sha256(f"{webhook} {kept}".encode()).hexdigest()
        if request.seed is None:  # the same picture when it is made again
            kept = request.model_copy(update={"seed": secrets.randbelow(MAX_SEED + 1)}).model_dump_json(
                exclude_none=True
            )
        reserved = len(kept) + _BYTES_PER_PIXEL * pixels * (request.n or 1)
        job = Job(new_id(), _key(http), kept, time.time(), reserved, given, fingerprint, webhook)
        job, is_new = await self._jobs.add(job)
        if not is_new and job.fingerprint != fingerprint:
            message = "Idempotency-Key: it was used for another request before."
            raise BadRequest(message, "Idempotency-Key", status=422, code="idempotency_key_reused")
        headers = {"Location": f"/v1/jobs/{job.id}"} | ({} if is_new else {"Idempotent-Replayed": "true"})
        return await self._answer(job, 202, headers)

    def _parsed(self, body: bytes) -> tuple[ImageRequest, str | None]:
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError):
            fields = None
        webhook = fields.pop("webhook_url", None) if isinstance(fields, dict) else None
        if webhook is not None:
            body = json.dumps(fields).encode()
        request = parse_request(body, self._settings.max_images)
        if webhook is not None:
            self._check_webhook(webhook)
        for name in ("stream", "partial_images", "progress"):
            if getattr(request, name):
                raise BadRequest(f"{name}: a job has no stream; GET /v1/jobs/<id> shows how far it is.", name)
        if request.response_format == "url":
            message = 'response_format: expected "b64_json": a job keeps its pictures; GET /v1/jobs/<id> has them.'
            raise BadRequest(message, "response_format")
        self._jobs.check(request)
        return request, webhook

    def _check_webhook(self, url: object) -> None:
        if self._settings.webhook_secret is None:
            why = "this service calls no addresses, as IMAGE_GEN_WEBHOOK_SECRET is not set"
            raise BadRequest(f"webhook_url: {why}.", "webhook_url")
        try:
            parse_webhook_url(url, allow_private=self._settings.webhook_private)
        except ValueError as error:
            raise BadRequest(f"webhook_url: expected {error}.", "webhook_url") from None

    async def _get(self, http: Request) -> Response:
        return await self._answer(await self._job(http))

    async def _delete(self, http: Request) -> Response:
        await self._jobs.delete(await self._job(http))
        return Response(status_code=204)

    async def _cancel(self, http: Request) -> Response:
        job = await self._jobs.cancel(await self._job(http))
        if job.status in {"succeeded", "failed"}:
            raise BadRequest(f"The job has {job.status} already.", status=409, code="job_has_ended")
        return await self._answer(job)

    async def _state(self, _http: Request) -> Response:
        return JSONResponse(await self._outlook.state())

    async def _job(self, http: Request) -> Job:
        job = await self._jobs.get(http.path_params["job_id"], _key(http))
        if job is None:
            raise BadRequest(_NOT_KEPT, status=404, code="job_not_found")
        return job

    async def _answer(self, job: Job, status: int = 200, headers: dict[str, str] | None = None) -> Response:
        head = json.dumps(await self._as_json(job)).encode()
        # The result is JSON already, and may be large.
        body = head[:-1] + b', "result": ' + (job.result or b"null") + b"}"
        about = {"Cache-Control": "no-store", **(headers or {})}
        return Response(body, status, about, media_type="application/json")

    async def _as_json(self, job: Job) -> dict[str, object]:
        times = {
            f"{name}_at": None if (at := getattr(job, name)) is None else math.floor(at)
            for name in ("created", "started", "ended", "expires")
        }
        return {
            "id": job.id, "object": "image.job", "status": job.status, **times, **await self._outlook.of(job),
            "error": None if job.error is None else json.loads(job.error),
        }  # fmt: skip


def _key(http: Request) -> str:
    return str(http.scope.get(KEY_NAME, ""))
