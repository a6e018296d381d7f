"""Sends requests: directly or by a proxy, with credentials to the one server that they are for, and with errors that
name what failed: the proxy, a certificate, or the server itself.

Imports the HTTP client, so it is imported when the first request is made.
"""

import base64
import ssl
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx2

from image_gen import reader
from image_gen.errors import CertificateUntrustedError, ImageGenError, ProxyFailedError
from image_gen.model_cache.core.retry import SourceError
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.sources.proxies import Proxies, Proxy
from image_gen.model_cache.sources.trust import load_authorities

_EXPIRED, _NOT_YET_VALID, _WRONG_NAME = 10, 9, {62, 64}
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "UNKNOWN_PROTOCOL")


class Transport(httpx2.BaseTransport):
    """One for each client. Raises SourceError for proxies and certificates, and the client's own errors otherwise."""

    def __init__(self, settings: CacheSettings, authorization: str, origin: str) -> None:
        """`authorization` is sent to `origin` alone, whatever redirects say."""
        self._settings = settings
        self._proxies = Proxies({}) if settings.direct else Proxies()
        self._authorization = authorization
        self._home = httpx2.URL(origin) if authorization else None
        self._trust = httpx2.create_ssl_context(trust_env=False)
        load_authorities(self._trust, settings)
        self._limits = httpx2.Limits(max_connections=settings.connections * 2)
        self._open: dict[str, httpx2.HTTPTransport] = {}
        self._opening = threading.Lock()

    def proxy_of(self, url: httpx2.URL | str) -> Proxy | None:
        """Raises SETTING_INVALID."""
        url = httpx2.URL(url)
        return self._proxies.of(url.scheme, url.host, _port(url))

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        proxy = self.proxy_of(request.url)
        request.headers.pop("Authorization", None)
        if self._home is not None and request.url.origin == self._home.origin:
            request.headers["Authorization"] = self._authorization
        try:
            answer = self._transport(proxy).handle_request(request)
        except httpx2.TransportError as error:
            if named := self._named(error, request.url, proxy):
                raise named from error
            raise
        if answer.status_code == 407 and proxy is not None:
            answer.close()
            raise SourceError(_unauthorized(proxy), retryable=False)
        answer.extensions["image_gen_proxy"] = proxy
        self._stay_encrypted(request.url, answer)
        return answer

    def close(self) -> None:
        for each in self._open.values():
            each.close()

    def _transport(self, proxy: Proxy | None) -> httpx2.HTTPTransport:
        key = proxy.url if proxy else ""
        with self._opening:
            if key not in self._open:
                # Not the client's default for https:// proxies, which reads the environment.
                via = httpx2.Proxy(proxy.url, ssl_context=self._trust if proxy.is_tls else None) if proxy else None
                self._open[key] = httpx2.HTTPTransport(verify=self._trust, limits=self._limits, proxy=via)
            return self._open[key]

    def _stay_encrypted(self, url: httpx2.URL, answer: httpx2.Response) -> None:
        """A server behind a proxy that ends TLS may redirect to itself by http://: the same place is asked by TLS."""
        target = answer.headers.get("Location", "")
        if url.scheme == "https" and answer.is_redirect and urlsplit(target).scheme == "http":
            there = httpx2.URL(target)
            if there.host == url.host and _port(there) in {80, _port(url)}:
                answer.headers["Location"] = str(there.copy_with(scheme="https", port=url.port))

    def _named(self, error: httpx2.TransportError, url: httpx2.URL, proxy: Proxy | None) -> SourceError | None:
        """The error of a proxy or of a certificate; None for any other."""
        failure = next((each for each in _causes(error) if isinstance(each, ssl.SSLError)), None)
        if failure is not None:
            found = self._untrusted(failure, url, proxy)
            return SourceError(found, retryable=False) if found else None
        if proxy is None:
            return None
        if isinstance(error, httpx2.ProxyError):
            return _refused(str(error), proxy, url)
        if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
            timed_out = isinstance(error, httpx2.ConnectTimeout)
            why = "no answer" if timed_out else str(error)
            fix = f"Fix: correct {proxy.variable}, or {proxy.exclude(url.host)}."
            failed = ProxyFailedError(f"The proxy {proxy} can't be reached ({why}). {fix}", retryable=True)
            return SourceError(failed, timed_out=timed_out)
        return None

    def _untrusted(self, failure: ssl.SSLError, url: httpx2.URL, proxy: Proxy | None) -> ImageGenError | None:
        place = f"{url.scheme}://{url.netloc.decode('ascii')}"
        via = f", through the proxy {proxy}," if proxy else ""
        if not isinstance(failure, ssl.SSLCertVerificationError):
            if not any(each in str(failure.reason) for each in _NO_TLS):
                return None
            fix = (
                f"{proxy.variable} with http://, not https://" if proxy and proxy.is_tls else "an address with http://"
            )
            return CertificateUntrustedError(f"{place}{via} does not speak TLS at that port. Fix: give {fix}.")
        why = failure.verify_message
        if failure.verify_code in {_EXPIRED, _NOT_YET_VALID}:
            text = f"The certificate of {place}{via} is not valid today ({why}). "
            return CertificateUntrustedError(f"{text}Fix: set this machine's clock, or renew the certificate.")
        if failure.verify_code in _WRONG_NAME:
            text = (
                f"The certificate of {place}{via} is another server's ({why}). Fix: use the name that it was made for."
            )
            return CertificateUntrustedError(text)
        given = self._settings.ca_file
        read = f", and {self._settings.ca_variable}={reader.place(given)} does not have its authority" if given else ""
        right = reader.setting("SSL_CERT_FILE", "<its authority's certificate, as PEM>")
        variable = "" if "SSL_CERT_FILE" in right else " (SSL_CERT_FILE)"
        return CertificateUntrustedError(
            f"The certificate of {place}{via} is not trusted ({why}){read}. Fix: if a proxy or mirror of your own "
            f"signs it, {right}{variable}."
        )


def authorization(settings: CacheSettings) -> str:
    """The credentials for HF_ENDPOINT: those in its address, which are meant for it alone, or the token."""
    if settings.endpoint_login:
        return f"Basic {base64.b64encode(settings.endpoint_login.encode()).decode()}"
    return f"Bearer {settings.token}" if settings.token else ""


def _refused(why: str, proxy: Proxy, url: httpx2.URL) -> SourceError:
    """The proxy answers, and does not make the connection. `why` begins with its status."""
    status = int(why[:3]) if why[:3].isdigit() else 0
    if status == 407:
        return SourceError(_unauthorized(proxy), retryable=False)
    again = status == 0 or status >= 500
    text = f"The proxy {proxy} does not connect to {url.host}:{_port(url)} ({why.strip()}). "
    fix = f"Fix: allow that host in the proxy, or {proxy.exclude(url.host)}."
    return SourceError(ProxyFailedError(text + fix, retryable=again), retryable=again)


def _unauthorized(proxy: Proxy) -> ImageGenError:
    what = "does not accept the user name and password" if proxy.has_password else "requires a user name and a password"
    return ProxyFailedError(f"The proxy {proxy} {what} (407). Fix: {proxy.correct()}.")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _port(url: httpx2.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)
