"""Who is next: the keys with something waiting take turns, and with each key its requests and its jobs do.

Within these, first come, first served. Without keys, and without jobs, so it is for all.
"""

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class FairOrder(Generic[Item]):
    """What waits. A key's line is there only while something of it waits; a line that comes back is the last."""

    def __init__(self) -> None:
        # What was begun before, and has precedence.
        self._first: deque[Item] = deque()
        # Of each key: its requests and its jobs, the kind whose turn it is first.
        self._lines: dict[str, deque[tuple[bool, deque[Item]]]] = {}

    def __len__(self) -> int:
        return len(self._first) + sum(len(items) for line in self._lines.values() for _, items in line)

    def __iter__(self) -> Iterator[Item]:
        """In the order in which they will be taken if nothing more comes."""
        yield from self._first
        copies = {key: deque((kind, deque(items)) for kind, items in line) for key, line in self._lines.items()}
        while copies:
            yield _take(copies)

    def count(self, *, jobs: bool) -> int:
        """How many requests, or how many jobs, wait in the lines."""
        return sum(len(items) for line in self._lines.values() for kind, items in line if kind == jobs)

    def has(self, key: str, *, jobs: bool) -> bool:
        """Whether a request, or a job, of that key waits."""
        return any(kind == jobs and items for kind, items in self._lines.get(key, ()))

    def add(self, item: Item, key: str, *, is_job: bool) -> None:
        """The last of its key and kind."""
        line = self._lines.setdefault(key, deque())
        for kind, items in line:
            if kind == is_job:
                items.append(item)
                return
        line.append((is_job, deque([item])))

    def add_first(self, item: Item) -> None:
        """Before everything else."""
        self._first.appendleft(item)

    def take(self) -> Item:
        """The next one. Raises IndexError when nothing waits."""
        if self._first:
            return self._first.popleft()
        if not self._lines:
            raise IndexError("nothing waits")
        return _take(self._lines)

    def remove(self, item: Item) -> bool:
        """Whether it was there."""
        if item in self._first:
            self._first.remove(item)
            return True
        for key, line in self._lines.items():
            for part in line:
                if item in part[1]:
                    part[1].remove(item)
                    if not part[1]:
                        line.remove(part)
                    if not line:
                        del self._lines[key]
                    return True
        return False


def _take(lines: dict[str, deque[tuple[bool, deque[Item]]]]) -> Item:
    key = next(iter(lines))
    line = lines.pop(key)
    part = line.popleft()
    item = part[1].popleft()
    if part[1]:
        line.append(part)
    if line:
        lines[key] = line
    return item
