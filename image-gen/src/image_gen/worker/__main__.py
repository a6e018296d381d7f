"""The worker's process: `python -m image_gen.worker --fd N [--device D] [--pipeline CLASS]`, started by the server.

It imports torch and diffusers at once, while the server is still fetching the model, and then does what the socket N
says. The process ends when the socket is closed, so no worker outlives its server.
"""

import argparse
import contextlib
import faulthandler
import os
import socket
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # before any Hugging Face library is imported: they read it then
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
os.environ["TQDM_DISABLE"] = "1"
# Threads that wait for each other do so asleep: on a CPU with other work to do, spinning makes small models fifty
# times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Where torch finds Triton it hands it some plain CUDA operations, which Triton compiles with a C compiler that may
# not be there.
os.environ.setdefault("TORCH_DISABLE_NATIVE_JIT", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # it warns of image processors that no pipeline here uses
# It prints the piece of a prompt that a text encoder does not take; `truncated_tokens` counts it instead.
os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
# An eighth of the import is for LoRAs, which diffusers and transformers do without where there is no such module.
if not os.environ.get("IMAGE_GEN_LORAS", "").strip():
    sys.modules["peft"] = None  # type: ignore[assignment] # Python's own sign that there is none


def main() -> None:
    """Reads the arguments and serves the socket until it ends."""
    parser = argparse.ArgumentParser(prog="image_gen.worker")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--pipeline", default=None)
    options = parser.parse_args()
    # A crash in native code leaves at least the function that it happened in.
    faulthandler.enable()
    # When memory runs out, the kernel should kill this process and not the server, which then reports it.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("800", encoding="ascii")
    from image_gen.worker.worker import Worker

    Worker(socket.socket(fileno=options.fd)).run(options.device, options.pipeline)


if __name__ == "__main__":
    main()
