"""Runs the messages from the socket one at a time, and replies.

A separate thread reads the socket, so that a cancellation is seen while an image is being generated. `run` imports
torch and all that needs it, after that thread has started.
"""

import contextlib
import os
import queue
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from image_gen.errors import NotReadyError, OutOfMemoryError
from image_gen.worker import protocol
from image_gen.worker.failures import to_user_error
from image_gen.worker.verified_files import VerifiedFiles

# An archive of some 10 MB takes a few seconds; without it, compiling took 11 s more (docs/performance.md).
_FETCH_SECONDS = 20.0


class Worker:
    """One socket and, once loaded, one pipeline."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._messages: queue.SimpleQueue[tuple[protocol.Message, VerifiedFiles]] = queue.SimpleQueue()
        self._cancelled: set[str] = set()
        self._device = ""
        self._loaded: Any = None
        self._verified = VerifiedFiles()
        self._fetched = threading.Event()
        self._early: tuple[protocol.LoadRequest, dict[str, Any]] | None = None

    def run(self, device: str, pipeline: str | None) -> None:
        """Runs until the socket is closed, which ends the process at once."""
        threading.Thread(target=self._receive, name="messages", daemon=True).start()
        self._guarded(None, lambda: self._prepare(device, pipeline))
        while True:
            message, verified = self._messages.get()
            if isinstance(message, protocol.PrepareRequest):
                self._load_early(message, verified)
            elif isinstance(message, protocol.LoadRequest):
                self._guarded(None, partial(self._load, message))
            elif isinstance(message, protocol.ImageJob):
                self._guarded(message, partial(self._generate, [message]))
            elif isinstance(message, protocol.BatchJob):
                self._guarded(message.jobs[0], partial(self._generate, message.jobs))

    def _receive(self) -> None:
        try:
            while (message := protocol.receive_frame(self._connection)) is not None:
                if isinstance(message, protocol.CancelJob):
                    self._cancelled.add(message.id)
                elif isinstance(message, protocol.ArtifactsFetched):
                    self._fetched.set()
                elif isinstance(message, protocol.FileVerified):
                    self._verified.add(message.path)
                else:
                    if isinstance(message, protocol.PrepareRequest):
                        self._verified.end()
                        self._verified = VerifiedFiles()
                    elif isinstance(message, protocol.LoadRequest):
                        self._verified.add_all()
                    elif isinstance(message, (protocol.ImageJob, protocol.BatchJob)):
                        # A cancellation that came before it was for an earlier job, whose id a client may repeat.
                        first = message.jobs[0] if isinstance(message, protocol.BatchJob) else message
                        self._cancelled.discard(first.id)
                    self._messages.put((message, self._verified))
        except (OSError, ValueError):
            os._exit(1)
        os._exit(0)

    def _send(self, message: protocol.Message, payload: bytes = b"") -> None:
        with self._sending:
            self._connection.sendall(protocol.encode(message, payload))

    def _guarded(self, job: protocol.ImageJob | None, work: Callable[[], None]) -> None:
        """Reports a failure, without a job the start's; the process continues, as the next message may succeed."""
        prompts = (job.prompt, job.negative_prompt) if job else ()
        try:
            work()
        except Exception as error:
            failure = to_user_error(error, *prompts)
            self._send(protocol.Failed(job.id if job else None, failure.code, failure.message, failure.retryable))
        finally:
            self._cancelled.discard(job.id if job else "")

    def _prepare(self, asked: str, pipeline: str | None) -> None:
        started = time.monotonic()
        import torch

        from image_gen.worker.device import choose_device
        from image_gen.worker.device_probe import probe_device
        from image_gen.worker.pipeline import pipeline_class

        device = choose_device(asked, probe_device())
        if device.kind != "cpu":
            torch.zeros(1, device=device.kind)
        if pipeline is not None:
            pipeline_class(pipeline)
        self._device = device.kind
        self._send(protocol.Imported(device.kind, device.name, str(torch.__version__), time.monotonic() - started))

    def _load_early(self, request: protocol.PrepareRequest, verified: VerifiedFiles) -> None:
        """Loads components whose files are verified. Failures are ignored here: `_load` tries again and reports."""
        from image_gen.worker.components import load_components
        from image_gen.worker.device import choose_dtype
        from image_gen.worker.placement import placement_of

        if not self._device:
            return
        # What does not fit is loaded into main memory, and as a whole.
        if placement_of(request, self._device, request.dtype, complete=False).where != "device":
            return
        models: dict[str, Any] = {}
        self._early = (protocol.LoadRequest(**vars(request)), models)
        with contextlib.suppress(Exception):
            dtype = choose_dtype(request.dtype, self._device)
            for name, model in load_components(request, self._device, dtype, verified):
                models[name] = model

    def _load(self, request: protocol.LoadRequest) -> None:
        from image_gen.worker.device import choose_dtype
        from image_gen.worker.pictures.edits import kinds_of_edits
        from image_gen.worker.pictures.few_steps import check_scheduler, few_steps_of
        from image_gen.worker.pictures.generate import generate_image
        from image_gen.worker.pictures.previews import has_previews
        from image_gen.worker.pictures.schedulers import schedulers_of
        from image_gen.worker.pipeline import load
        from image_gen.worker.speed.prompt_cache import PromptCache

        if not self._device:
            return
        started = time.monotonic()
        dtype = choose_dtype(request.dtype, self._device)
        early, self._early = self._early, None
        self._loaded = load(request, self._device, dtype, early[1] if early and early[0] == request else None)
        placement = self._loaded.placement
        self._send(protocol.ModelLoaded(dtype, time.monotonic() - started, placement.line))
        few_steps = few_steps_of(self._loaded.pipeline, request.few_steps)
        schedulers = schedulers_of(self._loaded.pipeline)
        check_scheduler(self._loaded.name, few_steps, schedulers)
        archive = self._compile(request, dtype)
        checker = None
        if request.safety_checker:
            from image_gen.worker.pictures.safety_checker import SafetyChecker

            checker = SafetyChecker(Path(request.safety_checker), self._device, dtype)
        started = time.monotonic()
        own = (self._loaded.width, self._loaded.height)
        if request.warmup_size:
            side = min(request.warmup_size, request.max_size or request.warmup_size)
            step = self._loaded.size_multiple
            width = height = max(step, protocol.MIN_SIDE, side // step * step)
        else:
            width, height = own if self._device != "cpu" else (min(own[0], 256), min(own[1], 256))
        # Two steps: some schedulers fail with one.
        job = protocol.ImageJob("warm-up", "warm-up", 0, 2, width, height)
        try:
            generate_image(self._loaded, job, lambda: False)
        except OutOfMemoryError as error:
            raise OutOfMemoryError(
                f"{error.message} Fix: a smaller IMAGE_GEN_MAX_SIZE (`imagegen up --config maxSize=512`), more memory, "
                "or a smaller model (`imagegen up --model <id>`)."
            ) from None
        artifacts = _saved(archive, request)
        # The checker from now on, as nobody sees what the warm-up shows. The cache without the warm-up's prompt, as its
        # room is for those of requests.
        prompts = PromptCache() if self._loaded.prompts else None
        self._loaded = replace(self._loaded, checker=checker, prompts=prompts)
        accepts, seconds = sorted(self._loaded.accepts), time.monotonic() - started
        # A preview would show what the checker may withhold.
        previews = checker is None and "callback_on_step_end" in accepts and has_previews(self._loaded.pipeline)
        ready = (self._loaded.name, *own, accepts, seconds, self._gpu_bytes(), width, height, previews)
        edits = kinds_of_edits(self._loaded)
        loras = list(self._loaded.loras)
        chosen = protocol.PipelineReady(
            *ready, edits=edits, schedulers=schedulers, loras=loras, few_steps=few_steps,
            most_at_once=self._loaded.most_at_once, options=self._loaded.options, artifacts=artifacts,
            size_multiple=self._loaded.size_multiple, reads_guidance=self._loaded.reads_guidance,
        )  # fmt: skip
        self._send(chosen)

    def _compile(self, request: protocol.LoadRequest, dtype: str) -> Path | None:
        """Has the pipeline compiled, if it is to be. Where an archive of that is kept, if one is."""
        if not request.compile_cache:
            return None
        if self._loaded.placement.where not in {"device", "encoders"}:
            moving = "parts of the model move between the GPU and main memory (IMAGE_GEN_OFFLOAD)"
            self._send(protocol.Compiling(request.compile_cache, moving))
            return None
        from image_gen.worker.speed.compiled import archive_of, compile_blocks

        archive = archive_of(request, dtype, self._device) if request.shares_compiled else None
        name = _name_of(archive, request) if archive else ""
        fetch = partial(self._fetch_artifacts, name)
        why_not = compile_blocks(self._loaded.pipeline, self._device, Path(request.compile_cache), archive, fetch)
        self._send(protocol.Compiling(request.compile_cache, why_not))
        return archive if why_not is None else None

    def _fetch_artifacts(self, name: str) -> None:
        """Waits until the server has looked for it: only the server has credentials."""
        self._fetched.clear()
        self._send(protocol.ArtifactsRequest(name))
        self._fetched.wait(_FETCH_SECONDS)

    def _generate(self, jobs: Sequence[protocol.ImageJob]) -> None:
        from image_gen.worker.pictures.generate import EncodedImage, generate_images
        from image_gen.worker.speed.batches import batches_of

        if self._loaded is None:
            raise NotReadyError("The model is not loaded yet.")
        job = jobs[0]

        def on_step(step: int, preview: bytes) -> None:
            self._send(protocol.ImageProgress(job.id, step, job.steps_made), preview)

        # Sent when all are done: of a failure the server learns by the first job's id alone.
        images: list[EncodedImage] = []
        for some in batches_of(self._loaded, jobs):
            images += generate_images(self._loaded, some, lambda: job.id in self._cancelled, on_step)
        for each, image in zip(jobs, images, strict=True):
            speed = job.steps_made / image.denoising_seconds if image.denoising_seconds > 0 else 0.0
            numbers = (image.seconds, speed, self._gpu_bytes(), image.truncated_tokens, image.prompt_cached)
            self._send(protocol.ImageDone(each.id, *numbers), image.data)

    def _gpu_bytes(self) -> int:
        import torch

        return int(torch.cuda.max_memory_allocated()) if self._device == "cuda" else 0


def _saved(archive: Path | None, request: protocol.LoadRequest) -> str:
    """The name of the archive of what was compiled, new or not: the server puts it where it is missing."""
    if archive is None:
        return ""
    from image_gen.worker.speed.compiled import save_archive

    return _name_of(archive, request) if save_archive(archive) else ""


def _name_of(archive: Path, request: protocol.LoadRequest) -> str:
    return archive.relative_to(request.compile_cache).as_posix()
