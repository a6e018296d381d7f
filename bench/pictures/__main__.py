"""Seconds a picture and pictures an hour: the service against a plain program of diffusers, one picture each in turn.

npm run bench:pictures -- [--device cuda] [--model full] [--sizes 64 128 256] [--steps 10] [--rounds 12]
    [--queue 16] [--env NAME=VALUE ...] [--costs 100] [--options [--only NAME]] [--out performance.json]

The weights are random, in the shape of SDXL base 1.0 (`full`) or of the demo (`tiny`). The service is the real one: its
seconds are those of a client on loopback, with HTTP, JSON and base64. The plain program gives its picture through a
pipe. Both encode PNG alike. The first picture of each size is not counted. `queue` requests from 4 clients give the
pictures an hour. `--costs` measures instead what the service, its progress events and its partial pictures add, in so
many pairs, each held to a limit. `--options` measures each option of the engine, with it and without, without the
service. `--env` sets a variable of the service, to compare a setting: IMAGE_GEN_COMPILE=1. Exit code 1 where a bar of
`bars.py` is missed, which are those of the tiny model on a CPU.
"""

from __future__ import annotations

import argparse
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

import bars
import costs
import models
import options as engine_options
from contestants import Job, Plain, Service, prefer
from figures import Ratio, commit, hardware, paired_median
from memory import own_bytes
from pixels import unlike

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
        ratio = f"{self.ratio.median:.3f} ({self.ratio.low:.3f} to {self.ratio.high:.3f})"
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
        paired_median(ours, theirs), statistics.median(speeds), rate, difference,
    )  # fmt: skip


def run(options: argparse.Namespace, place: Path, more: Mapping[str, str]) -> dict[str, Any]:
    home = place / "home"
    say(f"writing the {options.model} model of random weights ...")
    models.write(home, tiny=options.model == "tiny")
    if options.options:
        say(engine_options.HEAD)
        measured, engine = engine_options.measure(home, place, options, say)
        return about(options, more, engine) | {"options": [asdict(row) for row in measured]}
    plain = Plain(home, options.device, place / "plain.log")
    service = Service(home, options.device, place / "service.log", more)
    try:
        plain.wait()
        service.wait()
        rows: list[Row] = []
        added: list[costs.Cost] = []
        prefer(plain.process.pid, *service.pids)
        if options.costs:
            say(costs.HEAD)
            added = costs.measure(service, plain, options.costs, options.bars, say)
        else:
            say(HEAD)
        for number, size in enumerate([] if options.costs else options.sizes):
            job = Job(size, size, options.steps, 1000 * number)
            rows.append(measure(service, plain, job, options.rounds, options.queue))
            say(str(rows[-1]))
        return about(options, more, plain.about) | {
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


def about(options: argparse.Namespace, more: Mapping[str, str], engine: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "model": options.model,
        "device": options.device,
        "environment": dict(more),
        "hardware": hardware(engine["device"]),
        "versions": engine["versions"],
        "load": os.getloadavg()[0],
    }


def missed_bars(report: Mapping[str, Any], limits: bars.Bars) -> list[str]:
    """Each bar that the figures of a run miss, in words."""
    found = [f"{cost['name']}: over {cost['limit']}" for cost in report.get("costs", ()) if not cost["is_within"]]
    found += [words for row in report.get("options", ()) for words in row["missed"]]
    if report["model"] == "tiny" and report["device"] == "cpu" and not report["environment"]:
        found += [
            f"{row['size']}: {row['ratio']['high']:.3f} × a plain picture > {bars.PICTURE_HIGH}"
            for row in report.get("rows", ())
            if row["ratio"]["high"] > limits.most(bars.PICTURE_HIGH)
        ]
    return found


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench:pictures", description=__doc__.partition("\n")[0])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--model", choices=["tiny", "full"], help="default: tiny on the CPU, full on a GPU (16 GB)")
    parser.add_argument("--sizes", nargs="+", type=int, help="pixels of a side (default: 64 128 256; on a GPU 1024)")
    parser.add_argument("--steps", type=int, help="denoising steps (default: 10; on a GPU 30)")
    parser.add_argument(
        "--rounds", type=int, help="counted pairs a size, 2 at least (default: 100; of options 24; on a GPU 12)"
    )
    parser.add_argument("--queue", type=int, default=16, help="requests from 4 clients, for the pictures an hour")
    parser.add_argument("--costs", type=int, default=0, metavar="PAIRS", help="pairs of a small picture, 20 at least")
    parser.add_argument("--options", action="store_true", help="each option of the engine, with it and without")
    parser.add_argument("--only", metavar="NAME", help="one of the options")
    parser.add_argument("--env", nargs="*", default=[], metavar="NAME=VALUE", help="variables of the service")
    parser.add_argument("--out", type=Path, default=Path("performance.json"), help="where the figures are written")
    bars.add_bars(parser)
    options = parser.parse_args()
    gpu = options.device == "cuda"
    options.model = options.model or ("full" if gpu else "tiny")
    options.sizes = options.sizes or ([1024] if gpu else [64, 128, 256])
    options.steps = options.steps or (30 if gpu else 10)
    options.rounds = options.rounds or (12 if gpu else 24 if options.options else 100)
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
    missed = missed_bars(report, options.bars)
    say(f"MISSED: {'; '.join(missed)}" if missed else "all bars met")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
