"""How far the work on a model's files is, and how the caller of it follows and cancels it."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from image_gen.model_cache.core.manifest import ReadyModel

Phase = Literal["fetching", "verifying"]
_EVERY_SECONDS = 0.25
_WINDOW_SECONDS = 15.0


@dataclass(frozen=True)
class Progress:
    """One report. `bytes_done` of `bytes_total` counts the whole model, with what was there before.

    `bytes_per_second` is what moved lately; `eta_seconds` is None until there is a rate. `file` is the one that the
    report is about; with `finished` it is complete and in its place.
    """

    phase: Phase = "fetching"
    bytes_done: int = 0
    bytes_total: int = 0
    file: str | None = None
    bytes_per_second: float = 0.0
    eta_seconds: float | None = None
    finished: bool = False


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class ProgressCallbacks:
    """All are called from other threads, one call at a time. `on_found` gets the model's future place before the first
    byte is downloaded, `on_file` each path in it that is complete and verified. Setting `cancel` ends the operation
    with CANCELLED within a read timeout; what was downloaded is kept.
    """

    on_progress: OnProgress | None = None
    cancel: threading.Event = field(default_factory=threading.Event)
    on_found: Callable[[ReadyModel], None] = lambda _: None
    on_file: Callable[[str], None] = lambda _: None


# For operations that nobody follows or cancels.
SILENT = ProgressCallbacks()


class Meter:
    """Counts bytes from several threads and reports them, one report at a time and not too many of them."""

    def __init__(self, phase: Phase, total: int, done: int, report: OnProgress | None) -> None:
        self._phase: Phase = phase
        self._total = total
        self._done = done
        self._report = report
        self._lock = threading.Lock()
        self._samples: deque[tuple[float, int]] = deque([(time.monotonic(), done)])
        self._reported = 0.0

    def add(self, count: int, file: str | None) -> None:
        """`count` more bytes of `file`; a negative count takes back what proved to be wrong."""
        with self._lock:
            self._done += count
            self._report_progress(file, finished=False)

    def set_done(self, done: int) -> None:
        """Another process does the work: this is how far it is."""
        with self._lock:
            self._done = done
            self._report_progress(None, finished=False)

    def finish(self, file: str) -> None:
        """`file` is complete."""
        with self._lock:
            self._report_progress(file, finished=True)

    def _report_progress(self, file: str | None, *, finished: bool) -> None:
        now = time.monotonic()
        if self._report is None or (not finished and now - self._reported < _EVERY_SECONDS):
            return
        self._reported = now
        self._samples.append((now, self._done))
        while len(self._samples) > 2 and now - self._samples[0][0] > _WINDOW_SECONDS:
            self._samples.popleft()
        since, before = self._samples[0]
        rate = max(0.0, (self._done - before) / (now - since)) if now > since else 0.0
        left = max(0, self._total - self._done)
        eta = left / rate if rate > 0 and self._total else None
        done = min(self._done, self._total or self._done)
        self._report(Progress(self._phase, done, self._total, file, rate, eta, finished))
