"""The ways in which the demonstration hub misbehaves on demand."""

import threading
import time
from dataclasses import asdict, dataclass, fields, replace
from fnmatch import fnmatchcase
from typing import Any


@dataclass(frozen=True)
class Knobs:
    """All off by default.

    rate_bytes_per_second: how fast a file is sent, each on its own. line_bytes_per_second: how fast all of them are
    sent together, as over a line they share. drop_after_bytes, stall_after_bytes: a file's transfer ends, or goes
    silent, after so many bytes. corrupt: paths (glob) of which a byte is flipped. status: every
    request for a model is refused so. retry_after: seconds, sent with `status`. gated: files need a token. token: the
    only one that is valid. silent: connections are taken and never answered. ignore_range: whole files, whatever was
    asked. redirect_to: files are redirected to this address. xet: redirects say, as the hub's own do, that the content
    is available by the Xet protocol too. page_size: lines of a listing per page. times: the knobs
    status, drop_after_bytes, stall_after_bytes and corrupt act so often, then end.
    """

    rate_bytes_per_second: int | None = None
    line_bytes_per_second: int | None = None
    drop_after_bytes: int | None = None
    stall_after_bytes: int | None = None
    corrupt: str | None = None
    status: int | None = None
    retry_after: int | None = None
    gated: bool = False
    token: str | None = None
    silent: bool = False
    ignore_range: bool = False
    redirect_to: str | None = None
    xet: bool = False
    page_size: int | None = None
    times: int | None = None


class Line:
    """A line that all transfers share."""

    # How much of the past may be made up for: a sender that woke up late must not cost the line its rate.
    _CREDIT_SECONDS = 0.02

    def __init__(self) -> None:
        self._free_at = 0.0
        self._lock = threading.Lock()

    def due(self, count: int, rate: int) -> float:
        """Books `count` bytes; returns in how many seconds the line has room for them."""
        now = time.monotonic()
        with self._lock:
            start = max(self._free_at, now - self._CREDIT_SECONDS)
            self._free_at = start + count / rate
            return start - now


class KnobPanel:
    """The knobs as they stand now; safe to turn while requests are served."""

    def __init__(self) -> None:
        self.now = Knobs()
        self._lock = threading.Lock()

    def turn(self, changes: dict[str, Any]) -> dict[str, Any]:
        """Sets some knobs; returns them all. Raises ValueError for a name that is none."""
        names = {field.name for field in fields(Knobs)}
        strange = sorted(changes.keys() - names)
        if strange:
            raise ValueError(f"no such knob: {', '.join(strange)}; there are {', '.join(sorted(names))}")
        with self._lock:
            self.now = replace(self.now, **changes)
            return asdict(self.now)

    def refuses(self) -> Knobs | None:
        """The knobs, when this request is to be refused with their status."""
        return self.now if self.now.status is not None and self._spend() else None

    def spoils(self, path: str, length: int) -> Knobs:
        """The knobs to send `length` bytes of this file with; `times` counts only what they really spoil."""
        now = self.now
        spoilt = any(limit is not None and limit < length for limit in (now.drop_after_bytes, now.stall_after_bytes))
        corrupt = now.corrupt is not None and fnmatchcase(path, now.corrupt)
        if (spoilt or corrupt) and self._spend():
            return now if corrupt else replace(now, corrupt=None)
        return replace(now, drop_after_bytes=None, stall_after_bytes=None, corrupt=None)

    def _spend(self) -> bool:
        """Uses one of the `times`; False when none is left."""
        with self._lock:
            left = self.now.times
            if left is None:
                return True
            if left > 0:
                self.now = replace(self.now, times=left - 1)
            return left > 0
