"""What `imagegen plan` says of a start before it, with the rates that `image-gen measure` finds on the bench's disk."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bars import STARTUP_FORECAST, Bars
from environment import environment
from marks import PICTURE_SIDE

ROOT = Path(__file__).resolve().parents[2]
# The model that the bench's has the shape of.
_MODEL = "stabilityai/stable-diffusion-xl-base-1.0"
# The kinds of starts, as the plan names them.
SECONDS = {"cold": "cachedSeconds", "warm": "warmSeconds", "baked": "bakedSeconds", "first": "firstSeconds"}


def measure(home: Path, file: Path, enter: Callable[[], None]) -> str:
    """Writes the rates of this machine, and of the disk that `home` is on at its present limit; on one line, too."""
    env = environment() | {
        "HF_HOME": str(home), "IMAGE_GEN_DEVICE": "cpu", "IMAGE_GEN_DTYPE": "float16",
        "IMAGE_GEN_WARMUP_SIZE": str(PICTURE_SIDE),
    }  # fmt: skip
    command = [sys.executable, "-m", "image_gen", "measure", "--json"]
    done = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, preexec_fn=enter)
    file.write_bytes(done.stdout)
    return ", ".join(f"{name} {value}" for name, value in json.loads(done.stdout).items())


def forecast(kind: str, file: Path, line: int = 0) -> float:
    """Seconds until the first picture; `line` is in MB/s."""
    command = ["node", "cli/bin.mjs", "plan", "--stack", "local", "--model", _MODEL, "--rates", str(file)]
    rate = ["--download-rate", str(line)] if line else []
    done = subprocess.run([*command, *rate, "--json"], cwd=ROOT, env=environment(), check=True, stdout=subprocess.PIPE)
    return float(json.loads(done.stdout)["startupEstimate"][SECONDS[kind]])


def is_near(seconds: float, forecast_seconds: float, limits: Bars) -> bool:
    """Whether the forecast differs from what was measured by no more than the bar."""
    return abs(seconds - forecast_seconds) <= forecast_seconds * limits.most(STARTUP_FORECAST)
