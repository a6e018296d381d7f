"""An engine without torch: a real process that speaks the real protocol and paints seeded pictures of noise.

What a test wants of it is said in FAKE_WORKER (JSON): `import_seconds`, `load_error` (code, message, retryable),
`step_seconds`, `not_compiled` (why). A prompt may hold an order too: "die", "be killed", "out of memory", "hang",
"babble".
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
from typing import Any

from image_gen.worker.protocol import encode, receive_frame


def png(seed: int, width: int, height: int) -> bytes:
    noise = random.Random(seed)
    rows = b"".join(b"\0" + noise.randbytes(width * 3) for _ in range(height))
    chunks = (
        (b"IHDR", struct.pack("!IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    parts = [
        struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data)) for kind, data in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class FakeWorker:
    def __init__(self, connection: socket.socket, options: dict[str, Any]) -> None:
        self.connection = connection
        self.options = options
        self.requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.cancelled: set[str] = set()
        self.deaf = False

    def send(self, message: dict[str, Any], payload: bytes = b"") -> None:
        self.connection.sendall(encode(message, payload))

    def receive(self) -> None:
        while (message := receive_frame(self.connection)) is not None:
            if message["type"] == "cancel":
                self.cancelled.add(message["id"])
            elif message["type"] == "prepare":
                say(f"prepare {message['directory']}")
            elif message["type"] == "proven":
                say(f"may load {message['path']}")
            else:
                self.requests.put(message)
        os._exit(0)

    def run(self) -> None:
        threading.Thread(target=self.receive, daemon=True).start()
        time.sleep(self.options.get("import_seconds", 0))
        self.send({"type": "imported", "device": "cpu", "device_name": "CPU", "torch": "none", "seconds": 0.1})
        while True:
            order = self.requests.get()
            if order["type"] == "load":
                self.load(order)
            else:
                self.generate_image(order)

    def load(self, order: dict[str, Any]) -> None:
        if order["vae"]:
            say(f"VAE from {order['vae']}")
        if order["compile_cache"]:
            why_not = self.options.get("not_compiled")
            self.send({"type": "compiling", "cache": order["compile_cache"], "why_not": why_not})
        if error := self.options.get("load_error"):
            self.send({"type": "error", "id": None, **error})
            return
        self.send({"type": "loaded", "dtype": "float32", "seconds": 0.2})
        accepts = ["prompt", "negative_prompt", "guidance_scale", "num_inference_steps"]
        self.send({
            "type": "ready", "pipeline": "FakePipeline", "width": 64, "height": 64,
            "accepts": self.options.get("accepts", accepts), "seconds": 0.3, "gpu_bytes": 0,
        })  # fmt: skip

    def generate_image(self, order: dict[str, Any]) -> None:
        prompt = order["prompt"]
        say(f"painting {order['id']}")
        if prompt == "die":
            os._exit(3)
        if prompt == "be killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if prompt == "babble":
            sys.stdout.write("babble" * 100_000 + "\nend of babble\n")
            sys.stdout.flush()
        if prompt == "out of memory":
            self.send(
                {"type": "error", "id": order["id"], "code": "OUT_OF_MEMORY", "message": "too big", "retryable": False}
            )
            return
        started = time.monotonic()
        for step in range(1, order["steps"] + 1):
            time.sleep(self.options.get("step_seconds", 0))
            while prompt == "hang":
                time.sleep(1)
            if order["id"] in self.cancelled:
                say(f"cancelled {order['id']} at step {step}")
                message = {"code": "CANCELLED", "message": "The picture was cancelled.", "retryable": False}
                self.send({"type": "error", "id": order["id"], **message})
                return
            self.send({"type": "step", "id": order["id"], "step": step})
        done = {"seconds": time.monotonic() - started, "steps_per_second": 10.0, "gpu_bytes": 0}
        self.send({"type": "picture", "id": order["id"], **done}, png(order["seed"], order["width"], order["height"]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--device")
    parser.add_argument("--pipeline")
    FakeWorker(socket.socket(fileno=parser.parse_args().fd), json.loads(os.environ.get("FAKE_WORKER", "{}"))).run()
