"""A client of one HTTP server: connection, timeouts, and the meaning of network errors."""

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Self

from image_gen.errors import ImageGenError
from image_gen.model_cache.core.retry import TIMEOUT_TRIES, Retrier, SourceError
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.sources.source import FileRange

if TYPE_CHECKING:
    import httpx2

    from image_gen.model_cache.sources.transport import Transport

READ_BYTES = 256 << 10
# Slower than any line that could bring a model, faster than a hub or a proxy that only keeps a connection open.
LEAST_BYTES_PER_SECOND = 2048
_TIMEOUTS_PER_WINDOW = 3
# Longer bodies are read from the connection itself, which can't be used again then.
_LONG_BYTES = 8 << 20
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_ETAG = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# Where servers name a content by its hash: the hub's own header, those of artifact stores, the standard one.
_HASH_HEADERS = ("X-Linked-Etag", "X-Checksum-Sha256", "ETag")
# How servers that send no ranges refuse one, beside sending all of the file.
_NO_RANGES = {400, 405, 406, 412, 416, 501}
Refused = Callable[["httpx2.Response"], ImageGenError]


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


class HttpClient:
    """A client of one server. Every call has a connect and a read timeout, and a bounded number of tries.

    A kind of server is a subclass, which says what to check when it fails, and which classes its errors have. Where a
    method takes `refused`, that turns a response with an error status into an error.
    """

    setting: str
    elsewhere: str
    failed: type[ImageGenError]
    unreachable: type[ImageGenError]
    silent: type[ImageGenError]

    def __init__(
        self, settings: CacheSettings, place: str, *, origin: str = "", cancel: threading.Event | None = None
    ) -> None:
        """With `origin`, the credentials of the settings are sent there, and nowhere else."""
        self.place = place
        self.cancel = cancel or threading.Event()
        self.read_timeout = settings.read_timeout
        self._origin = origin
        self._client, self._transport = _open_client(settings, origin)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, url: str, refused: Refused) -> "httpx2.Response":
        """A complete response."""
        with self._map_errors():
            answer = self._accepted(self._client.get(url), refused)
        if url.startswith("https:") and answer.url.scheme == "http":
            # A file has its hash, but a list of files is what hashes are taken from.
            raise self.failed(f"{self.place} redirects to {answer.url.host} without TLS. Fix: use another mirror.")
        return answer

    @contextmanager
    def get_range(self, url: str, start: int, end: int | None, refused: Refused) -> Iterator[FileRange]:
        """One try at the bytes from `start` on, up to but without `end`, raw."""
        asked = "" if not start and end is None else f"bytes={start}-{'' if end is None else end - 1}"
        headers = {"Accept-Encoding": "identity"} | ({"Range": asked} if asked else {})
        with self._map_errors(), self._client.stream("GET", url, headers=headers) as answer:
            if asked and answer.status_code in _NO_RANGES:
                yield FileRange(None, False, None, None, "", iter(()))
            else:
                yield self._part_of(self._accepted(answer, refused), start)

    def get_small(self, open_range: Callable[[], AbstractContextManager[FileRange]], name: str, limit: int) -> bytes:
        """A whole small file. Raises an error for more than `limit` bytes."""
        retrier = Retrier(self.cancel)
        while True:
            with retrier.attempt(), open_range() as part:
                content = b""
                for chunk in part.chunks:
                    content += chunk
                    if len(content) > limit:
                        raise self.failed(f"{name} is larger than {limit} bytes.")
                return content

    def interrupted(self, why: str, host: str = "") -> SourceError:
        """`host`: the one that failed, when it is not the server's own."""
        error = self.unreachable(
            f"{self._who(host)} can't be reached{self._via} ({why}). Fix: check the network, DNS and HTTPS_PROXY, "
            f"or {self.elsewhere}; what has arrived is kept."
        )
        return SourceError(error)

    def timed_out(self, why: str, host: str = "") -> SourceError:
        error = self.silent(
            f"{self._who(host)} does not answer{self._via} ({why}, {TIMEOUT_TRIES} tries of {self.read_timeout:g} s). "
            f"Fix: check the firewall and the proxy (HTTPS_PROXY), or {self.elsewhere}; what has arrived is kept."
        )
        return SourceError(error, timed_out=True)

    def _who(self, host: str) -> str:
        return f"{host}, to which {self.place} redirects," if host else self.place

    @property
    def _via(self) -> str:
        """The proxy that the server is asked through, for messages."""
        proxy = self._transport.proxy_of(self.place)
        return f" through the proxy {proxy}" if proxy else ""

    def _part_of(self, answer: "httpx2.Response", asked: int) -> FileRange:
        length = _number(answer.headers.get("Content-Length"))
        content_range = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        # A server that compresses nevertheless: sizes and ranges are those of other bytes.
        encoded = answer.headers.get("Content-Encoding", "identity").lower() not in {"", "identity"}
        # Without the header, or with another range, nobody knows which bytes these are.
        begins = int(content_range[1]) if content_range else None
        ranged = answer.status_code == 206 and begins == asked and not encoded
        total = int(content_range[3]) if ranged and content_range and content_range[3] != "*" else None
        return FileRange(
            start=asked if ranged else 0 if answer.status_code == 200 else None,
            ranged=ranged,
            length=None if encoded else length,
            total=total if total is not None or encoded else _linked_size(answer),
            name=_etag_of(answer),
            chunks=self._decoded(answer) if encoded else self._chunks(answer, length or 0),
        )

    def _decoded(self, answer: "httpx2.Response") -> Iterator[bytes]:
        with self._map_errors():
            yield from answer.iter_bytes()

    def _chunks(self, answer: "httpx2.Response", length: int) -> Iterator[bytes]:
        with self._map_errors():
            yield from _large_chunks(answer, length, self.read_timeout) if length > _LONG_BYTES else answer.iter_raw()

    @contextmanager
    def _map_errors(self) -> Iterator[None]:
        """Translates the client's exceptions into SourceError (may be retried) and ImageGenError."""
        import httpx2

        try:
            yield
        except httpx2.TimeoutException as error:
            raise self.timed_out(type(error).__name__, self._elsewhere(error)) from error
        except httpx2.TooManyRedirects as error:
            raise self.failed(f"{self.place} redirects in circles. Fix: {self.elsewhere}.") from error
        except (httpx2.InvalidURL, httpx2.DecodingError) as error:
            check = f"Check {self.setting} and HTTPS_PROXY."
            raise self.failed(f"{self.place} can't be understood ({error}). {check}") from error
        except httpx2.TransportError as error:
            why = re.sub(r"\[Errno -?\d+\] ", "", str(error)) or type(error).__name__
            raise self.interrupted(why, self._elsewhere(error)) from error

    def _elsewhere(self, of: Any) -> str:
        """The host of a request or an answer, where a redirect led to another than the server's own."""
        import httpx2

        try:
            there = of.request.url.netloc
        except RuntimeError:  # an error without a request
            return ""
        return "" if not self._origin or there == httpx2.URL(self._origin).netloc else str(there, "ascii")

    def _accepted(self, answer: "httpx2.Response", refused: Refused) -> "httpx2.Response":
        status, host = answer.status_code, self._elsewhere(answer)
        if status < 300:
            if answer.headers.get("Content-Type", "").startswith("text/html"):
                raise SourceError(self.web_page(host), retryable=False)
            return answer
        answer.read()
        # A server that does not know a method, or a version of HTTP, will not learn it.
        retryable = status in {408, 425, 429} or (status >= 500 and status not in {501, 505})
        if host and "X-Error-Code" not in answer.headers:
            # Another hub says more. The redirect may have expired: the server makes a new one.
            retryable = True
            text = f"{self._who(host)} answers with status {status}. Fix: allow {host} in the firewall and the proxy, "
            error = self.failed(f"{text}or {self.elsewhere}; what has arrived is kept.", retryable=True)
        else:
            error = refused(answer)
        if (proxy := answer.extensions.get("image_gen_proxy")) and status >= 500 and answer.url.scheme == "http":
            error = type(error)(f"{error.message} The proxy {proxy} may have answered.", retryable=error.retryable)
        raise SourceError(error, retryable=retryable, wait=_retry_after_seconds(answer.headers))

    def web_page(self, host: str = "") -> ImageGenError:
        """For the login page of a network, or the block page of a proxy, which comes with status 200."""
        return self.failed(
            f"{self._who(host)} answers with a web page instead of a file: a network that wants a login, or a proxy "
            f"that blocks. Fix: log in to the network, or check HTTPS_PROXY and {self.setting}."
        )


def _large_chunks(answer: "httpx2.Response", expected: int, read_timeout: float) -> Iterator[bytes]:
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


def _retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `Retry-After` (seconds or a date) or from the `t=` of the hub's own `RateLimit` header."""
    after = headers.get("Retry-After", "").strip()
    limit = re.search(r"\bt=(\d+)", headers.get("RateLimit", ""))
    if re.fullmatch(r"\d+(\.\d+)?", after):
        return float(after)
    try:
        moment = parsedate_to_datetime(after)
    except (ValueError, TypeError, IndexError, OverflowError):
        return float(limit.group(1)) if limit else None
    # A date without a zone is one of Greenwich.
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _etag_of(answer: "httpx2.Response") -> str:
    """The server's hash of the content; for a redirect to a CDN, the one of the first response."""
    for response in (*answer.history, answer):
        for header in _HASH_HEADERS:
            name = response.headers.get(header, "").removeprefix("W/").strip('"').lower()
            if _ETAG.fullmatch(name):
                return str(name)
    return ""


def _linked_size(answer: "httpx2.Response") -> int | None:
    """The size of the whole file, as the hub says it beside a redirect."""
    sizes = (_number(each.headers.get("X-Linked-Size")) for each in (*answer.history, answer))
    return next((size for size in sizes if size is not None), None)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None


def _open_client(settings: CacheSettings, origin: str) -> "tuple[httpx2.Client, Transport]":
    import httpx2

    from image_gen.model_cache.sources.transport import Transport, authorization

    transport = Transport(settings, authorization(settings) if origin else "", origin)
    seconds = settings.read_timeout
    times = httpx2.Timeout(connect=min(settings.connect_timeout, seconds), read=seconds, write=seconds, pool=None)
    # Without the environment: proxies and authorities are the transport's.
    client = httpx2.Client(
        headers={"User-Agent": "image-gen"}, transport=transport, follow_redirects=True, timeout=times, trust_env=False
    )
    return client, transport
