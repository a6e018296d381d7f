"""Which files of the model may be opened: told by the server, waited for by whoever loads them."""

import threading


class Proven:
    """Filled by the thread that reads the socket."""

    def __init__(self) -> None:
        self._paths: set[str] = set()
        self._all = False
        self._news = threading.Condition()

    def forget(self) -> None:
        """A new pass over the files begins."""
        with self._news:
            self._paths.clear()
            self._all = False

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

    def wait(self, path: str) -> None:
        """Returns when the file is proven. The end of the socket ends the process, so nothing waits for ever."""
        with self._news:
            self._news.wait_for(lambda: self._all or path in self._paths)
