"""The models that a fleet serves: those of its workers, and the gateway's MODEL_ID before the first of them lives.

Comes in: the workers' records. Goes out: OpenAI's model objects. Must not: know more of a model than its worker.
"""

import time

from image_gen.fleet.gateway.fleet_state import FleetState
from image_gen.serving.images.requests import BadRequest, ImageRequest, shorten
from image_gen.settings import Settings


class FleetModels:
    """All workers of a fleet serve the same model, but for the time of a change."""

    def __init__(self, settings: Settings, state: FleetState) -> None:
        self._settings, self._state = settings, state
        self._started = int(time.time())

    @property
    def names(self) -> list[str]:
        """By which callers may ask for it."""
        workers = [each.model for each in self._state.usable]
        if not workers and self._state.described is not None:
            workers = [self._state.described.model]
        served = self._settings.served_id
        given = self._settings.model_id if self._settings.model_dir is None else self._settings.model_dir.name
        # The first is what a message names.
        return list(dict.fromkeys([*workers, served, given]))

    def is_served(self, name: str) -> bool:
        """Whether a caller's name for a model means one of a worker."""
        return name in self.names

    def not_served(self, name: str) -> str:
        """The message for a caller who asks for another model."""
        return f"model: {shorten(name)} is not served here, {self.names[0]} is; leave it out or name that."

    def require(self, request: ImageRequest) -> None:
        """Raises `BadRequest` where another model is asked for than is served."""
        if request.model is not None and not self.is_served(request.model):
            raise BadRequest(self.not_served(request.model), "model", status=404, code="model_not_found")

    def as_json(self) -> list[dict[str, object]]:
        """As the workers describe them; the last one's, which is not ready, while none lives."""
        found: dict[str, dict[str, object]] = {}
        for worker in sorted(self._state.usable, key=lambda each: each.phase != "ready"):
            if worker.model_json:
                found.setdefault(worker.model, {**worker.model_json, "ready": worker.phase == "ready"})
        if found:
            return list(found.values())
        if (last := self._state.described) is not None and last.model_json:
            return [{**last.model_json, "ready": False}]
        name = self.names[0]
        return [
            {
                "id": name, "object": "model", "created": self._started, "owned_by": name.partition("/")[0],
                "ready": False, "max_size": self._settings.max_size, "max_images": self._settings.max_images,
            }
        ]  # fmt: skip
