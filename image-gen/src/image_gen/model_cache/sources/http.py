"""One HTTP server: how it is reached, how long it may take, and what the failures on the way to it mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from image_gen.errors import ImageGenError
from image_gen.model_cache.core.retry import SILENT_TRIES, SourceError
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.sources.http_body import large_chunks
from image_gen.model_cache.sources.source import Part

if TYPE_CHECKING:
    import httpx2

# Longer bodies are read from the connection itself, which can't be used again then.
_LONG_BYTES = 8 << 20
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_ETAG = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class ServerNames:
    """What a server is called, which part of an error's code it has, and where to look when it fails."""

    place: str
    code: str
    setting: str
    elsewhere: str


class HttpClient:
    """A client of one server. `refused` makes of an answer with an error status what is to be raised."""

    def __init__(self, settings: CacheSettings, names: ServerNames, *, token: str | None) -> None:
        self._seconds = settings.read_timeout
        self._words = names
        self._client = _open_client(settings, token)

    def close(self) -> None:
        self._client.close()

    def get(self, url: str) -> httpx2.Response:
        """A whole answer, whatever its status."""
        with self._map_errors():
            return self._client.get(url)

    @contextmanager
    def part(
        self, url: str, start: int, end: int | None, refused: Callable[[httpx2.Response], Exception]
    ) -> Iterator[Part]:
        """One try at the bytes from `start` on, up to but without `end`, raw."""
        asked = "" if not start and end is None else f"bytes={start}-{'' if end is None else end - 1}"
        headers = {"Accept-Encoding": "identity"} | ({"Range": asked} if asked else {})
        with self._map_errors(), self._client.stream("GET", url, headers=headers) as answer:
            if answer.status_code >= 300 and answer.status_code != 416:
                answer.read()
                raise refused(answer)
            yield self._part_of(answer)

    def broken(self, why: str) -> SourceError:
        return SourceError(self._unreachable(why))

    def silent(self, why: str) -> SourceError:
        words = self._words
        error = ImageGenError(
            f"{words.code}_SILENT",
            f"{words.place} does not answer ({why}, {SILENT_TRIES} tries of {self._seconds:g} s). Check the firewall "
            f"and the proxy (HTTPS_PROXY), or {words.elsewhere}; what has arrived is kept.",
            retryable=True,
        )
        return SourceError(error, silent=True)

    def _part_of(self, answer: httpx2.Response) -> Part:
        length = answer.headers.get("Content-Length")
        told = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        ranged = answer.status_code == 206
        whole = 0 if answer.status_code == 200 else None
        return Part(
            start=(int(told[1]) if told else None) if ranged else whole,
            ranged=ranged,
            length=int(length) if length is not None else None,
            total=int(told[3]) if ranged and told and told[3] != "*" else None,
            name=_etag_of(answer),
            chunks=self._chunks(answer, int(length or 0)),
        )

    def _chunks(self, answer: httpx2.Response, length: int) -> Iterator[bytes]:
        with self._map_errors():
            yield from large_chunks(answer, length, self._seconds) if length > _LONG_BYTES else answer.iter_raw()

    @contextmanager
    def _map_errors(self) -> Iterator[None]:
        """Turns what the client raises into what may be tried again, and into what may not."""
        import httpx2

        try:
            yield
        except httpx2.TimeoutException as error:
            raise self.silent(type(error).__name__) from error
        except httpx2.TooManyRedirects as error:
            raise self._error(f"{self._words.place} redirects in circles.") from error
        except (httpx2.InvalidURL, httpx2.DecodingError) as error:
            check = f"Check {self._words.setting} and HTTPS_PROXY."
            raise self._error(f"{self._words.place} can't be understood ({error}). {check}") from error
        except httpx2.TransportError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise self._untrusted(error) from error
            raise self.broken(str(error)) from error

    def _error(self, text: str) -> ImageGenError:
        return ImageGenError(f"{self._words.code}_ERROR", text)

    def _unreachable(self, why: str) -> ImageGenError:
        return ImageGenError(
            f"{self._words.code}_UNREACHABLE",
            f"{self._words.place} can't be reached ({why}). Check the network, DNS and HTTPS_PROXY, or "
            f"{self._words.elsewhere}; what has arrived is kept.",
            retryable=True,
        )

    def _untrusted(self, error: Exception) -> ImageGenError:
        return ImageGenError(
            f"{self._words.code}_UNREACHABLE",
            f"The certificate of {self._words.place} is not trusted ({error}). If a proxy or mirror of your own "
            "signs it, set SSL_CERT_FILE to its authority's certificate.",
        )


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
    """The content's name as the server tells it; a redirect to a CDN told it before the CDN's own."""
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
            raise ImageGenError(
                "SETTING_INVALID", f"SSL_CERT_FILE: {settings.ca_file} can't be used as certificates: {error}"
            ) from error
    headers = {"User-Agent": "image-gen"} | ({"Authorization": f"Bearer {token}"} if token else {})
    seconds = settings.read_timeout
    times = httpx2.Timeout(connect=min(settings.connect_timeout, seconds), read=seconds, write=seconds, pool=None)
    limits = httpx2.Limits(max_connections=settings.connections * 2)
    try:
        return httpx2.Client(headers=headers, verify=trust, follow_redirects=True, timeout=times, limits=limits)
    except (ValueError, ImportError, httpx2.InvalidURL) as error:
        raise ImageGenError(
            "SETTING_INVALID", f"HTTPS_PROXY, HTTP_PROXY or ALL_PROXY is not a usable address: {error}"
        ) from error
