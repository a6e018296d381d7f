"""Pictures as server-sent events: previews and steps while a picture is made, then the picture.

Comes in: a request that has a place in the queue. Goes out: an answer that lasts until its last picture. Must not: work
for a client that has disconnected.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from image_gen.errors import ImageGenError
from image_gen.serving.http.error_json import error_json
from image_gen.serving.images.answers import completed_event, partial_event, progress_event, queued_event
from image_gen.serving.images.requests import ImageRequest
from image_gen.serving.queue.request import Listener
from image_gen.serving.worker_supervisor import GeneratedImage
from image_gen.worker.protocol import ImageJob

# Load balancers close a connection on which nothing was sent for a minute; a comment keeps it open in the queue.
_PING_SECONDS: Final = 15
# As often as a person would look.
_PLACE_SECONDS: Final = 0.5


class EventStream(Listener):
    """Turns what happens in the queue to events. `kind` is OpenAI's first word of them; `place` is the request's place
    in the queue, None when its turn has come.
    """

    def __init__(
        self,
        request: ImageRequest,
        kind: str = "image_generation",
        place: Callable[[], dict[str, object] | None] = lambda: None,
    ) -> None:
        self._request, self._kind, self._place = request, kind, place
        self._events: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._placed = asyncio.Event()
        self._previews: dict[str, int] = {}

    def on_place(self) -> None:
        self._placed.set()

    def on_step(self, job: ImageJob, step: int, preview: bytes) -> None:
        if preview:
            index = self._previews.get(job.id, 0)
            self._previews[job.id] = index + 1
            self.put(partial_event(self._request, job, index, preview, self._kind))
        if job.progress:
            self.put(progress_event(job, step, self._kind))

    def on_image(self, job: ImageJob, image: GeneratedImage) -> None:
        self.put(completed_event(self._request, job, image, self._kind))

    def put(self, event: dict[str, Any]) -> None:
        """An event for the client."""
        self._events.put_nowait(event)

    async def answer(self, work: Coroutine[Any, Any, object], refused: Callable[[ImageGenError], Response]) -> Response:
        """The stream until `work`, which gives nothing or an `ImageGenError`, is done; or what `refused` makes of an
        error that came before there was anything to wait for.
        """
        task = asyncio.create_task(work)
        task.add_done_callback(lambda _: self._events.put_nowait(None))
        placed = asyncio.create_task(self._placed.wait())
        try:
            await asyncio.wait({task, placed}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            raise
        finally:
            placed.cancel()
        if task.done() and isinstance(outcome := task.result(), ImageGenError):
            return refused(outcome)
        return EventSourceResponse(self._sent(task), ping=_PING_SECONDS, headers={"Cache-Control": "no-store"})

    async def _queued(self) -> None:
        """Until its turn: its place, at once and whenever that changes."""
        last: object = None
        while (place := self._place()) is not None:
            if place["position"] != last:
                last = place["position"]
                self.put(queued_event(place, self._kind))
            await asyncio.sleep(_PLACE_SECONDS)

    async def _sent(self, task: asyncio.Task[object]) -> AsyncIterator[ServerSentEvent]:
        queued = asyncio.create_task(self._queued()) if self._request.progress else None
        try:
            while (event := await self._events.get()) is not None:
                yield ServerSentEvent(json.dumps(event), event=event["type"])
            outcome = task.result()
            if isinstance(outcome, ImageGenError):
                error = error_json(outcome.http_status, outcome.message, code=outcome.code.lower())
                yield ServerSentEvent(json.dumps({"type": "error", **error}), event="error")
        finally:
            if queued is not None:
                queued.cancel()
            task.cancel()
