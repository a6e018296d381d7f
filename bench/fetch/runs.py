"""A random model for the hub on loopback, and the processes that fetch it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench_hub import BenchHub

MODEL = "bench/model"
# Parts of a model of SDXL's shape, in hundredths of its bytes.
_WEIGHTS = {"unet": 74, "text_encoder_2": 20, "text_encoder": 4, "vae": 2}
_STEP = 4 << 20


def write_model(folder: Path, megabytes: int) -> int:
    """Writes the model; returns its bytes."""
    folder.mkdir(parents=True)
    index: dict[str, Any] = {"_class_name": "StableDiffusionXLPipeline"}
    for name, share in _WEIGHTS.items():
        index[name] = ["diffusers", "AutoencoderKL"]
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(json.dumps({"part": name}))
        left = megabytes * 1_000_000 * share // 100
        with (folder / name / "diffusion_pytorch_model.safetensors").open("wb") as stream:
            while left:
                stream.write(os.urandom(min(_STEP, left)))
                left -= min(_STEP, left)
    for name in ("tokenizer", "scheduler"):
        index[name] = ["transformers", "CLIPTokenizer"]
        (folder / name).mkdir()
        (folder / name / f"{name}_config.json").write_text(json.dumps({"part": name}))
    (folder / "model_index.json").write_text(json.dumps(index))
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@dataclass(frozen=True)
class Run:
    """One fetch: seconds from the process's start, seconds from its first question, and its memory of its own."""

    wall_seconds: float
    fetch_seconds: float
    peak_anonymous_bytes: int


def environment(hub: BenchHub, home: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "HF_HOME": str(home),
        "HF_ENDPOINT": hub.url,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }


def ours() -> list[str]:
    return [sys.executable, "-m", "image_gen", "prefetch", "--model", MODEL, "--json"]


def theirs() -> list[str]:
    return [str(Path(sys.executable).with_name("hf")), "download", MODEL]


def timed(hub: BenchHub, command: list[str], home: Path) -> Run:
    """Runs a fetch to its end."""
    hub.forget()
    # What an earlier run wrote must not be written to the disk in this one's time.
    os.sync()
    began = time.time()
    peak = [0]
    with subprocess.Popen(
        command, env=environment(hub, home), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        watcher = threading.Thread(target=_watch, args=(process, peak))
        watcher.start()
        _, stderr = process.communicate()
        ended = time.time()
        watcher.join()
    if process.returncode:
        raise SystemExit(f"bench: {command[1:4]} failed: {stderr}")
    first = min(entry["time"] for entry in hub.requests())
    return Run(ended - began, ended - first, peak[0])


def _watch(process: subprocess.Popen[str], peak: list[int]) -> None:
    while process.poll() is None:
        peak[0] = max(peak[0], anonymous_bytes(process.pid))
        time.sleep(0.02)


def anonymous_bytes(pid: int) -> int:
    """Memory that is a process's own: neither the page cache nor files mapped into it."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:")), 0)
