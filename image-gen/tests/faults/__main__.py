"""Seeded faults: each harms a cache, a hub or a machine, and must end in a verified model or in one clear line.

    npm run test:faults -- [--count 320] [--seed 1] [--family NAME] [--source DIR]

prints every seed with how it ended, and ends with exit code 1 when one of them ended wrong.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections import Counter
from pathlib import Path

from tests.faults.families import all_families
from tests.faults.pool import LEFT_OUT, RIGHT, WRONG, play_all
from tests.faults.stage import SOURCE

_SEEDS_OF_ONE = 1000


def main() -> int:
    parser = argparse.ArgumentParser(prog="npm run test:faults --", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=320, help="how many seeds, spread evenly (default: 320)")
    parser.add_argument("--seed", type=int, default=1, help="other seeds for another number (default: 1)")
    parser.add_argument("--family", action="append", metavar="NAME", help="only families whose name contains this")
    parser.add_argument("--play", type=int, metavar="SEED", help="only this seed, as a wrong one names it")
    parser.add_argument("--source", type=Path, default=SOURCE, metavar="DIR", help="the `src` of another version")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: the cores)")
    parser.add_argument("--list", action="store_true", help="list the families with their causes")
    options = parser.parse_args()
    families = [each for each in all_families() if any(part in each.name for part in options.family or [""])]
    if options.list or not families:
        sys.stdout.writelines(f"{each.cause or '-'!s:>2}  {each.name}\n" for each in families)
        return 0 if families else 2
    if options.play is not None:
        seeds = [(each.name, options.play) for each in families]
    else:
        numbers = [divmod(number, len(families)) for number in range(options.count)]
        seeds = [(families[which].name, options.seed * _SEEDS_OF_ONE + turn) for turn, which in numbers]
    source = options.source.resolve()
    other = [] if source == SOURCE else ["--source", str(source)]
    tally, wide = Counter[str](), max(len(each.name) for each in families)
    for (name, seed), outcome in zip(seeds, play_all(seeds, options.jobs, source), strict=True):
        tally[outcome.kind] += 1
        sys.stdout.write(f"{name:{wide}}  {seed}  {outcome.seconds:4.1f} s  {outcome.kind:8}  {outcome.what}\n")
        if outcome.kind == WRONG:
            again = ["npm", "run", "test:faults", "--", "--family", name, "--play", str(seed), *other]
            sys.stdout.write(f"    again: {shlex.join(again)}\n")
        sys.stdout.flush()
    sums = ", ".join(f"{tally[kind]} {kind}" for kind in (RIGHT, LEFT_OUT, WRONG))
    sys.stdout.write(f"{len(families)} families, {len(seeds)} seeds: {sums}\n")
    return 1 if tally[WRONG] else 0


if __name__ == "__main__":
    sys.exit(main())
