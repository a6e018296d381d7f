"""A hub over HTTP: what is asked, how long it may take, how often it is tried and what a refusal means."""

from __future__ import annotations

import json
import random
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin

from image_gen.errors import ImageGenError
from image_gen.store.refusals import refusal
from image_gen.store.settings import StoreSettings

if TYPE_CHECKING:
    import httpx2

TRIES = 4
SILENT_TRIES = 2
LONGEST_WAIT = 60.0


class HubClient:
    """Talks to one hub. Every call has a connect and a read timeout, and ends after a bounded number of tries.

    The token goes to the hub alone: the client drops it when a redirect leads to another host.
    """

    def __init__(self, settings: StoreSettings, cancel: threading.Event | None = None) -> None:
        self._settings = settings
        self._cancel = cancel or threading.Event()
        self._client = _open_client(settings)

    def __enter__(self) -> HubClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def revision_info(self, model_id: str, revision: str) -> dict[str, Any]:
        """What the hub tells about a model at a revision: its commit, its licence, whether it is gated."""
        info, _ = self._get_json(f"/api/models/{model_id}/revision/{quote(revision, safe='')}", model_id, revision)
        if not isinstance(info, dict):
            raise self._nonsense(model_id)
        return info

    def tree(self, model_id: str, commit: str) -> Iterator[dict[str, Any]]:
        """Every file of a model at a commit, page by page."""
        url: str | None = f"/api/models/{model_id}/tree/{commit}?recursive=true&expand=false"
        while url:
            page, headers = self._get_json(url, model_id, commit)
            if not isinstance(page, list):
                raise self._nonsense(model_id)
            yield from (entry for entry in page if isinstance(entry, dict))
            after = re.search(r'<([^>]+)>;\s*rel="next"', headers.get("Link", ""))
            url = after.group(1) if after else None

    def small_file(self, model_id: str, commit: str, path: str, limit: int = 1 << 20) -> bytes:
        """The bytes of a small file, such as `model_index.json`."""
        attempts = Attempts(self._settings, self._cancel)
        while True:
            with attempts.guard(), self.file(model_id, commit, path, 0) as response:
                content = b""
                for chunk in response.iter_raw():
                    content += chunk
                    if len(content) > limit:
                        raise ImageGenError("HUB_ERROR", f"{path} of {model_id} is larger than it can sensibly be.")
                return content

    @contextmanager
    def file(
        self, model_id: str, commit: str, path: str, start: int, end: int | None = None
    ) -> Iterator[httpx2.Response]:
        """One try at a file's bytes from `start` on, up to but without `end`, raw. The caller repeats it, as it knows
        what has arrived."""
        part = "" if not start and end is None else f"bytes={start}-{'' if end is None else end - 1}"
        headers = {"Accept-Encoding": "identity"} | ({"Range": part} if part else {})
        url = self._url(f"/{model_id}/resolve/{commit}/{quote(path)}")
        with self._client.stream("GET", url, headers=headers) as response:
            if response.status_code >= 400 and response.status_code != 416:
                response.read()
                raise RefusedError(response, self._refusal(response, model_id, commit, path))
            yield response

    def _get_json(self, url: str, model_id: str, revision: str) -> tuple[Any, Mapping[str, str]]:
        attempts = Attempts(self._settings, self._cancel)
        while True:
            with attempts.guard():
                response = self._client.get(self._url(url))
                if response.status_code >= 400:
                    raise RefusedError(response, self._refusal(response, model_id, revision, None))
                try:
                    return json.loads(response.content), response.headers
                except ValueError as error:
                    raise self._nonsense(model_id) from error

    def _url(self, url: str) -> str:
        return urljoin(self._settings.endpoint + "/", url if url.startswith("http") else self._settings.endpoint + url)

    def _refusal(self, response: httpx2.Response, model_id: str, revision: str, path: str | None) -> ImageGenError:
        return refusal(
            status=response.status_code,
            code=response.headers.get("X-Error-Code", ""),
            endpoint=self._settings.endpoint,
            has_token=self._settings.token is not None,
            model_id=model_id,
            revision=revision,
            path=path,
        )

    def _nonsense(self, model_id: str) -> ImageGenError:
        return ImageGenError(
            "HUB_ERROR",
            f"{self._settings.endpoint} does not answer as a Hugging Face hub when asked for {model_id}. "
            "Check HF_ENDPOINT and the proxy settings.",
        )


class RefusedError(Exception):
    """The hub answered with an error status; `error` is what to say when trying again is in vain."""

    def __init__(self, response: httpx2.Response, error: ImageGenError) -> None:
        super().__init__(str(error))
        self.status = response.status_code
        self.error = error
        self.wait = _retry_after(response.headers)


class Attempts:
    """Counts the tries at one thing, waits between them and says when to give up.

    Usage: `while True: with attempts.guard(): ...; return`. `progressed()` starts the count anew, so that a file of
    gigabytes may be interrupted often as long as bytes arrive.
    """

    def __init__(self, settings: StoreSettings, cancel: threading.Event) -> None:
        self._settings = settings
        self._cancel = cancel
        self._failed = 0
        self._silent = 0

    def progressed(self) -> None:
        self._failed = self._silent = 0

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Swallows a failure that is worth another try, after waiting; raises what is to be told otherwise."""
        import httpx2

        check_cancelled(self._cancel)
        try:
            yield
        except RefusedError as refused:
            self._after_refusal(refused)
        except httpx2.TimeoutException as error:
            self._silent += 1
            if self._silent >= SILENT_TRIES:
                raise self._silence(error) from error
            self._pause(0.2)
        except httpx2.TooManyRedirects as error:
            raise ImageGenError("HUB_ERROR", f"{self._settings.endpoint} redirects in circles.") from error
        except (httpx2.InvalidURL, httpx2.DecodingError) as error:
            raise ImageGenError(
                "HUB_ERROR",
                f"{self._settings.endpoint} can't be understood ({error}). Check HF_ENDPOINT and HTTPS_PROXY.",
            ) from error
        except httpx2.TransportError as error:
            self._failed += 1
            if _is_certificate_trouble(error):
                raise self._untrusted(error) from error
            if self._failed >= TRIES:
                raise self._unreachable(error) from error
            self._pause(_back_off(self._failed))

    def _after_refusal(self, refused: RefusedError) -> None:
        self._failed += 1
        worth_it = refused.status in {408, 425, 429} or refused.status >= 500
        wait = refused.wait if refused.wait is not None else _back_off(self._failed)
        if not worth_it or self._failed >= TRIES or wait > LONGEST_WAIT:
            raise refused.error from refused
        self._pause(wait)

    def _pause(self, seconds: float) -> None:
        self._cancel.wait(seconds)
        check_cancelled(self._cancel)

    def _silence(self, error: Exception) -> ImageGenError:
        return ImageGenError(
            "HUB_SILENT",
            f"{self._settings.endpoint} does not answer ({type(error).__name__}, {SILENT_TRIES} tries of "
            f"{self._settings.read_timeout:g} s). Check the firewall and the proxy (HTTPS_PROXY), or set HF_ENDPOINT "
            "to a mirror; what has arrived is kept.",
            retryable=True,
        )

    def _unreachable(self, error: Exception) -> ImageGenError:
        return ImageGenError(
            "HUB_UNREACHABLE",
            f"{self._settings.endpoint} can't be reached ({error}). Check the network, DNS and HTTPS_PROXY, or set "
            "HF_ENDPOINT to a mirror; what has arrived is kept.",
            retryable=True,
        )

    def _untrusted(self, error: Exception) -> ImageGenError:
        return ImageGenError(
            "HUB_UNREACHABLE",
            f"The certificate of {self._settings.endpoint} is not trusted ({error}). If a proxy or mirror of your own "
            "signs it, set SSL_CERT_FILE to its authority's certificate.",
        )


def check_cancelled(cancel: threading.Event) -> None:
    """Raises CANCELLED once the event is set."""
    if cancel.is_set():
        raise ImageGenError("CANCELLED", "Stopped; what has arrived is kept, and the next start goes on from there.")


def _open_client(settings: StoreSettings) -> httpx2.Client:
    import httpx2

    trust = httpx2.create_ssl_context()
    if settings.ca_file:
        try:
            trust.load_verify_locations(cafile=settings.ca_file)
        except OSError as error:
            raise ImageGenError(
                "SETTING_INVALID", f"SSL_CERT_FILE: {settings.ca_file} can't be used as certificates: {error}"
            ) from error
    headers = {"User-Agent": "image-gen"} | ({"Authorization": f"Bearer {settings.token}"} if settings.token else {})
    seconds = settings.read_timeout
    times = httpx2.Timeout(connect=min(settings.connect_timeout, seconds), read=seconds, write=seconds, pool=None)
    limits = httpx2.Limits(max_connections=settings.connections * 2)
    try:
        return httpx2.Client(headers=headers, verify=trust, follow_redirects=True, timeout=times, limits=limits)
    except (ValueError, ImportError, httpx2.InvalidURL) as error:
        raise ImageGenError(
            "SETTING_INVALID", f"HTTPS_PROXY, HTTP_PROXY or ALL_PROXY is not a usable address: {error}"
        ) from error


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from `Retry-After` or from the `t=` of the hub's own `RateLimit` header."""
    after = headers.get("Retry-After", "")
    limit = re.search(r"\bt=(\d+)", headers.get("RateLimit", ""))
    if after.isdigit():
        return float(after)
    return float(limit.group(1)) if limit else None


def _back_off(failed: int) -> float:
    # Jitter, so that many hosts that lost the hub together do not come back together.
    return float(min(0.5 * 2 ** (failed - 1), 8.0) * (0.75 + random.random() / 2))  # noqa: S311 -- no secret


def _is_certificate_trouble(error: BaseException) -> bool:
    return "CERTIFICATE_VERIFY_FAILED" in str(error)
