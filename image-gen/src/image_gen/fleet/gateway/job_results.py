"""Results of jobs, with their pictures.

Comes in: objects that workers wrote. Goes out: OpenAI's answers and errors. Must not: read an object of another job.
"""

import asyncio
import base64
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from image_gen.errors import BY_CODE, CancelledError, FileMissingError, ImageGenError, JobNotMadeError
from image_gen.fleet.fleet_job import FleetResult, UnreadableError, folder_of, result_name
from image_gen.fleet.job_store import JobStore
from image_gen.serving.images.requests import BadRequest

log = logging.getLogger(__name__)
# The store is asked more seldom the longer it takes: a request of 10 s is at most 5 % late.
_SHORTEST_SECONDS, _LONGEST_SECONDS = 0.2, 1.0
_PART_OF_THE_TIME: Final = 0.05
# A store that fails for so long ends the waiting.
_FAILING_SECONDS: Final = 30.0
_STATUS_OF_TYPE: Final = {
    "invalid_request_error": 400,
    "not_found_error": 404,
    "rate_limit_error": 429,
    "service_unavailable_error": 503,
    "timeout_error": 504,
}
# From the names of objects to addresses under which copies of them are kept.
Keep = Callable[[Sequence[str]], Awaitable[list[str]]]


class JobResults:
    """Reads them. Each method raises the errors of the store, and `UnreadableError`."""

    def __init__(self, store: JobStore) -> None:
        self._store = store

    async def read(self, job_id: str) -> FleetResult | None:
        """None while there is none."""
        data = await self._store.read(result_name(job_id))
        return None if data is None else FleetResult.from_json(data)

    async def wait_for(self, job_id: str, check: Callable[[], None]) -> FleetResult:
        """The result, when there is one. `check` is called now and then, and raises what ends the waiting."""
        began = failing_since = time.monotonic()
        while True:
            check()
            try:
                result = await self.read(job_id)
                failing_since = time.monotonic()
            except ImageGenError:
                if time.monotonic() - failing_since > _FAILING_SECONDS:
                    raise
                result = None
            if result is not None:
                return result
            pause = (time.monotonic() - began) * _PART_OF_THE_TIME
            await asyncio.sleep(min(max(pause, _SHORTEST_SECONDS), _LONGEST_SECONDS))

    async def answer(self, result: FleetResult) -> dict[str, Any] | None:
        """OpenAI's, with the pictures in it; None where one of them has expired."""
        if result.answer is None:
            raise UnreadableError("the result has no answer")
        answer = dict(result.answer)
        pictures = await asyncio.gather(*(self._picture(result.id, each) for each in answer.get("data") or []))
        if any(picture is None for picture in pictures):
            return None
        answer["data"] = pictures
        return answer

    async def answer_with_urls(self, result: FleetResult, keep: Keep) -> dict[str, Any] | None:
        """The same, with addresses in place of the pictures."""
        if result.answer is None:
            raise UnreadableError("the result has no answer")
        pictures = result.answer.get("data") or []
        try:
            urls = await keep([_object_of(result.id, each) for each in pictures])
        except FileMissingError:
            return None
        data = [{"url": url, **_facts_of(each)} for url, each in zip(urls, pictures, strict=True)]
        return {**result.answer, "data": data}

    async def _picture(self, job_id: str, about: Mapping[str, Any]) -> dict[str, Any] | None:
        data = await self._store.read(_object_of(job_id, about))
        if data is None:
            return None
        return {"b64_json": base64.b64encode(data).decode("ascii"), **_facts_of(about)}


def _object_of(job_id: str, about: Mapping[str, Any]) -> str:
    name = str(about.get("object", ""))
    if not name.startswith(f"{folder_of(job_id)}pictures/") or ".." in name:
        raise UnreadableError("the result names an object that is none of its pictures")
    return name


def _facts_of(about: Mapping[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in about.items() if field != "object"}


def require_success(result: FleetResult) -> None:
    """Raises `BadRequest` or an `ImageGenError`, as the same request to one host had been answered."""
    if result.status == "succeeded":
        return
    if result.status == "cancelled":
        raise CancelledError("The job was cancelled.")
    error = result.error or {}
    message, code = str(error.get("message") or "The job failed."), str(error.get("code") or "")
    kind = BY_CODE.get(code.upper(), None)
    if kind is not None:
        raise kind(message)
    status = _STATUS_OF_TYPE.get(str(error.get("type")))
    if status is None:
        raise JobNotMadeError(message)
    param = error.get("param")
    raise BadRequest(message, None if param is None else str(param), status=status, code=code or "invalid_value")
