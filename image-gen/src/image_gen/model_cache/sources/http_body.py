"""Reads the body of an HTTP response: in large chunks where possible, and with a minimum throughput."""

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx2

READ_BYTES = 256 << 10
# Slower than any line that could bring a model, faster than a hub or a proxy that only keeps a connection open.
LEAST_BYTES_PER_SECOND = 2048
_TIMEOUTS_PER_WINDOW = 3


class ThroughputGuard:
    """Measures one connection: a few bytes just within each read timeout count as a timeout."""

    def __init__(self, read_timeout: float, silent: Callable[[str], Exception]) -> None:
        self._window = _TIMEOUTS_PER_WINDOW * read_timeout
        self._least = LEAST_BYTES_PER_SECOND * self._window
        self._silent = silent
        self._since = time.monotonic()
        self._count = 0
        self._total = 0

    def record(self, count: int) -> bool:
        """Counts bytes; whether this connection has sent enough to count as progress.

        Raises the exception that `silent` makes when the throughput in a whole window of time was too low.
        """
        self._count += count
        self._total += count
        now = time.monotonic()
        if now - self._since >= self._window:
            if self._count < self._least:
                raise self._silent(f"{self._count} bytes in {now - self._since:.0f} s")
            self._since, self._count = now, 0
        return self._total >= self._least


def large_chunks(answer: "httpx2.Response", expected: int, read_timeout: float) -> Iterator[bytes]:
    """The `expected` bytes of an answer's body, read from the connection itself once its head is done with.

    The client's own way reads 64 kB at a time and copies them twice, which costs more than hashing them. A connection
    that was read from can't be used again, so this is for long bodies. Falls back to the client's way where the body
    is not plain bytes on a connection of its own.
    """
    import httpcore2
    import httpx2

    chunks = answer.iter_raw()
    line = answer.extensions.get("network_stream")
    plain = answer.http_version == "HTTP/1.1" and "Transfer-Encoding" not in answer.headers
    if line is None or not plain or answer.headers.get("Content-Length") != str(expected):
        yield from chunks
        return
    # The bytes that arrived together with the head; the client buffers nothing after that.
    first = next(chunks, b"")
    yield first
    left = expected - len(first)
    while left > 0:
        try:
            chunk = line.read(min(READ_BYTES, left), timeout=read_timeout)
        except httpcore2.TimeoutException as error:
            raise httpx2.ReadTimeout(str(error)) from error
        except httpcore2.NetworkError as error:
            raise httpx2.ReadError(str(error)) from error
        if not chunk:
            return
        left -= len(chunk)
        yield chunk
