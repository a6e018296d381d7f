"""Cuts the power of a disk after and amid each command, on each file system, and prints how that ended.

    npm run test:power-cuts -- [--seeds 5] [--source DIR]

Needs root, and the tools of the file systems. Exit code 1 when a byte was wrong, or a file of a finished command lost.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from tests.faults.commands import FaultError
from tests.faults.families import Family
from tests.faults.families.power_cuts import COMMANDS, FILE_SYSTEMS, MOMENTS, power_cut
from tests.faults.play import player
from tests.faults.stage import SOURCE, LeftOutError


def main() -> int:
    parser = argparse.ArgumentParser(prog="npm run test:power-cuts --", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5, help="how many of each line of the table (default: 5)")
    parser.add_argument("--source", type=Path, default=SOURCE, metavar="DIR", help="the `src` of another version")
    options = parser.parse_args()
    wrong = 0
    sys.stdout.write(f"{'disk':6}{'command':10}{'moment':8}{'right':7}{'wrong':7}left out\n")
    with player(options.source.resolve()) as made:
        for kind, command, moment in [(k, c, m) for k in FILE_SYSTEMS for c in COMMANDS for m in MOMENTS]:
            play = partial(power_cut, kind=kind, command=command, moment=moment)
            ends: dict[str, list[str]] = {"right": [], "wrong": [], "left out": []}
            for seed in range(options.seeds):
                try:
                    ends["right"].append(made.play(Family(f"{kind} {command} {moment}", 8, play, slow=True), seed))
                except FaultError as error:
                    ends["wrong"].append(f"seed {seed}: {error}")
                except LeftOutError as error:
                    ends["left out"].append(str(error))
            counts = "".join(f"{len(ends[end]):<7}" for end in ends)
            sys.stdout.write(f"{kind:6}{command:10}{moment:8}{counts}{' '.join(sorted(set(ends['left out'])))}\n")
            sys.stdout.writelines(f"    {line}\n" for line in ends["wrong"])
            sys.stdout.flush()
            wrong += len(ends["wrong"])
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
