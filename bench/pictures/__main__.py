"""Seconds a picture and pictures an hour: the service against a plain program of diffusers, one picture each in turn.

npm run bench:pictures -- [--device cuda] [--model full] [--sizes 64 128 256] [--steps 10] [--rounds 12]
    [--queue 16] [--env NAME=VALUE ...] [--costs 100] [--out performance.json]

The weights are random, in the shape of SDXL base 1.0 (`full`) or of the demo (`tiny`). The service is the real one: its
seconds are those of a client on loopback, with HTTP, JSON and base64. The plain program gives its picture through a
pipe. Both encode PNG alike. The first picture of each size is not counted. `queue` requests from 4 clients give the
pictures an hour. `--costs` measures instead what the service, its progress events and its partial pictures add, in so
many pairs, each held to a limit: exit code 1 where one is over it. `--env` sets a variable of the service, to compare a
setting: IMAGE_GEN_COMPILE=1.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import costs
import models
from contestants import Job, Plain, Service, prefer
from figures import Ratio, commit, hardware, paired_ratio
from memory import own_bytes

CLIENTS = 4


@dataclass(frozen=True)
class Row:
    """Seconds are medians, `ratio` is the service's seconds divided by the plain program's, pair by pair.

    `difference` is the largest difference of a colour value (0 to 255) between the two pictures of one seed.
    """

    size: str
    steps: int
    rounds: int
    service_seconds: float
    plain_seconds: float
    ratio: Ratio
    plain_steps_per_second: float
    pictures_per_hour: float
    difference: int

    def __str__(self) -> str:
        ratio = f"{self.ratio.mean:.3f} ({self.ratio.low:.3f} to {self.ratio.high:.3f})"
        return (
            f"| {self.size} | {self.steps} | {self.service_seconds:.3f} | {self.plain_seconds:.3f} | {ratio} "
            f"| {self.plain_steps_per_second:.1f} | {self.pictures_per_hour:.0f} | {self.difference} |"
        )


HEAD = (
    "| size | steps | service, s | plain, s | ratio (95 % interval) | plain, steps/s | pictures an hour "
    "| difference |\n"
    "|---|---|---|---|---|---|---|---|"
)


def measure(service: Service, plain: Plain, job: Job, rounds: int, queue: int) -> Row:
    """Pairs in turn, the order within a pair changing; then a queue for the service alone."""
    ours, theirs, speeds, difference = [], [], [], 0
    for number in range(rounds + 1):
        one = Job(job.width, job.height, job.steps, job.seed + number)
        if number % 2:
            own, other = service.make(one), plain.make(one)
        else:
            other, own = plain.make(one), service.make(one)
        if number:
            ours.append(own.seconds)
            theirs.append(other.seconds)
            speeds.append(plain.steps_per_second)
        difference = max(difference, unlike(own.picture, other.picture))
    begin = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as clients:
        jobs = [Job(job.width, job.height, job.steps, seed) for seed in range(queue)]
        made = list(clients.map(service.make, jobs))
    rate = len(made) / (time.perf_counter() - begin) * 3600
    return Row(
        f"{job.width}x{job.height}", job.steps, rounds, statistics.median(ours), statistics.median(theirs),
        paired_ratio(ours, theirs), statistics.median(speeds), rate, difference,
    )  # fmt: skip


def unlike(one: bytes, other: bytes) -> int:
    """The largest difference between two pictures, 0 to 255."""
    import numpy as np
    from PIL import Image

    first, second = (np.asarray(Image.open(io.BytesIO(each)).convert("RGB"), dtype=np.int16) for each in (one, other))
    return int(np.abs(first - second).max())


def run(options: argparse.Namespace, place: Path, more: Mapping[str, str]) -> dict[str, Any]:
    home = place / "home"
    say(f"writing the {options.model} model of random weights ...")
    models.write(home, tiny=options.model == "tiny")
    plain = Plain(home, options.device, place / "plain.log")
    service = Service(home, options.device, place / "service.log", more)
    try:
        plain.wait()
        service.wait()
        rows: list[Row] = []
        added: list[costs.Cost] = []
        if options.costs:
            prefer(plain.process.pid, *service.pids)
            say(costs.HEAD)
            added = costs.measure(service, plain, options.costs, say)
        else:
            say(HEAD)
        for number, size in enumerate([] if options.costs else options.sizes):
            job = Job(size, size, options.steps, 1000 * number)
            rows.append(measure(service, plain, job, options.rounds, options.queue))
            say(str(rows[-1]))
        return {
            "date": datetime.now(UTC).date().isoformat(),
            "commit": commit(),
            "model": options.model,
            "device": options.device,
            "environment": dict(more),
            "hardware": hardware(plain.about["device"]),
            "versions": plain.about["versions"],
            "startup_phase_seconds": service.phase_seconds,
            "memory_bytes": {
                "service": own_bytes(service.process.pid), "plain": own_bytes(plain.process.pid),
                "service_gpu_peak": int(service.metric("image_gen_gpu_memory_peak_bytes")),
                "plain_gpu_peak": plain.gpu_peak_bytes,
            },
            "rows": [asdict(row) for row in rows],
            "costs": [asdict(cost) for cost in added],
        }  # fmt: skip
    finally:
        plain.end()
        service.end()


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench:pictures", description=__doc__.partition("\n")[0])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--model", choices=["tiny", "full"], help="default: tiny on the CPU, full on a GPU (16 GB)")
    parser.add_argument("--sizes", nargs="+", type=int, help="pixels of a side (default: 64 128 256; on a GPU 1024)")
    parser.add_argument("--steps", type=int, help="denoising steps (default: 10; on a GPU 30)")
    parser.add_argument("--rounds", type=int, default=12, help="counted pairs a size, 2 at least")
    parser.add_argument("--queue", type=int, default=16, help="requests from 4 clients, for the pictures an hour")
    parser.add_argument("--costs", type=int, default=0, metavar="PAIRS", help="pairs of a small picture, 20 at least")
    parser.add_argument("--env", nargs="*", default=[], metavar="NAME=VALUE", help="variables of the service")
    parser.add_argument("--out", type=Path, default=Path("performance.json"), help="where the figures are written")
    options = parser.parse_args()
    gpu = options.device == "cuda"
    options.model = options.model or ("full" if gpu else "tiny")
    options.sizes = options.sizes or ([1024] if gpu else [64, 128, 256])
    options.steps = options.steps or (30 if gpu else 10)
    if 0 < options.costs < 20:
        parser.error("--costs takes 20 or more")
    if options.rounds < 2 or any("=" not in each for each in options.env):
        parser.error("--rounds takes 2 or more, --env takes NAME=VALUE")
    more = dict(each.split("=", 1) for each in options.env)
    os.environ |= {"HF_HUB_OFFLINE": "1"}
    place = Path(tempfile.mkdtemp(prefix="image-gen-pictures-"))
    try:
        report = run(options, place, more)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    options.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    say(f"figures: {options.out}")
    return 0 if all(cost["is_within"] for cost in report["costs"]) else 1


if __name__ == "__main__":
    sys.exit(main())
