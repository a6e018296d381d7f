"""The bars of all benches in Python: what a bench has to reach, or it exits with 1. The others' are in `bench/bars.ts`.

`--bars 0.5` makes every bar of a bench twice as hard; 0 lets it miss all of them, which shows that a miss is one.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass


@dataclass
class Bars:
    """Of this run. Times are ratios to a baseline unless the name has a unit."""

    scale: float = 1.0

    def most(self, value: float) -> float:
        """What may not be exceeded."""
        return value * self.scale

    def least(self, value: float) -> float:
        """What has to be reached."""
        return value / self.scale if self.scale else math.inf


# bench:pictures. The upper end of the 95 % interval of our picture by a plain one of diffusers.
PICTURE_HIGH = 1.02
# Four pictures by one call, by the same four one after another: on the CPU, for the tiny model at this side in pixels.
BATCH, BATCH_SIDE = 0.80, 64
# What `auto` uses: of 255, the most that a colour value may differ, and the lower end of the interval of its time.
AUTO_DIFFERENCE, AUTO_LOW = 2, 1.02
# bench:startup. Imports by plain ones; all weights by the limit of disk, imports and one copy; by the guide's program;
# seconds after imports and last byte of a first start; the first picture's difference from the forecast, by that.
STARTUP_IMPORTS, STARTUP_LIMIT, STARTUP_GUIDE, STARTUP_FIRST_SECONDS = 0.70, 1.15, 1.0, 3.0
STARTUP_FORECAST = 0.25
# bench:fetch. Of the line's rate; by `hf download`; bytes sent by those of the model after kills; memory in bytes.
FETCH_LINE, FETCH_THEIRS, FETCH_RESUME, FETCH_BYTES = 0.95, 1.0, 1.02, 300_000_000
# bench:verify, by the slower of disk and cores.
VERIFY = 0.9
# bench:backup, by tar's time.
BACKUP = 1.5
# bench:workers. What so many make, by what one makes.
WORKERS = {2: 1.9, 8: 7.0}


def add_bars(parser: argparse.ArgumentParser) -> None:
    """The option; `options.bars` are the bars."""
    parser.add_argument(
        "--bars", type=lambda text: Bars(float(text)), default=Bars(), metavar="FACTOR", help="multiplies every bar"
    )
