"""Keeps an engine alive: starts it, gives it the model, restarts it with growing pauses, and passes pictures through.

Comes in: a `LoadRequest` once the files are there, `ImageJob`s when ready. Goes out: pictures, and the phases
loading, warming, ready and failed. Must not: queue (the studio does), or have more than one process at a time.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from image_gen.errors import ImageGenError
from image_gen.serving.readiness import Readiness
from image_gen.serving.worker_process import WORKER_COMMAND, WorkerProcess
from image_gen.worker.protocol import (
    ImageJob,
    LoadRequest,
    Message,
    load_message,
    picture_message,
    prepare_message,
    proven_message,
)

log = logging.getLogger(__name__)
_STEADY_SECONDS = 60.0


def restart_delay(deaths: int) -> float:
    """Seconds to wait after that many deaths in a row: 1, 2, 4 … 60."""
    return float(min(2 ** max(deaths - 1, 0), 60))


@dataclass(frozen=True)
class GeneratedImage:
    """An encoded picture as it came from the engine."""

    data: bytes
    seconds: float
    steps_per_second: float


@dataclass(frozen=True)
class PipelineInfo:
    """What the loaded model can do: its own size in pixels and the arguments that its pipeline takes."""

    pipeline: str
    width: int
    height: int
    accepts: frozenset[str]


class WorkerSupervisor:
    """The engine as the rest of the server sees it. All of it runs on the event loop."""

    def __init__(
        self,
        readiness: Readiness,
        env: Mapping[str, str],
        device: str,
        *,
        command: Sequence[str] = WORKER_COMMAND,
        pause: Callable[[int], float] = restart_delay,
    ) -> None:
        self._readiness = readiness
        self._env = env
        self._device = device
        self._command = command
        self._pause = pause
        self._process: WorkerProcess | None = None
        self._order: LoadRequest | None = None
        self._early: LoadRequest | None = None
        self._proven: list[str] = []
        self._is_large = False
        self._imported = False
        self._gave_up: ImageGenError | None = None
        self._pictures: dict[str, asyncio.Future[GeneratedImage]] = {}
        self._on_step: dict[str, Callable[[int], None]] = {}
        self.pipeline_info: PipelineInfo | None = None
        self.restarts = 0
        self.gpu_bytes = 0
        self.seconds: dict[str, float] = {}

    async def supervise(self, pipeline_hint: str | None) -> None:
        """Runs until cancelled. `pipeline_hint` is imported in advance, while the model is still being fetched."""
        deaths = 0
        while True:
            self._process = WorkerProcess(self._command, self._env, self._on_message)
            self._imported, born = False, time.monotonic()
            await self._process.start(self._arguments(pipeline_hint))
            why = self._startup_error(await self._process.run())
            self.pipeline_info = None
            self._end_pictures(why)
            if not why.retryable:
                return
            deaths = 1 if time.monotonic() - born > _STEADY_SECONDS else deaths + 1
            pause = self._pause(deaths)
            self._readiness.fail(why)
            log.error("%s (%s) Next attempt in %.0f s.", why.message, why.code, pause)
            await asyncio.sleep(pause)
            self.restarts += 1

    def prepare(self, order: LoadRequest) -> None:
        """The model's files are there or on their way, but not proven: what `proven` names may be loaded from now on.
        The same order once more changes nothing.
        """
        if order == self._early:
            return
        self._early, self._proven = order, []
        self._send_prepare()

    def proven(self, path: str) -> None:
        """A file of the model may be loaded."""
        self._proven.append(path)
        if self._imported and self._process is not None:
            self._process.send(proven_message(path))

    def load(self, order: LoadRequest, *, is_large: bool = False) -> None:
        """The model's files are there: load them now, and again after every restart."""
        self._order, self._is_large = order, is_large
        self._readiness.enter("loading")
        self._send_load()

    async def generate_image(self, order: ImageJob, on_step: Callable[[int], None] = lambda _: None) -> GeneratedImage:
        """One picture. Raises `ImageGenError`: what the engine says, ENGINE_DIED, CANCELLED after `cancel`, or
        NOT_READY.
        """
        if self._process is None or self.pipeline_info is None:
            raise ImageGenError("NOT_READY", "The model is not ready.", retryable=True)
        future = self._pictures[order.id] = asyncio.get_running_loop().create_future()
        self._on_step[order.id] = on_step
        try:
            self._process.send(picture_message(order))
            painted: GeneratedImage = await future
            return painted
        finally:
            del self._pictures[order.id], self._on_step[order.id]

    def cancel(self, picture_id: str) -> None:
        """Ends a picture at its next step; `generate_image` then raises CANCELLED."""
        if self._process is not None:
            self._process.send({"type": "cancel", "id": picture_id})

    def kill(self) -> None:
        """For an engine that does not react any more; `supervise` starts another."""
        if self._process is not None:
            self._process.kill()

    async def stop(self) -> None:
        """Ends the process, after whoever cancelled `supervise`."""
        if self._process is not None:
            await self._process.stop()

    @property
    def pid(self) -> int | None:
        """The process's id."""
        return None if self._process is None else self._process.pid

    def _arguments(self, hint: str | None) -> list[str]:
        name = self._order.pipeline if self._order is not None else hint
        return ["--device", self._device, *(["--pipeline", name] if name else [])]

    def _send_prepare(self) -> None:
        if self._early is not None and self._order is None and self._imported and self._process is not None:
            self._process.send(prepare_message(self._early))
            for path in self._proven:
                self._process.send(proven_message(path))

    def _send_load(self) -> None:
        if self._order is not None and self._imported and self._process is not None:
            self._readiness.enter("loading")  # after a restart only now: until then the last error stays to be seen
            self._process.send(load_message(self._order))
            if self._is_large and self._readiness.device == "cpu":
                self._is_large = False  # once is enough
                log.info("NOTE: On this CPU a picture of this model takes minutes; on a GPU it takes seconds.")

    def _on_message(self, message: Message, payload: bytes) -> None:
        kind = message["type"]
        if kind == "picture":
            self._settle(message["id"], GeneratedImage(payload, message["seconds"], message["steps_per_second"]))
            self.gpu_bytes = message["gpu_bytes"]
        elif kind == "step":
            if on_step := self._on_step.get(message["id"]):
                on_step(message["step"])
        elif kind == "error":
            error = ImageGenError(message["code"], message["message"], retryable=message["retryable"])
            if message["id"] is None:
                self._give_up(error)
            else:
                self._settle(message["id"], error)
        else:
            self._on_start_up(kind, message)

    def _on_start_up(self, kind: str, message: Message) -> None:
        if kind == "imported":
            self._imported = True
            self._readiness.device = message["device"]
            self.seconds["importing"] = message["seconds"]
            log.info(
                "Engine up in %.1f s: torch %s on %s", message["seconds"], message["torch"], message["device_name"]
            )
            self._send_prepare()
            self._send_load()
        elif kind == "loaded":
            self.seconds["loading"] = message["seconds"]
            self._readiness.enter("warming")
            log.info("Model loaded, moving to device %s...", self._readiness.device)
        elif kind == "compiling":
            if message["why_not"]:
                log.warning("IMAGE_GEN_COMPILE is set, but %s. Serving uncompiled.", message["why_not"])
            else:
                log.info("Compiling at the first picture; kept below %s for later starts", message["cache"])
        elif kind == "ready":
            self.seconds["warming"] = message["seconds"]
            self.gpu_bytes = message["gpu_bytes"]
            accepts = frozenset(message["accepts"])
            self.pipeline_info = PipelineInfo(message["pipeline"], message["width"], message["height"], accepts)
            self._readiness.enter("ready")
            log.info("Model ready on %s", self._readiness.device)
            phases = self._readiness.phase_seconds()
            parts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in phases.items())
            log.info("Start-up took %.1f s: %s", sum(phases.values()), parts)

    def _give_up(self, error: ImageGenError) -> None:
        """The engine could not get ready. One that may do better next time is started afresh, others are left alone."""
        self._gave_up = error
        if error.retryable:
            self.kill()
        else:
            self._readiness.fail(error)
            log.error("%s (%s)", error.message, error.code)

    def _startup_error(self, why: ImageGenError) -> ImageGenError:
        gave_up, self._gave_up = self._gave_up, None
        return gave_up or why

    def _settle(self, picture_id: str, outcome: GeneratedImage | ImageGenError) -> None:
        future: asyncio.Future[Any] | None = self._pictures.get(picture_id)
        if future is None or future.done():
            return
        if isinstance(outcome, ImageGenError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    def _end_pictures(self, why: ImageGenError) -> None:
        for picture_id in list(self._pictures):
            self._settle(picture_id, why)
