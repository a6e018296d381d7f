"""The files of a model that may be opened. The server names them; the code that loads them waits for them."""

import threading
from collections.abc import Collection, Sequence


class SupersededError(Exception):
    """The server has asked for another model meanwhile."""


class VerifiedFiles:
    """The files of one model. Filled by the thread that reads the socket."""

    def __init__(self) -> None:
        self._paths: set[str] = set()
        self._all = self._ended = False
        self._news = threading.Condition()

    def add(self, path: str) -> None:
        """One file is verified."""
        with self._news:
            self._paths.add(path)
            self._news.notify_all()

    def add_all(self) -> None:
        """All files are verified."""
        with self._news:
            self._all = True
            self._news.notify_all()

    def end(self) -> None:
        """The server has replaced this model by another."""
        with self._news:
            self._ended = True
            self._news.notify_all()

    def wait_for_any(self, groups: Sequence[Collection[str]]) -> int:
        """Waits until all files of one group are verified, and returns the first such group's index. Raises
        `SupersededError`. The end of the socket ends the process, so nothing waits for ever.
        """
        with self._news:
            while True:
                if self._ended:
                    raise SupersededError
                for index, group in enumerate(groups):
                    if self._all or self._paths.issuperset(group):
                        return index
                self._news.wait()
