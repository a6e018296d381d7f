"""Which files of a model may be opened: told by the server, waited for by whoever loads them."""

import threading
from collections.abc import Collection, Sequence


class SupersededError(Exception):
    """The server has another model in mind meanwhile."""


class VerifiedFiles:
    """The files of one model. Filled by the thread that reads the socket."""

    def __init__(self) -> None:
        self._paths: set[str] = set()
        self._all = self._ended = False
        self._news = threading.Condition()

    def add(self, path: str) -> None:
        """One file is proven."""
        with self._news:
            self._paths.add(path)
            self._news.notify_all()

    def add_all(self) -> None:
        """The whole model is."""
        with self._news:
            self._all = True
            self._news.notify_all()

    def end(self) -> None:
        """Nothing more will be told of this model."""
        with self._news:
            self._ended = True
            self._news.notify_all()

    def wait_for_any(self, groups: Sequence[Collection[str]]) -> int:
        """Waits until all files of one group are proven, and returns the first such group's index. Raises
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
