"""`npm run test:fuzz -- [--seed N] [--count N] [--first N] [--engine fake|demo]`: prints what it finds, and sums up.

`--first 1234 --count 1` repeats one finding of a seed.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.serving.conftest import _end

from .play import play
from .server import start


def main() -> int:
    parser = argparse.ArgumentParser(prog="test:fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--engine", choices=["fake", "demo"], default="fake", help="demo: a real pipeline on the CPU")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="image-gen-fuzz-") as folder:
        server = start(Path(folder), options.engine)
        try:
            numbers = range(options.first, options.first + options.count)
            found = asyncio.run(play(server.port, options.seed, numbers))
            statuses = ", ".join(f"{status}: {count}" for status, count in sorted(found.statuses.items()))
            text = "\n".join([*found.bad, f"{options.count} requests of seed {options.seed}: {statuses}"])
            sys.stdout.write(f"{text}\n{len(found.bad)} findings\n")
            return 1 if found.bad or "Traceback" in server.log else 0
        finally:
            _end(server)


if __name__ == "__main__":
    sys.exit(main())
