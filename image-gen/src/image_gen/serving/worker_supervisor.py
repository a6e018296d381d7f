"""Supervises the worker process: starts it, sends it the model, restarts it with growing delays, and runs image jobs.

It sets the phases loading, warming, ready and failed, has at most one process at a time, and does not queue. An engine
that only fails is tested with a picture, and given up after some restarts; `engine_failures` counts.
"""

import asyncio
import errno
import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from image_gen.errors import (
    BY_CODE,
    ContentPolicyError,
    EngineDiedError,
    EngineError,
    GpuFaultError,
    ImageGenError,
    NotReadyError,
    OutOfMemoryError,
)
from image_gen.serving.compiled.compile_store import CompileStore
from image_gen.serving.engine_failures import EngineFailures, given_up_delay, restart_delay
from image_gen.serving.readiness import EngineReadiness, Readiness
from image_gen.serving.worker_process import WORKER_COMMAND, WorkerProcess
from image_gen.worker import protocol

log = logging.getLogger(__name__)
# Memory that others held may be free again; loading is too much work to try more often.
_MEMORY_RETRY_SECONDS = 600.0
_TEST = "engine-test"


@dataclass(frozen=True)
class GeneratedImage:
    """An encoded image from the worker."""

    data: bytes
    seconds: float
    steps_per_second: float
    truncated_tokens: Mapping[str, int] = field(default_factory=dict)
    prompt_cached: bool = False


OnStep = Callable[[int, bytes], None]


class WorkerSupervisor:
    """The worker for the rest of the server. Everything here runs on the event loop."""

    def __init__(
        self,
        readiness: Readiness | EngineReadiness,
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
        # Why the present process is being ended.
        self._reason: ImageGenError | None = None
        # Why no process is started any more, until somebody asks for it.
        self._given_up: ImageGenError | None = None
        self._waiting = False
        self._asked = asyncio.Event()
        self._failures = EngineFailures()
        self._images: dict[str, asyncio.Future[GeneratedImage]] = {}
        self._on_step: dict[str, OnStep] = {}
        # Where compiled blocks are shared with other hosts.
        self.compile_store: CompileStore | None = None
        self._sharing: set[asyncio.Task[None]] = set()
        # Called when the engine becomes ready, and when it no longer is.
        self.on_change: Callable[[], None] = lambda: None
        # The loaded pipeline: its own size and the arguments that it accepts.
        self.pipeline_info: protocol.PipelineReady | None = None
        # When the present process was started, and while none is there, when the next one will be.
        self._started = 0.0
        self._starts: float | None = None
        self.restarts = 0
        self.gpu_bytes = 0
        self.seconds: dict[str, float] = {}

    async def supervise(self, pipeline_hint: str | None) -> None:
        """Runs until cancelled. `pipeline_hint` is imported in advance, during the download."""
        while True:
            why = await self._run_process(pipeline_hint)
            self.pipeline_info = None
            for image_id in list(self._images):
                self._settle(image_id, why)
            self.on_change()
            await self._pause_after(why)
            self.restarts += 1

    async def _run_process(self, pipeline_hint: str | None) -> ImageGenError:
        """One process, from its start to the reason for its end."""
        self._process = WorkerProcess(self._command, self._env, self._on_message)
        self._imported, self._reason = False, None
        self._started = time.monotonic()
        pipeline = self._request.pipeline if self._request else pipeline_hint
        arguments = ["--pipeline", pipeline] if pipeline else []
        try:
            await self._process.start(["--device", self._device, *arguments])
        except OSError as error:
            if error.errno == errno.ENOMEM:
                return OutOfMemoryError("There is not enough memory to start the engine.", retryable=True)
            return EngineDiedError(f"The engine can't be started: {error}.")
        ended = await self._process.run()
        return self._reason or ended

    async def _pause_after(self, why: ImageGenError) -> None:
        """Waits until the next process may be started, or is asked for."""
        pause: float | None
        if not why.retryable:
            self._given_up = why
            pause = _MEMORY_RETRY_SECONDS if why.code == OutOfMemoryError.code else None
            then = ""
        elif self._failures.ended():
            pause = self._pause(self._failures.in_a_row)
            then = f" Next attempt in {pause:.0f} s."
        else:
            pause = given_up_delay(self._failures.times_given_up)
            why = self._given_up = type(why)(
                f"{why.message} It failed too often to be started again at once; the next attempt is in "
                f"{pause / 60:.0f} min. Fix: `imagegen logs` shows the reasons; `imagegen up` starts it now.",
                retryable=False,
            )
            then = ""
        if why is not self._reason or why.retryable:
            log.error("%s (%s)%s", why.message, why.code, then)
        if not self._asked.is_set():
            self._readiness.fail(why)
            self.on_change()
        self._waiting = True
        self._starts = None if pause is None else time.monotonic() + pause
        try:
            async with asyncio.timeout(pause):
                await self._asked.wait()
            self._failures.forget()
        except TimeoutError:
            if self._given_up is not None:
                self._readiness.clear_failure()
        self._waiting, self._given_up, self._starts = False, None, None
        self._asked.clear()

    def seconds_until_ready(self) -> float | None:
        """By how long the last start took, that of the process and of its model; None where that is not known."""
        starts = self._starts if self._waiting else self._started
        if self.pipeline_info is not None or "warming" not in self.seconds or starts is None:
            return None
        return max(0.0, starts + sum(self.seconds.values()) - time.monotonic())

    def retry(self) -> bool:
        """Starts the next process at once, if one is waited for. Whether the engine had been given up."""
        # A process that is being ended has failed already, for who reads `/readyz`.
        why = self._given_up or self._reason
        if self._waiting or why is not None:
            self._asked.set()
        return why is not None and not why.retryable

    def forget_model(self) -> None:
        """Another load request will follow."""
        self._request, self._early, self._verified = None, None, []

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
        if self._given_up is not None:
            self._readiness.fail(self._given_up)
        else:
            self._readiness.enter("loading")
        self._send_load()

    @property
    def most_at_once(self) -> int:
        """How many pictures one call of the pipeline makes at most."""
        return self.pipeline_info.most_at_once if self.pipeline_info else 1

    async def generate_image(
        self, job: protocol.ImageJob, on_step: OnStep = lambda _step, _preview: None
    ) -> GeneratedImage:
        """Raises `ImageGenError`: the worker's own, ENGINE_DIED, CANCELLED after `cancel`, or NOT_READY. `on_step` gets
        the steps that the job asks for, each with its preview or nothing.
        """
        return (await self._generated([job], job, on_step))[0]

    async def generate_batch(self, jobs: Sequence[protocol.ImageJob]) -> list[GeneratedImage]:
        """The same, by one call of the pipeline, for jobs that ask for no steps. `cancel` takes the first one's id."""
        return await self._generated(jobs, protocol.BatchJob(jobs), lambda _step, _preview: None)

    async def _generated(
        self, jobs: Sequence[protocol.ImageJob], message: protocol.ImageJob | protocol.BatchJob, on_step: OnStep
    ) -> list[GeneratedImage]:
        if self.pipeline_info is None:
            raise NotReadyError("The model is not ready.")
        loop = asyncio.get_running_loop()
        futures = {job.id: loop.create_future() for job in jobs}
        self._images |= futures
        self._on_step[jobs[0].id] = on_step
        try:
            self._process.send(message)
            return list(await asyncio.gather(*futures.values()))
        finally:
            for image_id in futures:
                del self._images[image_id]
            del self._on_step[jobs[0].id]

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
    def is_ready(self) -> bool:
        """Whether it takes a picture."""
        return self.pipeline_info is not None

    @property
    def given_up(self) -> ImageGenError | None:
        """Why no engine is started any more, or not soon."""
        return self._given_up

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
                self._failures.made_picture()
                tokens, cached = message.truncated_tokens, message.prompt_cached
                picture = GeneratedImage(payload, message.seconds, message.steps_per_second, tokens, cached)
                self._settle(message.id, picture)
            case protocol.ImageProgress():
                if (on_step := self._on_step.get(message.id)) is not None:
                    on_step(message.step, payload)
            case protocol.Failed():
                error = BY_CODE.get(message.code, EngineError)(message.message, retryable=message.retryable)
                self._on_failed(message.id, error)
            case protocol.Imported():
                self._on_imported(message)
            case protocol.ModelLoaded():
                self.seconds["loading"] = message.seconds
                self._readiness.enter("warming")
                log.info("Model loaded, moving to device %s...", self._readiness.device)
                if message.placement:
                    log.info(message.placement)
            case protocol.Compiling(why_not=None):
                log.info("Compiling at the first picture; kept below %s for later starts", message.cache)
            case protocol.Compiling():
                log.warning("IMAGE_GEN_COMPILE is set, but %s. Serving uncompiled.", message.why_not)
            case protocol.ArtifactsRequest():
                self._share(self._fetch_artifacts(message.name))
            case protocol.PipelineReady():
                self._on_ready(message)
                if message.artifacts and self.compile_store:
                    self._share(self.compile_store.put(message.artifacts))

    def _share(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._sharing.add(task)
        task.add_done_callback(self._sharing.discard)

    async def _fetch_artifacts(self, name: str) -> None:
        try:
            if self.compile_store:
                await self.compile_store.fetch(name)
        finally:
            self._send(protocol.ArtifactsFetched())

    def _on_imported(self, message: protocol.Imported) -> None:
        self._imported = True
        self._readiness.device = message.device
        self.seconds["importing"] = message.seconds
        self._readiness.timeline.imported(message.seconds)
        log.info("Engine up in %.1f s: torch %s on %s", message.seconds, message.torch, message.device_name)
        self._send_prepare()
        self._send_load()

    def _on_ready(self, message: protocol.PipelineReady) -> None:
        self.seconds["warming"] = message.seconds
        self.gpu_bytes = message.gpu_bytes
        self.pipeline_info = message
        self._readiness.enter("ready")
        self.on_change()
        log.info("Model ready on %s", self._readiness.device)
        if few := message.few_steps:
            guidance = "" if few["guidance_scale"] is None else f" and guidance {few['guidance_scale']:g}"
            log.info(
                "A few-step model (%s): %d steps%s unless a request has its own", few["mode"], few["steps"], guidance
            )
        if message.options:
            used = ", ".join(name for name, why_not in message.options.items() if not why_not) or "none"
            left_out = "".join(f"; not {name}: {why_not}" for name, why_not in message.options.items() if why_not)
            log.info("Engine options: %s%s", used, left_out)
        phases = self._readiness.phase_seconds()
        parts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in phases.items())
        log.info("Start-up took %.1f s: %s", sum(phases.values()), parts)

    def _on_failed(self, image_id: str | None, error: ImageGenError) -> None:
        """A request's failure is the request's, unless it is a sign that the engine can make no more pictures."""
        if image_id is None:
            self._end(error)
            return
        self._settle(image_id, error)
        if image_id == _TEST and error.code == ContentPolicyError.code:
            self._failures.made_picture()
        elif image_id == _TEST:
            message = f"The engine failed with each of the last requests, and with a test picture: {error.message}"
            self._end(type(error)(message, retryable=True))
        elif error.code == GpuFaultError.code:
            self._end(error)
        elif self._failures.failed_request(error):
            self._test()

    def _test(self) -> None:
        """Makes the warm-up's picture again, after the requests that were sent."""
        info = self.pipeline_info
        if info is not None:
            log.warning("Several requests in a row have failed: testing the engine with a picture.")
            self._failures.tested()
            size = (info.warmup_width, info.warmup_height)
            self._process.send(protocol.ImageJob(_TEST, "warm-up", 0, 2, *size))

    def _end(self, why: ImageGenError) -> None:
        """Ends a process that is of no more use; `supervise` starts the next if that can help."""
        if self._reason is None and not why.retryable:
            log.error("%s (%s)", why.message, why.code)  # At once; of others, with the pause that follows.
        self._reason = self._reason or why
        self.pipeline_info = None
        self._readiness.fail(why)
        self.kill()

    def _settle(self, image_id: str, outcome: GeneratedImage | ImageGenError) -> None:
        future = self._images.get(image_id)
        if future is None or future.done():
            return
        if isinstance(outcome, ImageGenError):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
