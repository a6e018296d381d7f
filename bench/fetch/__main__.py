"""Measures the store's fetch. Comes in: rates, rounds. Goes out: a table on standard output, exit code 1 when a bar is
missed. Must not: leave anything behind, or need a network beyond loopback.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import bars
from bench_hub import BenchHub, serving
from kills import resume_ratio
from runs import MODEL, Run, ours, theirs, timed, write_model


def main() -> int:
    parser = argparse.ArgumentParser(prog="npm run bench:fetch --", description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=1000, help="size of the random model (10^6 bytes)")
    parser.add_argument("--rates", default="50,200,0", help="MB/s of the line, all connections together; 0: no limit")
    parser.add_argument(
        "--rounds", type=int, default=3, help="runs of each at each rate, alternating; the median counts"
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--kill-rate", type=int, default=100, help="MB/s of the line while processes are killed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dir", type=Path, help="where model and caches lie meanwhile (default: the system's)")
    bars.add_bars(parser)
    options = parser.parse_args()
    rates = [int(rate) for rate in options.rates.split(",") if rate]
    missed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="bench-fetch-", dir=options.dir) as place:
        folder = Path(place)
        total = write_model(folder / "hub" / "bench" / "model", options.megabytes)
        print(f"{total / 1e6:.1f} MB of random weights · {os.cpu_count()} cores · {platform.platform()}")
        with serving(folder / "hub", folder / "port") as hub:
            hub.warm_up(MODEL)
            _table(hub, folder / "home", total, rates, options, missed)
            if options.kills:
                hub.line(options.kill_rate * 1_000_000 or None)
                ratio = resume_ratio(hub, folder / "home", options.kills, options.seed)
                if ratio > options.bars.most(bars.FETCH_RESUME):
                    missed.append(f"resume ratio {ratio:.4f} > {bars.FETCH_RESUME}")
    print("\nall bars met" if not missed else "\nmissed: " + "; ".join(missed))
    return 1 if missed else 0


def _table(
    hub: BenchHub, home: Path, total: int, rates: list[int], options: argparse.Namespace, missed: list[str]
) -> None:
    print("MB/s: bytes ÷ time from the first request to the end of the process, everything on the disk and proven by")
    print("hash (ours) or not (hf download); wall: from the start of the process.\n")
    print("| line MB/s | who | MB/s | of the line | wall s | ours ÷ hf, MB/s | ours ÷ hf, wall | own memory MB |")
    print("|---|---|---|---|---|---|---|---|")
    for rate in rates:
        hub.line(rate * 1_000_000 or None)
        runs: dict[str, list[Run]] = {"image-gen": [], "hf download": []}
        for _ in range(options.rounds):
            for who, command in (("image-gen", ours()), ("hf download", theirs())):
                runs[who].append(timed(hub, command, home))
                shutil.rmtree(home)
        speed = {who: total / 1e6 / statistics.median(run.fetch_seconds for run in each) for who, each in runs.items()}
        wall = {who: statistics.median(run.wall_seconds for run in each) for who, each in runs.items()}
        memory = {who: max(run.peak_anonymous_bytes for run in each) for who, each in runs.items()}
        by_speed, by_wall = speed["image-gen"] / speed["hf download"], wall["hf download"] / wall["image-gen"]
        for who in runs:
            ratios = f"{by_speed:.2f} | {by_wall:.2f}" if who == "image-gen" else " | "
            of_line = f"{speed[who] / rate:.3f}" if rate else ""
            print(
                f"| {rate or 'no limit'} | {who} | {speed[who]:.1f} | {of_line} | {wall[who]:.2f} | {ratios} | "
                f"{memory[who] / 1e6:.0f} |",
                flush=True,
            )
        missed += missed_bars(rate, speed["image-gen"], by_speed, memory["image-gen"], options.bars)


def missed_bars(rate: int, speed: float, by_theirs: float, memory: int, limits: bars.Bars) -> list[str]:
    """Of one line; `rate` and `speed` are in MB/s, `memory` in bytes."""
    name, missed = f"at {rate} MB/s" if rate else "without a limit", []
    if rate and speed / rate < limits.least(bars.FETCH_LINE):
        missed.append(f"{speed / rate:.3f} of the line {name} < {bars.FETCH_LINE}")
    if by_theirs < limits.least(bars.FETCH_THEIRS):
        missed.append(f"{by_theirs:.2f} × hf download {name} < {bars.FETCH_THEIRS}")
    if memory > limits.most(bars.FETCH_BYTES):
        missed.append(f"{memory / 1e6:.0f} MB of memory {name}")
    return missed


if __name__ == "__main__":
    sys.exit(main())
