"""From a job to its pictures, by the service's own queue and engines, as a request over HTTP has them.

Comes in: a job with its uploads. Goes out: pictures and OpenAI's answer without them. Raises `BadRequest` and the
service's errors. Must not: know where jobs come from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from image_gen.errors import RequestTimeoutError
from image_gen.fleet.fleet_job import FleetJob
from image_gen.serving.images.answers import answer_json
from image_gen.serving.images.edits import Edits
from image_gen.serving.images.generations import Generations
from image_gen.serving.images.image_jobs import make_image_jobs
from image_gen.serving.images.requests import (
    BadRequest,
    EditRequest,
    ImageRequest,
    VariationRequest,
    parse_fields,
)
from image_gen.serving.jobs.webhook_address import parse_webhook_url
from image_gen.serving.metrics import Metrics
from image_gen.serving.queue.job_limit import run_job
from image_gen.serving.queue.request import Listener
from image_gen.serving.queue.request_queue import RequestQueue
from image_gen.serving.worker_supervisor import GeneratedImage
from image_gen.settings import Settings
from image_gen.worker.protocol import PipelineReady

_KINDS: Final[Mapping[str, type[ImageRequest]]] = {
    "generation": ImageRequest,
    "edit": EditRequest,
    "variation": VariationRequest,
}


@dataclass(frozen=True)
class MadeJob:
    """`answer` has in `data` one object a picture, in the same order, without the picture."""

    pictures: list[GeneratedImage]
    answer: dict[str, Any]
    output_format: str


class JobMaker:
    """Makes one job at a time and engine."""

    def __init__(self, settings: Settings, generations: Generations, queue: RequestQueue, metrics: Metrics) -> None:
        self._settings, self._generations, self._queue, self._metrics = settings, generations, queue, metrics
        self._edits = Edits(settings)

    async def make(self, job: FleetJob, uploads: Mapping[str, bytes], pipeline: PipelineReady) -> MadeJob:
        """Its pictures. A job that is cancelled is not made any more."""
        count = 1
        try:
            _check_webhook(job.webhook_url)
            request = parse_fields(_KINDS[job.kind], job.fields, self._settings.max_images)
            for name in ("stream", "partial_images", "progress"):
                if getattr(request, name):
                    raise BadRequest(f"{name}: a job has no stream.", name)
            self._generations.require_model(request)
            change = None
            if isinstance(request, EditRequest):
                change = await self._edits.change_of(request, list(uploads.items()), pipeline)
            model = self._generations.model_id
            images = make_image_jobs(request, pipeline, self._settings, job.id, change, model=model)
            count = len(images)
            seconds = self._settings.request_timeout
            pictures = await run_job(self._queue, images, Listener(), key=job.key, seconds=seconds)
        except BadRequest:
            raise
        except Exception as error:
            self._metrics.not_made("timeout" if isinstance(error, RequestTimeoutError) else "failed", count)
            raise
        self._metrics.made(pictures, images[0].steps_made)
        answer = answer_json(request, images, pictures, model)
        for each in answer["data"]:
            del each["b64_json"]
        return MadeJob(pictures, answer, images[0].output_format)


def _check_webhook(url: str | None) -> None:
    """What no gateway has checked. Whether the address may be called is checked when it is."""
    if url is not None:
        try:
            parse_webhook_url(url, allow_private=True)
        except ValueError as error:
            raise BadRequest(f"webhook_url: expected {error}.", "webhook_url") from None
