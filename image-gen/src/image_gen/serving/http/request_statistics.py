"""Counts requests by method, route and status, and how long they took.

Without Prometheus' client, which is imported after the first answers: `metrics` shows what is here.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from typing import Final

# From a probe's answer to the longest request.
BUCKETS: Final = (0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Durations:
    """A histogram. `counts` has one more bucket than BUCKETS, for what took longer."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.sum = 0.0

    def add(self, seconds: float) -> None:
        """One more."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.sum += seconds


class RequestStatistics:
    """Everything since the process's start. Labels are of a bounded number: routes' templates, and names of keys."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self.durations: dict[tuple[str, str], Durations] = defaultdict(Durations)
        self.by_key: Counter[tuple[str, int]] = Counter()

    def count(self, method: str, route: str, status: int, seconds: float, key: str | None) -> None:
        """A request has ended."""
        method = method if method in _METHODS else "other"
        self.requests[method, route, status] += 1
        self.durations[method, route].add(seconds)
        if key is not None:
            self.by_key[key, status] += 1
