"""A Hugging Face hub over HTTP."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin

from image_gen.errors import HubError, HubSilentError, HubUnreachableError, ImageGenError
from image_gen.model_cache.core.manifest import Manifest
from image_gen.model_cache.core.retry import Retrier, SourceError
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.sources.http import (
    HttpClient,
    ServerNames,
    is_retryable_status,
    read_small,
    retry_after_seconds,
)
from image_gen.model_cache.sources.hub_errors import to_user_error
from image_gen.model_cache.sources.source import FileRange, Source

if TYPE_CHECKING:
    import httpx2


class HubClient:
    """A client of one hub. Every call has a connect and a read timeout, and a bounded number of tries.

    The token is sent to the hub alone: the client drops it when a redirect leads to another host.
    """

    def __init__(self, settings: CacheSettings, cancel: threading.Event | None = None) -> None:
        self._settings = settings
        self._cancel = cancel or threading.Event()
        names = ServerNames(
            settings.endpoint,
            "HF_ENDPOINT",
            "set HF_ENDPOINT to a mirror",
            HubError,
            HubUnreachableError,
            HubSilentError,
        )
        self.http = HttpClient(settings, names, token=settings.token)

    def __enter__(self) -> HubClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def revision_info(self, model_id: str, revision: str) -> dict[str, Any]:
        """The hub's information about a model at a revision: commit, licence, gated or not."""
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
        too_large = HubError(f"{path} of {model_id} is larger than {limit} bytes.")
        return read_small(Retrier(self._cancel), lambda: self.open_range(model_id, commit, path, 0), limit, too_large)

    def open_range(
        self, model_id: str, commit: str, path: str, start: int, end: int | None = None
    ) -> AbstractContextManager[FileRange]:
        """One try at a file's bytes."""
        url = self._url(f"/{model_id}/resolve/{commit}/{quote(path)}")
        return self.http.open_range(url, start, end, lambda answer: self._refused(answer, model_id, commit, path))

    def _get_json(self, url: str, model_id: str, revision: str) -> tuple[Any, Mapping[str, str]]:
        retrier = Retrier(self._cancel)
        while True:
            with retrier.attempt():
                response = self.http.get(self._url(url))
                if response.status_code >= 400:
                    raise self._refused(response, model_id, revision, None)
                try:
                    return json.loads(response.content), response.headers
                except ValueError as error:
                    raise self._nonsense(model_id) from error

    def _url(self, url: str) -> str:
        return urljoin(self._settings.endpoint + "/", url if url.startswith("http") else self._settings.endpoint + url)

    def _refused(self, response: httpx2.Response, model_id: str, revision: str, path: str | None) -> SourceError:
        error = to_user_error(
            status=response.status_code,
            code=response.headers.get("X-Error-Code", ""),
            endpoint=self._settings.endpoint,
            has_token=self._settings.token is not None,
            model_id=model_id,
            revision=revision,
            path=path,
        )
        return SourceError(
            error, retryable=is_retryable_status(response.status_code), wait=retry_after_seconds(response.headers)
        )

    def _nonsense(self, model_id: str) -> ImageGenError:
        return HubError(
            f"{self._settings.endpoint} does not answer as a Hugging Face hub when asked for {model_id}. "
            "Check HF_ENDPOINT and the proxy settings."
        )


def hub_source(client: HubClient, manifest: Manifest, endpoint: str) -> Source:
    """The files of one model on a hub."""
    return Source(
        place=endpoint,
        advice="A proxy or mirror alters it: check HTTPS_PROXY and HF_ENDPOINT.",
        open_range=lambda file, start, end: client.open_range(
            manifest.model_id, manifest.revision, file.path, start, end
        ),
        interrupted=client.http.interrupted,
        timed_out=client.http.timed_out,
    )
