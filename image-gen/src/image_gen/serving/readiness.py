"""The state behind `/readyz`: the phase, its progress, the last error, the seconds of each phase and their timeline.

Everything here is called from the event loop's thread only.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from image_gen.errors import ImageGenError
from image_gen.model_cache import Progress

Phase = Literal["starting", "fetching", "verifying", "loading", "warming", "ready", "failed", "stopping"]
PHASES: Final[tuple[Phase, ...]] = get_args(Phase)
# A start may fail for days: of its timeline the latest entries are kept, 4 KB of JSON.
_MOST_SPANS: Final = 40


@dataclass
class _Span:
    """An entry of the timeline. `end` is None while it lasts; `code` is the error's, of `failed`."""

    phase: Phase | Literal["importing"]
    start: float
    end: float | None = None
    code: str | None = None


class Timeline:
    """When each phase of one start began, and how long it took. Seconds are those of the clock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._spans: list[_Span] = []
        self.begin()

    def begin(self) -> None:
        """A start begins: that of the process, or of an engine that was lost."""
        self._began = self._clock()
        self.started_at = time.time()
        self._spans = []

    def enter(self, phase: Phase) -> None:
        """The phase before is over. A start ends with `ready` or `stopping`, which have no entry."""
        for span in self._spans:
            span.end = self._clock() if span.end is None else span.end
        if phase not in {"ready", "stopping"}:
            self._add(_Span(phase, self._clock()))

    def failed(self, code: str) -> None:
        """Why the last phase is `failed`."""
        if self._spans and self._spans[-1].phase == "failed":
            self._spans[-1].code = code

    def imported(self, seconds: float) -> None:
        """A worker has imported its libraries, which it does beside the phases, in the last so many seconds."""
        now = self._clock()
        self._spans.insert(max(len(self._spans) - 1, 0), _Span("importing", max(now - seconds, self._began), now))

    def as_json(self) -> list[dict[str, object]]:
        """In the order of their beginnings."""
        now = self._clock()
        return [
            {
                "phase": span.phase,
                "start_seconds": round(span.start - self._began, 3),
                "seconds": round((now if span.end is None else span.end) - span.start, 3),
                "error_code": span.code,
            }
            for span in sorted(self._spans, key=lambda each: each.start)
        ]

    def _add(self, span: _Span) -> None:
        self._spans = [*self._spans[1 - _MOST_SPANS :], span]


class Readiness:
    """The service's state. Seconds are those of a monotonic clock."""

    def __init__(
        self, model_id: str, revision: str | None, version: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._entered = clock()
        self.phase: Phase = "starting"
        self.error: ImageGenError | None = None
        self.model_id = model_id
        self.revision = revision
        self.source: str | None = None
        self.device: str | None = None
        self.version = version
        self.progress = Progress()
        self.seconds: dict[str, float] = {}
        # By code, in seconds since 1970.
        self.error_times: dict[str, float] = {}
        self.timeline = Timeline(clock)
        self.timeline.enter("starting")

    @property
    def is_ready(self) -> bool:
        """Whether pictures can be made now."""
        return self.phase == "ready"

    def enter(self, phase: Phase) -> None:
        """Changes the phase; the error of the phase before is over. Nothing follows `stopping`, and an error that
        is not retryable is final.
        """
        fatal = self.error is not None and not self.error.retryable and phase != "stopping"
        if self.phase in {phase, "stopping"} or fatal:
            return
        now = self._clock()
        if self.phase not in {"ready", "failed"}:
            self.seconds[self.phase] = self.seconds.get(self.phase, 0.0) + now - self._entered
        if self.phase == "ready" and phase != "stopping":
            self.timeline.begin()
        self.timeline.enter(phase)
        self._entered = now
        self.phase = phase
        if phase != "stopping":
            self.error = None

    def fail(self, error: ImageGenError) -> None:
        """Records why no images can be generated; the process keeps running and reports it."""
        self.error_times[error.code] = time.time()
        self.enter("failed")
        if self.phase == "failed":
            self.error = error
            self.timeline.failed(error.code)

    def clear_failure(self) -> None:
        """The error is over, even if it was final: the service starts again."""
        if self.phase == "failed":
            self.error = None
            self.enter("starting")

    def phase_seconds(self) -> dict[str, float]:
        """Seconds of each phase so far; the time spent ready or failed is not start-up and not counted."""
        seconds = dict(self.seconds)
        if self.phase not in {"ready", "failed", "stopping"}:
            seconds[self.phase] = seconds.get(self.phase, 0.0) + self._clock() - self._entered
        return {phase: round(value, 3) for phase, value in seconds.items()}

    def as_json(self) -> dict[str, object]:
        """What `/readyz` says of it."""
        progress = self.progress
        return {
            "phase": self.phase,
            "bytes_done": progress.bytes_done,
            "bytes_total": progress.bytes_total,
            "eta_seconds": None if progress.eta_seconds is None else round(progress.eta_seconds, 1),
            "error": None if self.error is None else self.error.as_json(),
            "model": self.model_id,
            "revision": self.revision,
            "source": self.source,
            "device": self.device,
            "file": progress.file,
            "bytes_per_second": round(progress.bytes_per_second),
            "phases": self.phase_seconds(),
            "started_at": int(self.timeline.started_at),
            "timeline": self.timeline.as_json(),
            "version": self.version,
            "retries_on_sighup": True,
        }


class EngineReadiness:
    """What one worker of several does to the service's readiness: nothing that a better one contradicts."""

    def __init__(self, service: Readiness, siblings: "list[EngineReadiness]") -> None:
        self._service, self._siblings = service, siblings
        self._phase: Phase = "starting"
        self._error: ImageGenError | None = None

    @classmethod
    def parts_of(cls, service: Readiness, count: int) -> "Sequence[Readiness | EngineReadiness]":
        """One for each worker; the service's own for a single one."""
        if count == 1:
            return [service]
        parts: list[EngineReadiness] = []
        parts += (cls(service, parts) for _ in range(count))
        return parts

    @property
    def device(self) -> str | None:
        """The kind of device, which is the same for all."""
        return self._service.device

    @device.setter
    def device(self, value: str) -> None:
        self._service.device = value

    @property
    def timeline(self) -> Timeline:
        """The service's."""
        return self._service.timeline

    def phase_seconds(self) -> dict[str, float]:
        """The service's."""
        return self._service.phase_seconds()

    def enter(self, phase: Phase) -> None:
        """This worker's phase."""
        self._phase, self._error = phase, None
        self._update()

    def fail(self, error: ImageGenError) -> None:
        """This worker can make no pictures."""
        self._phase, self._error = "failed", error
        self._update()

    def clear_failure(self) -> None:
        """This worker is started again."""
        if self._phase == "failed":
            self.enter("starting")

    def _update(self) -> None:
        phases = [each._phase for each in self._siblings]
        if all(phase == "failed" for phase in phases):
            errors = [each._error for each in self._siblings if each._error is not None]
            self._service.clear_failure()
            # One that is tried again by itself is the better news.
            self._service.fail(next((error for error in errors if error.retryable), errors[0]))
            return
        best = max(phases, key=("failed", "starting", "loading", "warming", "ready").index)
        if best == "starting" and self._service.phase not in {"ready", "failed"}:
            return  # the model's files are worked on
        self._service.clear_failure()
        self._service.enter(best)
