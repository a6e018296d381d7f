"""A client of one HTTP server: connection, timeouts, and the meaning of network errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from image_gen.errors import ImageGenError, SettingInvalidError
from image_gen.model_cache.core.retry import TIMEOUT_TRIES, Retrier, SourceError
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.sources.http_body import large_chunks
from image_gen.model_cache.sources.source import FileRange

if TYPE_CHECKING:
    import httpx2

# Longer bodies are read from the connection itself, which can't be used again then.
_LONG_BYTES = 8 << 20
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_ETAG = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class ServerNames:
    """How messages name a server, what to check when it fails, and the classes of its errors."""

    place: str
    setting: str
    elsewhere: str
    error: type[ImageGenError]
    unreachable: type[ImageGenError]
    timed_out: type[ImageGenError]


class HttpClient:
    """A client of one server. `refused` turns a response with an error status into an exception."""

    def __init__(self, settings: CacheSettings, names: ServerNames, *, token: str | None) -> None:
        self._seconds = settings.read_timeout
        self._names = names
        self._client = _open_client(settings, token)

    def close(self) -> None:
        self._client.close()

    def get(self, url: str) -> httpx2.Response:
        """A complete response, whatever its status."""
        with self._map_errors():
            return self._client.get(url)

    @contextmanager
    def open_range(
        self, url: str, start: int, end: int | None, refused: Callable[[httpx2.Response], Exception]
    ) -> Iterator[FileRange]:
        """One try at the bytes from `start` on, up to but without `end`, raw."""
        asked = "" if not start and end is None else f"bytes={start}-{'' if end is None else end - 1}"
        headers = {"Accept-Encoding": "identity"} | ({"Range": asked} if asked else {})
        with self._map_errors(), self._client.stream("GET", url, headers=headers) as answer:
            if answer.status_code >= 300 and answer.status_code != 416:
                answer.read()
                raise refused(answer)
            yield self._part_of(answer)

    def interrupted(self, why: str) -> SourceError:
        return SourceError(self._unreachable(why))

    def timed_out(self, why: str) -> SourceError:
        names = self._names
        error = names.timed_out(
            f"{names.place} does not answer ({why}, {TIMEOUT_TRIES} tries of {self._seconds:g} s). Check the firewall "
            f"and the proxy (HTTPS_PROXY), or {names.elsewhere}; what has arrived is kept."
        )
        return SourceError(error, timed_out=True)

    def _part_of(self, answer: httpx2.Response) -> FileRange:
        length = answer.headers.get("Content-Length")
        content_range = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        ranged = answer.status_code == 206
        whole = 0 if answer.status_code == 200 else None
        return FileRange(
            start=(int(content_range[1]) if content_range else None) if ranged else whole,
            ranged=ranged,
            length=int(length) if length is not None else None,
            total=int(content_range[3]) if ranged and content_range and content_range[3] != "*" else None,
            name=_etag_of(answer),
            chunks=self._chunks(answer, int(length or 0)),
        )

    def _chunks(self, answer: httpx2.Response, length: int) -> Iterator[bytes]:
        with self._map_errors():
            yield from large_chunks(answer, length, self._seconds) if length > _LONG_BYTES else answer.iter_raw()

    @contextmanager
    def _map_errors(self) -> Iterator[None]:
        """Translates the client's exceptions into SourceError (may be retried) and ImageGenError."""
        import httpx2

        try:
            yield
        except httpx2.TimeoutException as error:
            raise self.timed_out(type(error).__name__) from error
        except httpx2.TooManyRedirects as error:
            raise self._names.error(f"{self._names.place} redirects in circles.") from error
        except (httpx2.InvalidURL, httpx2.DecodingError) as error:
            check = f"Check {self._names.setting} and HTTPS_PROXY."
            raise self._names.error(f"{self._names.place} can't be understood ({error}). {check}") from error
        except httpx2.TransportError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise self._untrusted(error) from error
            raise self.interrupted(str(error)) from error

    def _unreachable(self, why: str) -> ImageGenError:
        return self._names.unreachable(
            f"{self._names.place} can't be reached ({why}). Check the network, DNS and HTTPS_PROXY, or "
            f"{self._names.elsewhere}; what has arrived is kept."
        )

    def _untrusted(self, error: Exception) -> ImageGenError:
        return self._names.unreachable(
            f"The certificate of {self._names.place} is not trusted ({error}). Fix: if a proxy or mirror of your own "
            "signs it, set SSL_CERT_FILE to its authority's certificate.",
            retryable=False,
        )


def read_small(
    retrier: Retrier, open_range: Callable[[], AbstractContextManager[FileRange]], limit: int, too_large: ImageGenError
) -> bytes:
    """A whole small file. Raises `too_large` for more than `limit` bytes."""
    while True:
        with retrier.attempt(), open_range() as part:
            content = b""
            for chunk in part.chunks:
                content += chunk
                if len(content) > limit:
                    raise too_large
            return content


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `Retry-After` or from the `t=` of the hub's own `RateLimit` header."""
    after = headers.get("Retry-After", "")
    limit = re.search(r"\bt=(\d+)", headers.get("RateLimit", ""))
    if after.isdigit():
        return float(after)
    return float(limit.group(1)) if limit else None


def is_retryable_status(status: int) -> bool:
    return status in {408, 425, 429} or status >= 500


def _etag_of(answer: httpx2.Response) -> str:
    """The server's hash of the content; for a redirect to a CDN, the one of the first response."""
    for response in (*answer.history, answer):
        for header in ("X-Linked-Etag", "ETag"):
            name = response.headers.get(header, "").removeprefix("W/").strip('"')
            if _ETAG.fullmatch(name):
                return str(name)
    return ""


def _open_client(settings: CacheSettings, token: str | None) -> httpx2.Client:
    import httpx2

    trust = httpx2.create_ssl_context()
    if settings.ca_file:
        try:
            trust.load_verify_locations(cafile=settings.ca_file)
        except OSError as error:
            raise SettingInvalidError(
                f"SSL_CERT_FILE: {settings.ca_file} can't be used as certificates: {error}"
            ) from error
    headers = {"User-Agent": "image-gen"} | ({"Authorization": f"Bearer {token}"} if token else {})
    seconds = settings.read_timeout
    times = httpx2.Timeout(connect=min(settings.connect_timeout, seconds), read=seconds, write=seconds, pool=None)
    limits = httpx2.Limits(max_connections=settings.connections * 2)
    try:
        return httpx2.Client(headers=headers, verify=trust, follow_redirects=True, timeout=times, limits=limits)
    except (ValueError, ImportError, httpx2.InvalidURL) as error:
        raise SettingInvalidError(f"HTTPS_PROXY, HTTP_PROXY or ALL_PROXY is not a usable address: {error}") from error
