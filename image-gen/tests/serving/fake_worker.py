"""An engine without torch: a real process that speaks the real protocol and paints seeded pictures of noise.

What a test wants of it is said in FAKE_WORKER (JSON): `import_seconds`, `load_error` (code, message, retryable),
`die` (while loading), `until_file` (no error once that file is there), `raise_after` (a number and the text of an
exception: it is raised by each picture after so many of one process, the warm-up's included), `own_size`,
`truncated_tokens`, `step_seconds`, `few_steps`, `most_at_once`, `batches_fail` ("be killed", or an exception's text),
`gpus` (more of these, by the id of the worker's GPU), `not_compiled` (why), `size_multiple`, `reads_guidance`. A
prompt may hold an order too: "die", "be killed", "out of memory", "hang", "babble", "raise TEXT", "print TEXT",
"abort TEXT", "withhold TEXT".
"""

import argparse
import json
import os
import queue
import random
import signal
import socket
import struct
import sys
import threading
import time
import zlib
from pathlib import Path
from typing import Any

from image_gen.errors import ContentPolicyError
from image_gen.worker.failures import to_user_error
from image_gen.worker.pictures.few_steps import few_steps_of
from image_gen.worker.protocol import (
    ArtifactsFetched,
    ArtifactsRequest,
    BatchJob,
    CancelJob,
    Compiling,
    Failed,
    FileVerified,
    ImageDone,
    ImageJob,
    ImageProgress,
    Imported,
    LoadRequest,
    Message,
    ModelLoaded,
    PipelineReady,
    PrepareRequest,
    bounded_size,
    encode,
    preview_steps,
    receive_frame,
)


def png(seed: int, width: int, height: int) -> bytes:
    noise = random.Random(seed)
    return rgb_png(width, b"".join(noise.randbytes(width * 3) for _ in range(height)))


def rgb_png(width: int, pixels: bytes) -> bytes:
    height = len(pixels) // (width * 3)
    rows = b"".join(b"\0" + pixels[at * width * 3 : (at + 1) * width * 3] for at in range(height))
    chunks = (
        (b"IHDR", struct.pack("!IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    parts = [
        struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def echo(job: ImageJob) -> bytes:
    """The very pixels of the image that is to be changed; the mask below it, as grey."""
    image, mask = job.pixels[: job.width * job.height * 3], job.pixels[job.width * job.height * 3 :]
    grey = b"".join(bytes([value]) * 3 for value in mask)
    return rgb_png(job.width, (image + grey))


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class FakeWorker:
    def __init__(self, connection: socket.socket, options: dict[str, Any]) -> None:
        self.connection = connection
        self.options = options
        self.requests: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.cancelled: set[str] = set()
        self.pictures = 0

    def send(self, message: Message, payload: bytes = b"") -> None:
        self.connection.sendall(encode(message, payload))

    def receive(self) -> None:
        while (message := receive_frame(self.connection)) is not None:
            match message:
                case CancelJob():
                    self.cancelled.add(message.id)
                case PrepareRequest():
                    say(f"prepare {message.directory}")
                case FileVerified():
                    say(f"may load {message.path}")
                case _:
                    self.requests.put(message)
        os._exit(0)

    def run(self) -> None:
        threading.Thread(target=self.receive, daemon=True).start()
        time.sleep(self.options.get("import_seconds", 0))
        self.send(Imported("cpu", "CPU", "none", 0.1))
        while True:
            message = self.requests.get()
            if isinstance(message, LoadRequest):
                self.load(message)
            elif isinstance(message, ImageJob):
                self.generate_image(message)
            elif isinstance(message, BatchJob):
                say(f"a batch of {len(message.jobs)}")
                self.generate_batch(message)

    def generate_batch(self, batch: BatchJob) -> None:
        jobs = batch.jobs
        if self.options.get("batches_fail") is None:
            for job in jobs:
                self.generate_image(job)
        elif self.options["batches_fail"] == "be killed":
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            failure = to_user_error(RuntimeError(self.options["batches_fail"]))
            self.send(Failed(jobs[0].id, failure.code, failure.message, failure.retryable))

    def load(self, request: LoadRequest) -> None:
        if request.vae:
            say(f"VAE from {request.vae}")
        if request.safety_checker:
            say(f"safety checker from {request.safety_checker}")
        for name, file in request.loras.items():
            say(f"LoRA {name} from {file}")
        if request.compile_cache:
            self.send(Compiling(request.compile_cache, self.options.get("not_compiled")))
        artifacts = "gpu/key.blocks" if request.shares_compiled else ""
        if artifacts:
            archive = Path(request.compile_cache, artifacts)
            if not archive.exists():
                self.send(ArtifactsRequest(artifacts))
                assert isinstance(self.requests.get(), ArtifactsFetched)
            say(f"compiled blocks: {archive.read_text() if archive.exists() else 'none'}")
            if not archive.exists():
                archive.parent.mkdir(parents=True, exist_ok=True)
                archive.write_text("blocks")
        if (until := self.options.get("until_file")) and Path(until).exists():
            self.options = {}
        if self.options.get("die"):
            os._exit(3)
        if error := self.options.get("load_error"):
            self.send(Failed(None, **error))
            return
        self.send(ModelLoaded("float32", 0.2))
        self.pictures += 1
        if (error := self.fault()) is not None:
            failure = to_user_error(error)
            self.send(Failed(None, failure.code, failure.message, failure.retryable))
            return
        accepts = ["prompt", "negative_prompt", "guidance_scale", "num_inference_steps", "callback_on_step_end"]
        size = bounded_size(*self.options.get("own_size", (64, 64)), 32, request.max_size)
        ready = ("FakePipeline", *size, self.options.get("accepts", accepts), 0.3, 0)
        self.send(
            PipelineReady(
                *ready,
                warmup_width=64,
                warmup_height=64,
                previews=self.options.get("previews", True),
                edits=self.options.get("edits", ["image", "mask"]),
                schedulers=self.options.get("schedulers", ["ddim", "euler"]),
                loras=list(request.loras),
                few_steps=few_steps_of(None, request.few_steps) or self.options.get("few_steps"),
                most_at_once=self.options.get("most_at_once", 1),
                options=dict.fromkeys(request.options, ""),
                artifacts=artifacts,
                size_multiple=self.options.get("size_multiple", 8),
                reads_guidance=self.options.get("reads_guidance", True),
            )
        )

    def fault(self) -> Exception | None:
        """What the next picture raises."""
        after, text = self.options.get("raise_after", (None, ""))
        return RuntimeError(text) if after is not None and self.pictures > after else None

    def generate_image(self, job: ImageJob) -> None:
        say(f"painting {job.id}" + (f" with LoRAs {json.dumps(job.loras)}" if job.loras else ""))
        say(f"{job.steps} steps of {job.scheduler}, guidance {job.guidance_scale}")
        self.pictures += 1
        order, _, text = job.prompt.partition(" ")
        error = RuntimeError(text) if order == "raise" else self.fault()
        error = ContentPolicyError("The picture was withheld.") if order == "withhold" else error
        if error is not None:
            failure = to_user_error(error, job.prompt, job.negative_prompt)
            self.send(Failed(job.id, failure.code, failure.message, failure.retryable))
            return
        if order == "print":
            say(text)
        if order == "abort":
            say(text)
            os.abort()
        if job.prompt == "die":
            os._exit(3)
        if job.prompt == "be killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if job.prompt == "babble":
            sys.stdout.write("babble" * 100_000 + "\nend of babble\n")
            sys.stdout.flush()
        if job.prompt == "out of memory":
            self.send(Failed(job.id, "OUT_OF_MEMORY", "too big", False))
            return
        started = time.monotonic()
        for step in range(1, job.steps_made + 1):
            time.sleep(self.options.get("step_seconds", 0))
            while job.prompt == "hang":
                time.sleep(1)
            if step in preview_steps(job.steps_made, job.previews):
                self.send(ImageProgress(job.id, step, job.steps_made), png(step, job.width // 8, job.height // 8))
            elif job.progress:
                self.send(ImageProgress(job.id, step, job.steps_made))
            if job.id in self.cancelled:
                say(f"cancelled {job.id} at step {step}")
                self.send(Failed(job.id, "CANCELLED", "The picture was cancelled.", False))
                return
        truncated = self.options.get("truncated_tokens", {})
        done = ImageDone(job.id, time.monotonic() - started, 10.0, 0, truncated)
        self.send(done, echo(job) if job.pixels else png(job.seed, job.width, job.height))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--device")
    parser.add_argument("--pipeline")
    options = json.loads(os.environ.get("FAKE_WORKER", "{}"))
    options |= options.get("gpus", {}).get(os.environ.get("CUDA_VISIBLE_DEVICES", ""), {})
    FakeWorker(socket.socket(fileno=parser.parse_args().fd), options).run()
