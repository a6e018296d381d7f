"""How many connections there may be, and which one is closed for a new one.

Comes in: the limit of open files, and the phases of connections. Must not: close one whose request is being answered.
"""

import resource
from typing import Final, Literal, Protocol

# Taken from the listener's queue at once, before the first of them can be closed again.
ACCEPTED_AT_ONCE: Final = 16
# Files of the service itself: the worker's pipes, files and connections of a download, modules being imported.
_OWN_FILES: Final = 96
# Each takes about 25 kB of memory.
_MOST_CONNECTIONS: Final = 2048
_MOST_OPEN_FILES: Final = 65_536
# A client that has sent no whole request for so long is closed before one that is idle after a request.
_SLOW_SECONDS: Final = 5.0


class Connection(Protocol):
    """Of a connection, what is used here."""

    def abort(self) -> None:
        """Closes it at once."""


# headers: not one whole request is there yet. body: its headers are there. answer: all of it is there. idle: it was
# answered.
Phase = Literal["headers", "idle", "body", "answer"]


def raise_open_files() -> int:
    """Raises this process's limit of open files as far as it may, and returns it. The worker inherits it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_OPEN_FILES)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return _MOST_OPEN_FILES if soft == resource.RLIM_INFINITY else soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most


def most_connections(open_files: int, waiting: int) -> int:
    """How many connections there may be; `waiting`: requests that may wait for a picture, each on one of its own."""
    return min(max(open_files - _OWN_FILES, open_files // 4), max(_MOST_CONNECTIONS, waiting + 512))


class Connections:
    """All connections, by phase, in the order in which they entered it."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.closed_for_others = 0
        self.timed_out = 0
        self.invalid = 0
        self._phases: dict[Phase, dict[Connection, float]] = {"headers": {}, "idle": {}, "body": {}, "answer": {}}

    def __len__(self) -> int:
        return sum(map(len, self._phases.values()))

    def enter(self, connection: Connection, phase: Phase, now: float) -> None:
        """A connection is new, or its phase has changed."""
        self.leave(connection)
        self._phases[phase][connection] = now

    def leave(self, connection: Connection) -> None:
        """A connection is closed."""
        for members in self._phases.values():
            members.pop(connection, None)

    def make_room(self, now: float, count: int = 1) -> None:
        """Closes connections that wait for their client until there is room for `count` more."""
        while len(self) > self.most - count and (victim := self._least_needed(now)) is not None:
            self.leave(victim)
            self.closed_for_others += 1
            victim.abort()

    def free_files(self, now: float) -> None:
        """There are no more descriptors: other files than connections have taken them."""
        self.make_room(now, self.most - len(self) + ACCEPTED_AT_ONCE)

    def _least_needed(self, now: float) -> Connection | None:
        slow = next(iter(self._phases["headers"].items()), None)
        if slow is not None and now - slow[1] > _SLOW_SECONDS:
            return slow[0]
        for phase in ("idle", "headers", "body"):
            if oldest := next(iter(self._phases[phase]), None):
                return oldest
        return None
