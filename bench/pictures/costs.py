"""What the service adds to a picture, each in pairs that alternate: to the plain program's, and to its own by a stream.

Each cost has a limit; the median of the pairs is held to it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass

from bars import Bars
from contestants import Job, Made, Plain, Service
from figures import Ratio, paired_median

# A picture that takes so long is what a GPU makes, too.
LONG_SECONDS = 1.0
_MOST_STEPS = 150
Make = Callable[[Job], Made]


@dataclass(frozen=True)
class Cost:
    """Seconds are medians; `difference_ms` is the median of the pairs' differences, `ratio` that of their ratios."""

    name: str
    size: str
    steps: int
    pairs: int
    seconds: float
    baseline_seconds: float
    difference_ms: float
    ratio: Ratio
    limit: str
    is_within: bool

    def __str__(self) -> str:
        ratio = f"{self.ratio.median:.3f} ({self.ratio.low:.3f} to {self.ratio.high:.3f})"
        return (
            f"| {self.name} | {self.size} | {self.steps} | {self.pairs} | {self.baseline_seconds:.3f} "
            f"| {self.seconds:.3f} | {self.difference_ms:+.1f} | {ratio} | {self.limit} |"
        )


HEAD = (
    "| cost of | size | steps | pairs | without, s | with, s | difference, ms | ratio (95 % interval) | limit |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def measure(service: Service, plain: Plain, pairs: int, limits: Bars, say: Callable[[str], None]) -> list[Cost]:
    """The service beside the plain program for a small and a long picture, then its own events for a long one."""
    small = Job(64, 64, 4, 0)
    long = _long_job(plain)
    few = max(5, pairs // 5)
    streamed = _streamed(service)
    costs = []
    for name, job, count, ours, theirs, milliseconds, ratio in (
        ("the service", small, pairs, service.make, plain.make, 5.0, None),
        ("the service", long, few, service.make, plain.make, None, 1.02),
        ("progress events", long, few, _streamed(service, progress=True), streamed, None, 1.03),
        ("three partial pictures", long, few, _streamed(service, partial_images=3), streamed, None, 1.10),
    ):
        costs.append(_cost(name, job, count, ours, theirs, limits, milliseconds, ratio))
        say(str(costs[-1]))
    return costs


def _cost(
    name: str,
    job: Job,
    pairs: int,
    ours: Make,
    theirs: Make,
    limits: Bars,
    milliseconds: float | None,
    ratio: float | None,
) -> Cost:
    with_it, without = [], []
    for number in range(pairs + 1):
        one = Job(job.width, job.height, job.steps, number)
        if number % 2:
            own, other = ours(one), theirs(one)
        else:
            other, own = theirs(one), ours(one)
        if number:  # the first pair warms up
            with_it.append(own.seconds)
            without.append(other.seconds)
    difference = 1000 * statistics.median(one - other for one, other in zip(with_it, without, strict=True))
    paired = paired_median(with_it, without)
    most = limits.most(milliseconds if milliseconds is not None else ratio or 1)
    within = (difference if milliseconds is not None else paired.median) <= most
    limit = f"{milliseconds:.0f} ms" if milliseconds is not None else f"{100 * ((ratio or 1) - 1):.0f} %"
    return Cost(
        name, f"{job.width}x{job.height}", job.steps, pairs, statistics.median(with_it), statistics.median(without),
        difference, paired, limit, within,
    )  # fmt: skip


def _long_job(plain: Plain) -> Job:
    """A picture for which the plain program needs LONG_SECONDS at least, as far as steps go."""
    for size in (256, 512, 1024):
        plain.make(Job(size, size, 10, 0))
        seconds = plain.make(Job(size, size, 10, 0)).seconds
        steps = min(_MOST_STEPS, math.ceil(10 * 1.2 * LONG_SECONDS / seconds))
        if steps < _MOST_STEPS or size == 1024:
            break
    return Job(size, size, max(10, steps), 0)


def _streamed(service: Service, **fields: object) -> Make:
    return lambda job: service.stream(job, **fields)
