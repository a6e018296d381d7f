"""Takes orders from the socket one at a time, and answers them.

A thread of its own reads the socket, so that a cancellation is seen while a picture is being made. torch and all that
needs it are imported in `run`, after the thread is there.
"""

import contextlib
import os
import queue
import socket
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

from image_gen.errors import ImageGenError
from image_gen.worker.failures import CancelledError, out_of_memory
from image_gen.worker.protocol import ImageJob, LoadRequest, Message, encode, receive_frame
from image_gen.worker.verified_files import VerifiedFiles


class Worker:
    """One engine: a socket, and once loaded a pipeline."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._orders: queue.SimpleQueue[tuple[Message, VerifiedFiles]] = queue.SimpleQueue()
        self._cancelled: set[str] = set()
        self._device = ""
        self._loaded: Any = None
        self._proven = VerifiedFiles()
        self._early: tuple[LoadRequest, dict[str, Any]] | None = None

    def run(self, device: str, pipeline: str | None) -> None:
        """Works until the socket ends; then the process ends at once, whatever it is doing."""
        threading.Thread(target=self._receive, name="orders", daemon=True).start()
        self._guarded(None, lambda: self._prepare(device, pipeline))
        while True:
            message, proven = self._orders.get()
            if message["type"] == "prepare":
                self._load_early(_load_order(message), proven)
            elif message["type"] == "load":
                self._guarded(None, partial(self._load, _load_order(message)))
            elif message["type"] == "picture":
                order = _picture_order(message)
                self._guarded(order.id, partial(self._generate, order))

    def _receive(self) -> None:
        try:
            while (message := receive_frame(self._connection)) is not None:
                kind = message["type"]
                if kind == "cancel":
                    self._cancelled.add(message["id"])
                elif kind == "proven":
                    self._proven.add(message["path"])
                else:
                    if kind == "prepare":
                        self._proven.end()
                        self._proven = VerifiedFiles()
                    elif kind == "load":
                        self._proven.add_all()
                    self._orders.put((message, self._proven))
        except (OSError, ValueError):
            os._exit(1)
        os._exit(0)

    def _send(self, message: Message, payload: bytes = b"") -> None:
        with self._sending:
            self._connection.sendall(encode(message, payload))

    def _guarded(self, order_id: str | None, work: Any) -> None:
        """Answers a failure in words; the process lives on, for the next order may be a better one."""
        try:
            work()
        except CancelledError:
            self._fail(order_id, ImageGenError("CANCELLED", "The picture was cancelled."))
        except ImageGenError as error:
            self._fail(order_id, error)
        except Exception as error:
            if out_of_memory(error):
                advice = "give the container or the GPU more, or choose a smaller MODEL_ID."
                self._fail(
                    order_id, ImageGenError("OUT_OF_MEMORY", f"There is not enough memory for the model: {advice}")
                )
            else:
                self._fail(order_id, ImageGenError("ENGINE_ERROR", f"{type(error).__name__}: {error}"[:600]))
        finally:
            if order_id is not None:
                self._cancelled.discard(order_id)

    def _fail(self, order_id: str | None, error: ImageGenError) -> None:
        self._send({"type": "error", "id": order_id, **error.as_json()})

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
        self._send(
            {
                "type": "imported",
                "device": device.kind,
                "device_name": device.name,
                "torch": str(torch.__version__),
                "seconds": time.monotonic() - started,
            }
        )

    def _load_early(self, order: LoadRequest, proven: VerifiedFiles) -> None:
        """Models whose files are proven already. A failure is no news yet: `_load` tries again, and tells."""
        from image_gen.worker.components import load_components
        from image_gen.worker.device import choose_dtype

        if not self._device:
            return
        models: dict[str, Any] = {}
        self._early = (order, models)
        with contextlib.suppress(Exception):
            dtype = choose_dtype(order.dtype, self._device)
            for name, model in load_components(order, self._device, dtype, proven):
                models[name] = model

    def _load(self, order: LoadRequest) -> None:
        from image_gen.worker.device import choose_dtype
        from image_gen.worker.generate import generate_image
        from image_gen.worker.pipeline import load

        if not self._device:
            return
        started = time.monotonic()
        dtype = choose_dtype(order.dtype, self._device)
        early, self._early = self._early, None
        self._loaded = load(order, self._device, dtype, early[1] if early and early[0] == order else None)
        self._send({"type": "loaded", "dtype": dtype, "seconds": time.monotonic() - started})
        if order.compile_cache:
            self._compile(Path(order.compile_cache))
        started = time.monotonic()
        own = (self._loaded.width, self._loaded.height)
        if order.warmup_size:
            width = height = max(64, order.warmup_size // 8 * 8)
        else:
            width, height = own if self._device != "cpu" else (min(own[0], 256), min(own[1], 256))
        # Two steps: some schedulers cannot do with one.
        generate_image(self._loaded, ImageJob("warm-up", "warm-up", 0, 2, width, height), lambda: False)
        self._send(
            {
                "type": "ready",
                "pipeline": self._loaded.name,
                "width": own[0],
                "height": own[1],
                "accepts": sorted(self._loaded.accepts),
                "seconds": time.monotonic() - started,
                "gpu_bytes": self._gpu_bytes(),
            }
        )

    def _compile(self, cache: Path) -> None:
        from image_gen.worker.compiled import compile_blocks

        why_not = compile_blocks(self._loaded.pipeline, self._device, cache)
        self._send({"type": "compiling", "cache": str(cache), "why_not": why_not})

    def _generate(self, order: ImageJob) -> None:
        from image_gen.worker.generate import generate_image

        if self._loaded is None:
            raise ImageGenError("NOT_READY", "The model is not loaded yet.", retryable=True)
        picture = generate_image(
            self._loaded,
            order,
            lambda: order.id in self._cancelled,
            lambda step: self._send({"type": "step", "id": order.id, "step": step}),
        )
        speed = order.steps / picture.denoising_seconds if picture.denoising_seconds > 0 else 0.0
        self._send(
            {
                "type": "picture",
                "id": order.id,
                "seconds": picture.seconds,
                "steps_per_second": speed,
                "gpu_bytes": self._gpu_bytes(),
            },
            picture.data,
        )

    def _gpu_bytes(self) -> int:
        import torch

        return int(torch.cuda.max_memory_allocated()) if self._device == "cuda" else 0


def _load_order(message: Message) -> LoadRequest:
    return LoadRequest(**{key: value for key, value in message.items() if key != "type"})


def _picture_order(message: Message) -> ImageJob:
    return ImageJob(**{key: value for key, value in message.items() if key != "type"})
