"""How fast `image-gen verify` reads and hashes a model, against the slower of the disk and the cores.

npm run bench:verify -- [--sizes full] [--rates 125 300 1000 0] [--rounds 1]

The model lies on a block device of the bench's own, which the kernel throttles, out of the page cache before each run.
The disk's rate is measured right before, by plain large reads of the same files in the same control group; the cores'
by hashing memory on every core, once as if each core could hash any part, and once with each file on one core, as one
sha256 is: the limit is the larger figure of time. Only the command itself is timed, start of Python included.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import bars
import models
from disk import Disk
from memory import own_memory

SOURCES = Path(__file__).resolve().parents[2] / "image-gen" / "src"
FULL_DISK, TINY_DISK = 8_200_000_000, 200_000_000
HASH = """
import hashlib, sys, threading, time
chunk, total = bytes(8 << 20), int(sys.argv[2])
def work():
    digest, left = hashlib.sha256(), total
    while left > 0:
        digest.update(chunk); left -= len(chunk)
threads = [threading.Thread(target=work) for _ in range(int(sys.argv[1]))]
begin = time.perf_counter()
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(threads) * total / (time.perf_counter() - begin))
"""


@dataclass(frozen=True)
class Row:
    """One line of the table; rates are bytes a second."""

    name: str
    disk: float
    cores: float
    one_core: float
    ours: float
    files: tuple[int, ...]

    @property
    def limit(self) -> float:
        """Whichever takes longest: the disk, all the cores, or one core with the largest file."""
        total = sum(self.files)
        return total / max(total / self.disk, total / self.cores, max(self.files) / self.one_core)

    @property
    def plain_limit(self) -> float:
        return min(self.disk, self.cores)


class Bench:
    """The runs on one disk with one model."""

    def __init__(self, options: argparse.Namespace, place: Path) -> None:
        self._options = options
        self._place = place
        self._cores = len(os.sched_getaffinity(0))

    def run(self) -> list[Row]:
        rows = []
        for size in self._options.sizes:
            with Disk(self._place, FULL_DISK if size == "full" else TINY_DISK) as disk:
                _say(f"making the {size} model …")
                arguments = [str(disk.mount), *(["--tiny"] if size == "tiny" else [])]
                subprocess.run(
                    [sys.executable, models.__file__, *arguments],
                    env=_environment(disk.mount),
                    check=True,
                    stdout=subprocess.DEVNULL,
                )
                if disk.why_plain:
                    _say(f"NOTE: {disk.why_plain}; rates are not throttled.")
                for rate in self._options.rates if not disk.why_plain else [0]:
                    rows.append(self._row(disk, size, rate))
        return rows

    def _row(self, disk: Disk, size: str, rate: int) -> Row:
        blobs = sorted((disk.mount / "hub").glob("models--*/blobs/*"), key=lambda path: -path.stat().st_size)
        sizes = tuple(path.stat().st_size for path in blobs)
        disk.throttle(rate)
        seconds, floors = [], []
        for _ in range(self._options.rounds):
            disk.forget()
            floors.append(disk.read_rate(blobs))
            disk.forget()
            begin = time.perf_counter()
            report = json.loads(_output(disk, "-m", "image_gen", "verify", "--model", models.MODEL_ID, "--json"))
            seconds.append(time.perf_counter() - begin)
            assert report["ok"] and report["models"][0]["bytes"] >= sum(sizes)
        disk.throttle(0)
        name = f"{size}, {f'{rate} MB/s' if rate else 'unthrottled'}"
        _say(f"{name}: {statistics.median(seconds):.1f} s")
        cores, one = (float(_output(None, "-c", HASH, str(count), "2000000000")) for count in (self._cores, 1))
        return Row(name, statistics.median(floors), cores, one, sum(sizes) / statistics.median(seconds), sizes)


def _output(disk: Disk | None, *arguments: str) -> str:
    env = _environment(disk.mount if disk else Path("/nonexistent"))
    return subprocess.run(
        [sys.executable, *arguments],
        env=env,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=disk.enter if disk else None,
    ).stdout


def _environment(home: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCES), "HF_HOME": str(home), "HF_HUB_OFFLINE": "1"}


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def reached(row: Row, limits: bars.Bars) -> bool:
    return row.ours / row.limit >= limits.least(bars.VERIFY)


def main() -> int:
    parser = argparse.ArgumentParser(description="How fast the cache is verified.")
    parser.add_argument("--sizes", nargs="+", default=["full"], choices=["full", "tiny"])
    parser.add_argument("--rates", nargs="+", type=int, default=[125, 300, 1000, 0], metavar="MB/s")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--place", default=tempfile.gettempdir(), help="where the disk's file is made")
    bars.add_bars(parser)
    options = parser.parse_args()
    with own_memory(_say), tempfile.TemporaryDirectory(dir=options.place, prefix="image-gen-bench-") as place:
        rows = Bench(options, Path(place)).run()
    print(f"{'MB/s':24} {'verify':>8} {'disk':>8} {'cores':>8} {'1 core':>8} {'limit':>8} {'ratio':>6} {'plain':>6}")
    for row in rows:
        figures = [row.ours, row.disk, row.cores, row.one_core, row.limit]
        ratios = [row.ours / row.limit, row.ours / row.plain_limit]
        cells = " ".join(f"{each / 1e6:8.0f}" for each in figures) + " " + " ".join(f"{each:6.2f}" for each in ratios)
        print(f"{row.name:24} {cells}  {'ok' if reached(row, options.bars) else 'BELOW THE BAR'}")
    print(f"ratio: verify / limit, bar {bars.VERIFY}; plain: verify / the lower of disk and cores.")
    print("limit: the slowest of the disk, all cores, and one core hashing the largest file.")
    load = os.getloadavg()[0]
    print(f"Load of the machine at the end: {load:.1f} on {len(os.sched_getaffinity(0))} cores.")
    return 0 if all(reached(row, options.bars) for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
