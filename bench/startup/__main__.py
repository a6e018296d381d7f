"""How soon a cached model is on its device and has made its first picture: the service against the guide's own program.

npm run bench:startup -- [--sizes full] [--rates 125 300 1000 0] [--caches cold warm baked] [--lines 200] [--rounds 1]
    [--out DIR]

Both run in turn on one block device, which the kernel throttles. Each run is a fresh process; libraries are in the page
cache, the model is there only when `warm`. The weights stay fp16 on the CPU and every one is copied once, as a move to
a GPU would do. Every byte is hashed: a cached model's by BLAKE3, which a start before the measured ones recorded, a
baked one's by sha256. The first picture is one of 64 pixels in two steps, for both. Exit code 1 where a bar of
`bars.py` is missed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import bars
import models
from contest import Start, contest
from disk import Disk
from environment import environment
from first import first_start
from forecast import forecast, is_near, measure
from memory import own_memory
from timeline import Bar, draw

HERE = Path(__file__).resolve().parent
PLAIN = "from diffusers import StableDiffusionXLPipeline"
LEAN = "from image_gen.worker.lean_imports import diffusers_class; diffusers_class('StableDiffusionXLPipeline')"
# As much memory as the weights take, and none of it used before: a machine's first touch of a page is its slowest.
COPY = """
import sys, time, torch
source, kept = torch.ones(1 << 27, dtype=torch.float16), []
begin = time.perf_counter()
while len(kept) * source.nbytes < int(sys.argv[1]):
    kept.append(source.clone())
print(len(kept) * source.nbytes / (time.perf_counter() - begin))
"""
_DISK_RATES = (125, 300)
FULL_DISK, TINY_DISK = 8_200_000_000, 200_000_000


@dataclass
class Row:
    """One line of the table. `guide` and `ours` are the marks of each round's run."""

    size: str
    cache: str
    rate: int
    limit: float
    bars: bars.Bars
    # What `imagegen plan` said of the first picture, before the runs; None for a model that it has no manifest of.
    forecast: float | None = None
    runs: dict[str, list[Start]] = field(default_factory=lambda: {"guide": [], "ours": []})

    def seconds(self, who: str) -> float:
        """Until all weights are on the device."""
        return statistics.median(start.seconds for start in self.runs[who])

    def picture_seconds(self, who: str) -> float:
        """Until the first picture is made."""
        return statistics.median(start.picture_seconds for start in self.runs[who])

    @property
    def name(self) -> str:
        return f"{self.size}, {self.cache} cache, {f'{self.rate} MB/s' if self.rate else 'unthrottled'}"

    @property
    def is_met(self) -> bool:
        """Whether the medians are within the bars."""
        guide, ours = self.seconds("guide"), self.seconds("ours")
        # Where the disk is the slowest part; else the limit is a sum of estimates.
        judged = self.size == "full" and self.rate in _DISK_RATES
        most = self.bars.most(bars.STARTUP_GUIDE)
        in_time = ours <= guide * most and self.picture_seconds("ours") <= self.picture_seconds("guide") * most
        if self.forecast is not None and not is_near(self.picture_seconds("ours"), self.forecast, self.bars):
            return False
        return in_time and (not judged or ours <= self.limit * self.bars.most(bars.STARTUP_LIMIT))


class Bench:
    """The runs on one disk with one model."""

    def __init__(self, options: argparse.Namespace, place: Path) -> None:
        self._options = options
        self._place = place
        self._imports = {"plain": 0.0, "lean": 0.0}
        self._copy_rate = 1.0
        self.missed: list[str] = []

    def run(self) -> list[Row]:
        self._measure_imports()
        rows = []
        for size in self._options.sizes:
            with Disk(self._place, FULL_DISK if size == "full" else TINY_DISK) as disk:
                rows += self._on(disk, size)
        return rows

    def _measure_imports(self) -> None:
        seconds: dict[str, list[float]] = {"plain": [], "lean": []}
        for _ in range(max(3, self._options.rounds)):
            for name, code in (("plain", PLAIN), ("lean", LEAN)):
                begin = time.perf_counter()
                subprocess.run([sys.executable, "-c", code], env=environment(), check=True, stderr=subprocess.DEVNULL)
                seconds[name].append(time.perf_counter() - begin)
        self._imports = {name: min(values) for name, values in seconds.items()}
        plain, lean = self._imports["plain"], self._imports["lean"]
        bar = f"bar {bars.STARTUP_IMPORTS:.2f}, best of each"
        say(f"imports: plain {plain:.2f} s, ours {lean:.2f} s, import ratio {lean / plain:.2f} ({bar})")
        if lean > plain * self._options.bars.most(bars.STARTUP_IMPORTS):
            self.missed.append("imports")

    def _measure_copy(self, total: int) -> None:
        command = [sys.executable, "-c", COPY, str(total)]
        output = subprocess.run(command, env=environment(), check=True, stdout=subprocess.PIPE)
        self._copy_rate = float(output.stdout)
        say(f"one copy of weights: {self._copy_rate / 1e9:.2f} GB/s into fresh memory")

    def _on(self, disk: Disk, size: str) -> list[Row]:
        if disk.why_plain:
            say(f"NOT THROTTLED: {disk.why_plain}; every row below runs at the disk's own rate.")
        home = disk.mount / "home"
        ready = self._options.model
        if ready and size == "full":
            shutil.copytree(ready, home, symlinks=True)
        else:
            tiny = ["--tiny"] if size == "tiny" else []
            command = [sys.executable, models.__file__, str(home), *tiny]
            subprocess.run(command, env=environment(), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        total = sum(path.stat().st_size for path in home.rglob("blobs/*"))
        say(f"{size}: {total / 1e9:.3f} GB of fp16 weights, kept as they are by both")
        self._measure_copy(total)
        self._record(disk, home)
        rows = []
        for cache in self._options.caches:
            # A warm cache is not read from the disk: its rate makes no difference.
            for rate in (self._options.rates if not disk.why_plain else [0]) if cache != "warm" else [0]:
                reading = 0.0 if cache == "warm" else total / (rate * 1e6 or self._own_rate(disk))
                limit = max(reading, self._imports["lean"]) + total / self._copy_rate + 2.0
                row = Row(size, cache, rate, limit, self._options.bars, self._forecast(disk, home, size, cache, rate))
                self._fill(row, disk, home)
                rows.append(row)
                if not row.is_met:
                    self.missed.append(row.name)
                say(line(row))
                for who, runs in row.runs.items():
                    say(f"  {who:<6} {runs[-1]}")
        for rate in self._options.lines if size == "full" else ():
            planned = forecast("first", self._rates(disk, home, 0), rate) if rate else None
            if not first_start(home, self._place, rate, self._imports["lean"], planned, self._options.bars, say):
                self.missed.append(f"first start, {f'{rate} MB/s' if rate else 'no limit'}")
        return rows

    def _rates(self, disk: Disk, home: Path, rate: int) -> Path:
        """A file with the rates of this machine, measured once for each limit of the disk."""
        file = self._place / f"rates-{rate}.json"
        if not file.exists():
            disk.throttle(rate)
            say(f"rates for the forecast: {measure(home, file, disk.enter)}")
            disk.throttle(0)
        return file

    def _forecast(self, disk: Disk, home: Path, size: str, cache: str, rate: int) -> float | None:
        if size != "full":
            return None
        seconds = forecast(cache, self._rates(disk, home, rate))
        at = f"{rate} MB/s" if rate else "the own rate"
        say(f"forecast of a {cache} start at {at}: first picture after {seconds:.0f} s")
        return seconds

    def _record(self, disk: Disk, home: Path) -> None:
        """A start that is not measured: it compares sha256 and records BLAKE3, which the measured ones compare."""
        contest("ours", self._place, disk.enter, home)
        if not any(home.glob("image-gen/stamps/*.json")):
            raise SystemExit("bench:startup: the service recorded no hashes; every start would compare sha256")

    @staticmethod
    def _own_rate(disk: Disk) -> float:
        """Bytes a second of an unthrottled disk."""
        disk.forget()
        rate = disk.read_rate(list(disk.mount.rglob("blobs/*")))
        say(f"the disk's own rate: {rate / 1e6:.0f} MB/s")
        return rate

    def _fill(self, row: Row, disk: Disk, home: Path) -> None:
        for _ in range(self._options.rounds):
            for who in ("guide", "ours"):
                disk.throttle(0)
                disk.warm() if row.cache == "warm" else disk.forget()
                disk.throttle(row.rate)
                nowhere = {"HF_HOME": str(self._place / "none"), "IMAGE_GEN_VERIFY": "full"}
                baked = {"IMAGE_GEN_BAKED_DIR": str(models.bake(home)), **nowhere}
                more = baked if row.cache == "baked" and who == "ours" else {}
                row.runs[who].append(contest(who, self._place, disk.enter, home, more))
        disk.throttle(0)


def line(row: Row) -> str:
    """A line of the table, with the bars that it has to meet."""
    guide, ours = row.seconds("guide"), row.seconds("ours")
    first = f"first picture {row.picture_seconds('guide'):.1f} and {row.picture_seconds('ours'):.1f} s"
    if row.forecast is not None:
        first += f", forecast {row.forecast:.0f} s (bar {bars.STARTUP_FORECAST:.0%})"
    return (
        f"{row.name:<34} guide {guide:6.1f} s  ours {ours:6.1f} s  "
        f"ratio {ours / guide:4.2f} (bar {bars.STARTUP_GUIDE:.2f})  "
        f"limit {row.limit:6.1f} s  of limit {ours / row.limit:4.2f} (bar {bars.STARTUP_LIMIT})  {first}  "
        f"{'met' if row.is_met else 'NOT MET'}"
    )


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench:startup", description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", nargs="+", choices=["full", "tiny"], default=["tiny", "full"])
    parser.add_argument("--rates", nargs="+", type=int, default=[125, 300, 1000, 0], help="MB/s; 0 is unthrottled")
    parser.add_argument("--caches", nargs="+", choices=["cold", "warm", "baked"], default=["cold", "warm", "baked"])
    parser.add_argument(
        "--lines", nargs="*", type=int, default=[200], help="MB/s from the hub at a first start; 0 is no limit"
    )
    parser.add_argument("--rounds", type=int, default=1, help="runs of each contestant a row; the median counts")
    parser.add_argument("--model", type=Path, help="a full-size model made before by models.py, copied from there")
    parser.add_argument("--out", type=Path, help="where the timeline is drawn (default: a temporary directory)")
    bars.add_bars(parser)
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="image-gen-startup-"))
    out = options.out or Path(tempfile.mkdtemp(prefix="image-gen-timeline-"))
    try:
        with own_memory(say):
            bench = Bench(options, place)
            rows = bench.run()
    finally:
        shutil.rmtree(place, ignore_errors=True)
    say("\n" + "\n".join(line(row) for row in rows))
    drawn = [Bar(f"{row.name}: {who}", row.runs[who][-1].marks, row.limit) for row in rows for who in ("guide", "ours")]
    out.mkdir(parents=True, exist_ok=True)
    draw(out / "startup.svg", drawn, f"Seconds until all weights are on the device ({os.cpu_count()} cores)")
    say(f"timeline: {out / 'startup.svg'}")
    if bench.missed:
        say(f"NOT MET: {'; '.join(bench.missed)}")
    return 1 if bench.missed else 0


if __name__ == "__main__":
    sys.exit(main())
