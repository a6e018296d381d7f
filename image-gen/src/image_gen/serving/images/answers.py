"""What a client gets of pictures: one JSON object, or events, in OpenAI's shapes and with more facts."""

import base64
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from image_gen.serving.images.image_jobs import notes_on, quality_of
from image_gen.serving.images.requests import ImageRequest
from image_gen.serving.worker_supervisor import GeneratedImage
from image_gen.worker.protocol import ImageJob

# There are no tokens to count.
_NO_USAGE: Final = {
    "input_tokens": 0, "output_tokens": 0, "total_tokens": 0,
    "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
}  # fmt: skip
# Of an answer, what is not a fact of each of its pictures.
_OF_THE_ANSWER: Final = frozenset({"created", "data", "model", "seconds"})


def answer_json(
    request: ImageRequest,
    jobs: Sequence[ImageJob],
    pictures: Sequence[GeneratedImage],
    model: str,
    urls: Sequence[str] = (),
) -> dict[str, Any]:
    """The answer without a stream. `urls`: addresses of the pictures, in their place."""
    shown = [{"url": url} for url in urls] or [{"b64_json": _base64(picture.data)} for picture in pictures]
    data = [{**each, "seed": job.seed} for job, each in zip(jobs, shown, strict=True)]
    facts = {"created": int(time.time()), "data": data, "model": model}
    return facts | _facts(request, jobs[0]) | _measured(pictures)


def partial_event(request: ImageRequest, job: ImageJob, index: int, preview: bytes, kind: str) -> dict[str, Any]:
    """One picture as it is so far; `index` counts the previews of a picture from 0."""
    return {
        "type": f"{kind}.partial_image",
        "b64_json": _base64(preview),
        "created_at": int(time.time()),
        "partial_image_index": index,
        **_event_facts(request, job),
    }


def completed_event(request: ImageRequest, job: ImageJob, picture: GeneratedImage, kind: str) -> dict[str, Any]:
    """One picture that is done."""
    return {
        **_completed(kind, _base64(picture.data), int(time.time())),
        **_event_facts(request, job),
        **_measured([picture]),
    }


def completed_events(answer: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    """The same of all pictures of an answer without a stream, whose seconds are shared by them."""
    pictures = answer["data"]
    facts = {"quality": "auto", **{name: answer[name] for name in answer if name not in _OF_THE_ANSWER}}
    seconds = {"seconds": round(answer.get("seconds", 0.0) / max(1, len(pictures)), 3)}
    return [
        {**_completed(kind, each["b64_json"], answer["created"]), **facts, "seed": each["seed"], **seconds}
        for each in pictures
    ]


def _completed(kind: str, picture: str, created: int) -> dict[str, Any]:
    return {"type": f"{kind}.completed", "b64_json": picture, "created_at": created, "usage": _NO_USAGE}


def progress_event(job: ImageJob, step: int, kind: str) -> dict[str, Any]:
    """For clients that ask for it: OpenAI has none like it."""
    return {"type": f"{kind}.progress", "step": step, "steps": job.steps_made, "seed": job.seed}


def queued_event(place: dict[str, object], kind: str) -> dict[str, Any]:
    """Of a request that waits, for clients that ask for its progress."""
    return {"type": f"{kind}.queued", **place}


def _facts(request: ImageRequest, job: ImageJob) -> dict[str, Any]:
    always = {
        "size": f"{job.width}x{job.height}", "background": "opaque", "output_format": job.output_format,
        "steps": job.steps,
    }  # fmt: skip
    where_there_is_one = {
        "quality": quality_of(request),
        "safety_identifier": request.safety_identifier or request.user,
        "notes": notes_on(request, job),
    }
    return always | {name: value for name, value in where_there_is_one.items() if value}


def _event_facts(request: ImageRequest, job: ImageJob) -> dict[str, Any]:
    """The client's types require a quality."""
    return {"quality": "auto", **_facts(request, job), "seed": job.seed}


def _measured(pictures: Sequence[GeneratedImage]) -> dict[str, Any]:
    seconds = {"seconds": round(sum(picture.seconds for picture in pictures), 3)}
    truncated = pictures[0].truncated_tokens
    return {**seconds, "truncated_tokens": truncated} if truncated else seconds


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
