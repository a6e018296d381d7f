"""A Hugging Face hub over HTTP."""

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin

from image_gen import errors
from image_gen.model_cache.core.manifest import Manifest
from image_gen.model_cache.core.retry import Retrier
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.sources.http import HttpClient
from image_gen.model_cache.sources.source import FileRange, Source

if TYPE_CHECKING:
    import httpx2


class HubClient(HttpClient):
    """A client of one hub. The token is sent to the hub alone: it is dropped when a redirect leads to another host."""

    setting, elsewhere = "HF_ENDPOINT", "set HF_ENDPOINT to a mirror"
    failed, unreachable, silent = errors.HubError, errors.HubUnreachableError, errors.HubSilentError

    def __init__(self, settings: CacheSettings, cancel: threading.Event | None = None) -> None:
        super().__init__(settings, settings.endpoint, token=settings.token, cancel=cancel)
        self._settings = settings

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
        return self.get_small(lambda: self.open_range(model_id, commit, path, 0), f"{path} of {model_id}", limit)

    def open_range(
        self, model_id: str, commit: str, path: str, start: int, end: int | None = None
    ) -> AbstractContextManager[FileRange]:
        """One try at a file's bytes."""
        url = self._url(f"/{model_id}/resolve/{commit}/{quote(path)}")
        return self.get_range(
            url, start, end, lambda answer: _to_user_error(answer, self._settings, model_id, commit, path)
        )

    def source(self, manifest: Manifest) -> Source:
        """The files of one model."""
        return Source(
            self.place,
            "A proxy or mirror alters it: check HTTPS_PROXY and HF_ENDPOINT.",
            lambda file, start, end: self.open_range(manifest.model_id, manifest.revision, file.path, start, end),
            self.interrupted,
            self.timed_out,
        )

    def _get_json(self, url: str, model_id: str, revision: str) -> tuple[Any, Mapping[str, str]]:
        retrier = Retrier(self.cancel)
        while True:
            with retrier.attempt():
                response = self.get(
                    self._url(url), lambda answer: _to_user_error(answer, self._settings, model_id, revision, None)
                )
                try:
                    return json.loads(response.content), response.headers
                except ValueError as error:
                    raise self._nonsense(model_id) from error

    def _url(self, url: str) -> str:
        return urljoin(self.place + "/", url if url.startswith("http") else self.place + url)

    def _nonsense(self, model_id: str) -> errors.ImageGenError:
        return errors.HubError(
            f"{self.place} does not answer as a Hugging Face hub when asked for {model_id}. "
            "Check HF_ENDPOINT and the proxy settings."
        )


def _to_user_error(
    answer: "httpx2.Response", settings: CacheSettings, model_id: str, revision: str, path: str | None
) -> errors.ImageGenError:
    """Maps status and `X-Error-Code` of a hub's answer to an error that says what to do."""
    status, code = answer.status_code, answer.headers.get("X-Error-Code", "")
    endpoint, has_token = settings.endpoint, settings.token is not None
    page = f"{endpoint}/{model_id}"
    if status in {401, 403}:
        return _forbidden(status, code, endpoint, has_token, model_id)
    if status == 404:
        if code == "RevisionNotFound":
            return errors.RevisionNotFoundError(
                f"{model_id} has no revision {revision!r} at {endpoint}. Fix: set MODEL_REVISION to a commit of "
                f"{page}/commits/main, or leave it empty."
            )
        if code == "RepoNotFound" or path is None:
            return _not_found(endpoint, has_token, model_id)
        return errors.FileMissingError(f"{model_id} has no file {path} at revision {revision} at {endpoint}.")
    if status == 429:
        return errors.RateLimitedError(
            f"{endpoint} takes no more requests for now (429). Wait a few minutes, or set HF_TOKEN to get a higher "
            "limit; what has arrived is kept."
        )
    return errors.HubError(
        f"{endpoint} answers with status {status} when asked for {path or model_id}. Try again later, or set "
        "HF_ENDPOINT to a mirror; what has arrived is kept.",
        retryable=status >= 500 or status == 408,
    )


def _forbidden(status: int, code: str, endpoint: str, has_token: bool, model_id: str) -> errors.ImageGenError:
    page = f"{endpoint}/{model_id}"
    if code == "GatedRepo":
        how = (
            "ask for access there with the account that HF_TOKEN belongs to"
            if has_token
            else "accept its terms there and set HF_TOKEN to a token of that account"
        )
        return errors.GatedModelError(f"{model_id} is gated. Visit {page}, {how}, then start again.")
    if code == "RepoNotFound":
        return _not_found(endpoint, has_token, model_id)
    if has_token:
        why = "is not valid" if status == 401 else "may not read this model"
        return errors.UnauthorizedError(
            f"{endpoint} refuses {model_id}: the token {why}. Make one that can read it at {endpoint}/settings/tokens "
            "and set HF_TOKEN."
        )
    return errors.UnauthorizedError(
        f"{endpoint} wants a token for {model_id}. Make one at {endpoint}/settings/tokens, set HF_TOKEN."
    )


def _not_found(endpoint: str, has_token: bool, model_id: str) -> errors.ImageGenError:
    private = "the account of HF_TOKEN can't see it" if has_token else "it is private and needs HF_TOKEN"
    return errors.ModelNotFoundError(
        f"{endpoint} has no model {model_id}, or {private}. Fix: check the spelling of MODEL_ID."
    )
