"""Paired times in figures, and what the machine is that gave them."""

from __future__ import annotations

import os
import platform
import random
import re
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_RESAMPLES = 10_000


@dataclass(frozen=True)
class Ratio:
    """The median of paired ratios, with the 95 % interval of a bootstrap over the pairs. Two pairs at least."""

    median: float
    low: float
    high: float


def paired_median(ours: Sequence[float], plain: Sequence[float]) -> Ratio:
    """The median of the pairs' ratios, which other work on the machine moves less than their mean."""
    ratios = [one / other for one, other in zip(ours, plain, strict=True)]
    draw = random.Random(0)
    medians = sorted(statistics.median(draw.choices(ratios, k=len(ratios))) for _ in range(_RESAMPLES))
    low, high = medians[int(_RESAMPLES * 0.025)], medians[int(_RESAMPLES * 0.975)]
    return Ratio(statistics.median(ratios), low, high)


def hardware(gpu: str | None) -> dict[str, object]:
    """Processor, cores, memory and GPU."""
    cpu = re.search(r"^model name\s*:\s*(.+)$", _text("/proc/cpuinfo"), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s+(\d+) kB", _text("/proc/meminfo"), re.MULTILINE)
    return {
        "processor": cpu[1] if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "memory_bytes": int(memory[1]) * 1024 if memory else None,
        "gpu": gpu,
    }


def commit() -> str | None:
    """The checkout's commit, with `+` when files differ from it; None outside a checkout."""
    here = Path(__file__).resolve().parent

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(here), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    try:
        return git("rev-parse", "HEAD").strip() + ("+" if git("status", "--porcelain").strip() else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
