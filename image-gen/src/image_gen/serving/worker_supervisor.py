"""Supervises the worker process: starts it, sends it the model, restarts it with growing delays, and runs image jobs.

It sets the phases loading, warming, ready and failed, has at most one process at a time, and does not queue.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from image_gen.errors import BY_CODE, EngineError, ImageGenError, NotReadyError
from image_gen.serving.readiness import Readiness
from image_gen.serving.worker_process import WORKER_COMMAND, WorkerProcess
from image_gen.worker import protocol

log = logging.getLogger(__name__)
_STEADY_SECONDS = 60.0


def restart_delay(deaths: int) -> float:
    """Seconds to wait after that many deaths in a row: 1, 2, 4 … 60."""
    return float(min(2 ** max(deaths - 1, 0), 60))


@dataclass(frozen=True)
class GeneratedImage:
    """An encoded image from the worker."""

    data: bytes
    seconds: float
    steps_per_second: float


class WorkerSupervisor:
    """The worker for the rest of the server. Everything here runs on the event loop."""

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
        self._process = WorkerProcess(command, env, self._on_message)
        self._request: protocol.LoadRequest | None = None
        self._early: protocol.PrepareRequest | None = None
        self._verified: list[str] = []
        self._is_large = False
        self._imported = False
        self._startup_error: ImageGenError | None = None
        self._images: dict[str, asyncio.Future[GeneratedImage]] = {}
        # The loaded pipeline: its own size and the arguments that it accepts.
        self.pipeline_info: protocol.PipelineReady | None = None
        self.restarts = 0
        self.gpu_bytes = 0
        self.seconds: dict[str, float] = {}

    async def supervise(self, pipeline_hint: str | None) -> None:
        """Runs until cancelled. `pipeline_hint` is imported in advance, during the download."""
        deaths = 0
        while True:
            self._process = WorkerProcess(self._command, self._env, self._on_message)
            self._imported, born = False, time.monotonic()
            pipeline = self._request.pipeline if self._request else pipeline_hint
            arguments = ["--pipeline", pipeline] if pipeline else []
            await self._process.start(["--device", self._device, *arguments])
            ended = await self._process.run()
            why, self._startup_error = self._startup_error or ended, None
            self.pipeline_info = None
            for image_id in list(self._images):
                self._settle(image_id, why)
            if not why.retryable:
                return
            deaths = 1 if time.monotonic() - born > _STEADY_SECONDS else deaths + 1
            pause = self._pause(deaths)
            self._readiness.fail(why)
            log.error("%s (%s) Next attempt in %.0f s.", why.message, why.code, pause)
            await asyncio.sleep(pause)
            self.restarts += 1

    def prepare(self, request: protocol.PrepareRequest) -> None:
        """The model's files are there or being downloaded; the worker may load those named by `file_verified`.
        Ignored when the request is the same as before.
        """
        if request != self._early:
            self._early, self._verified = request, []
            self._send_prepare()

    def file_verified(self, path: str) -> None:
        """The worker may load this file of the model."""
        self._verified.append(path)
        self._send(protocol.FileVerified(path))

    def load(self, request: protocol.LoadRequest, *, is_large: bool = False) -> None:
        """The model is complete: load it now, and again after every restart."""
        self._request, self._is_large = request, is_large
        self._readiness.enter("loading")
        self._send_load()

    async def generate_image(self, job: protocol.ImageJob) -> GeneratedImage:
        """Raises `ImageGenError`: the worker's own, ENGINE_DIED, CANCELLED after `cancel`, or NOT_READY."""
        if self.pipeline_info is None:
            raise NotReadyError("The model is not ready.")
        future = self._images[job.id] = asyncio.get_running_loop().create_future()
        try:
            self._process.send(job)
            image: GeneratedImage = await future
            return image
        finally:
            del self._images[job.id]

    def cancel(self, image_id: str) -> None:
        """Ends a job at its next step; `generate_image` then raises CANCELLED."""
        self._process.send(protocol.CancelJob(image_id))

    def kill(self) -> None:
        """Ends an unresponsive worker; `supervise` starts another."""
        self._process.kill()

    async def stop(self) -> None:
        """Ends the process. Cancel `supervise` first."""
        await self._process.stop()

    @property
    def pid(self) -> int | None:
        return self._process.pid

    def _send(self, message: protocol.Message) -> None:
        """Only a worker that has imported its libraries gets requests; `_on_imported` sends the earlier ones."""
        if self._imported:
            self._process.send(message)

    def _send_prepare(self) -> None:
        if self._early is not None and self._request is None:
            self._send(self._early)
            for path in self._verified:
                self._send(protocol.FileVerified(path))

    def _send_load(self) -> None:
        if self._request is not None and self._imported:
            self._readiness.enter("loading")  # after a restart only now, so that the last error is visible until then
            self._send(self._request)
            if self._is_large and self._readiness.device == "cpu":
                self._is_large = False  # logged once
                log.info("NOTE: On this CPU a picture of this model takes minutes; on a GPU it takes seconds.")

    def _on_message(self, message: protocol.Message, payload: bytes) -> None:
        match message:
            case protocol.ImageDone():
                self.gpu_bytes = message.gpu_bytes
                self._settle(message.id, GeneratedImage(payload, message.seconds, message.steps_per_second))
            case protocol.Failed():
                error = BY_CODE.get(message.code, EngineError)(message.message, retryable=message.retryable)
                if message.id is None:
                    self._on_startup_failed(error)
                else:
                    self._settle(message.id, error)
            case protocol.Imported():
                self._on_imported(message)
            case protocol.ModelLoaded():
                self.seconds["loading"] = message.seconds
                self._readiness.enter("warming")
                log.info("Model loaded, moving to device %s...", self._readiness.device)
            case protocol.Compiling(why_not=None):
                log.info("Compiling at the first picture; kept below %s for later starts", message.cache)
            case protocol.Compiling():
                log.warning("IMAGE_GEN_COMPILE is set, but %s. Serving uncompiled.", message.why_not)
            case protocol.PipelineReady():
                self._on_ready(message)

    def _on_imported(self, message: protocol.Imported) -> None:
        self._imported = True
        self._readiness.device = message.device
        self.seconds["importing"] = message.seconds
        log.info("Engine up in %.1f s: torch %s on %s", message.seconds, message.torch, message.device_name)
        self._send_prepare()
        self._send_load()

    def _on_ready(self, message: protocol.PipelineReady) -> None:
        self.seconds["warming"] = message.seconds
        self.gpu_bytes = message.gpu_bytes
        self.pipeline_info = message
        self._readiness.enter("ready")
        log.info("Model ready on %s", self._readiness.device)
        phases = self._readiness.phase_seconds()
        parts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in phases.items())
        log.info("Start-up took %.1f s: %s", sum(phases.values()), parts)

    def _on_startup_failed(self, error: ImageGenError) -> None:
        """Restarts the worker if a retry can help; otherwise it stays, and the error is final."""
        self._startup_error = error
        if error.retryable:
            self.kill()
        else:
            self._readiness.fail(error)
            log.error("%s (%s)", error.message, error.code)

    def _settle(self, image_id: str, outcome: GeneratedImage | ImageGenError) -> None:
        future = self._images.get(image_id)
        if future is None or future.done():
            return
        if isinstance(outcome, ImageGenError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
