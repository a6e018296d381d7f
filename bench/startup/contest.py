"""One start of one contestant: a fresh process, and what it wrote down of when it was where."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from environment import environment
from marks import FIRST_PICTURE, PICTURE_SIDE
from memory import own_bytes
from models import MODEL_ID

HERE = Path(__file__).resolve().parent
_TIMEOUT = 900.0

Marks = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Start:
    """What ended at how many seconds after the start, in that order: `copy` is that all weights are on the device, the
    last the first picture; and the most memory that the start's processes had of their own (no page cache, no mapped
    files), in bytes.
    """

    marks: Marks
    peak_bytes: int

    @property
    def seconds(self) -> float:
        """Until all weights are on the device."""
        return dict(self.marks)["copy"]

    @property
    def picture_seconds(self) -> float:
        """Until the first picture is made."""
        return dict(self.marks)[FIRST_PICTURE]

    def __str__(self) -> str:
        phases = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.marks)
        return f"{phases}; at most {self.peak_bytes / 1e9:.1f} GB of its own memory"


def contest(
    who: str, place: Path, enter: Callable[[], None], home: Path, more: Mapping[str, str] | None = None
) -> Start:
    """`who` is `guide` or `ours`, `enter` is called in the new process, `more` is added to its environment."""
    marks = place / f"marks-{time.monotonic_ns()}"
    log = place / f"{who}.log"
    program = HERE / ("guide.py" if who == "guide" else "service.py")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = environment() | {
        "HF_HOME": str(home), "HF_HUB_CACHE": str(home / "hub"), "BENCH_MARKS": str(marks), "BENCH_MODEL": MODEL_ID,
        "MODEL_ID": MODEL_ID, "IMAGE_GEN_DTYPE": "float16", "IMAGE_GEN_DEVICE": "cpu", "HOST": "127.0.0.1",
        "PORT": str(port), "IMAGE_GEN_VERIFY": "recorded", "IMAGE_GEN_WARMUP_SIZE": str(PICTURE_SIDE),
    } | (more or {})  # fmt: skip
    peak = 0
    begin = time.time()
    with log.open("wb") as output:
        command = [sys.executable, str(program)]
        process = subprocess.Popen(command, env=env, stdout=output, stderr=output, preexec_fn=enter)  # noqa: PLW1509 - one thread here
    try:
        while (seen := _read(marks)).get(FIRST_PICTURE) is None:
            if process.poll() not in {None, 0} or time.time() - begin > _TIMEOUT:
                raise SystemExit(f"{who} did not end:\n{log.read_text(encoding='utf-8', errors='replace')[-3000:]}")
            peak = max(peak, own_bytes(process.pid))
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    return Start(tuple(sorted(((name, at - begin) for name, at in seen.items()), key=lambda each: each[1])), peak)


def _read(marks: Path) -> dict[str, float]:
    try:
        return dict(json.loads(each) for each in marks.read_text(encoding="ascii").splitlines())
    except (OSError, ValueError):
        return {}
