"""A Hugging Face hub over HTTP."""

import hashlib
import logging
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from image_gen import errors, reader
from image_gen.model_cache.core.manifest import Manifest
from image_gen.model_cache.core.retry import Retrier
from image_gen.model_cache.core.settings import DEFAULT_ENDPOINT, CacheSettings
from image_gen.model_cache.core.untrusted_files import parse_json
from image_gen.model_cache.sources.http import HttpClient
from image_gen.model_cache.sources.source import FileRange, Source

if TYPE_CHECKING:
    import httpx2

log = logging.getLogger(__name__)
_NEXT = re.compile(r'<([^>]*)>\s*;\s*rel="?next"?')
_LISTING: dict[str, str] = {"recursive": "true", "expand": "false"}
# No model has more files than that many pages hold.
_MOST_PAGES = 100


class HubClient(HttpClient):
    """A client of one hub. The token is sent to the hub alone: no redirect, and no link, takes it to another host."""

    setting = "HF_ENDPOINT"
    failed, unreachable, silent = errors.HubError, errors.HubUnreachableError, errors.HubSilentError

    def __init__(self, settings: CacheSettings, cancel: threading.Event | None = None) -> None:
        super().__init__(settings, settings.endpoint, origin=settings.endpoint, cancel=cancel)
        self.elsewhere = f"use a mirror ({reader.setting('HF_ENDPOINT', '<address>')})"
        self._settings = settings
        if settings.token_problem:
            _warn_once(settings.token_problem)
        elif settings.token and settings.endpoint_login:
            _warn_once(f"HF_ENDPOINT has a user and a password: the token of {settings.token_from} is not sent.")

    def revision_info(self, model_id: str, revision: str) -> dict[str, Any]:
        """The hub's information about a model at a revision: commit, licence, gated or not."""
        info, _ = self._get_json(f"/api/models/{model_id}/revision/{quote(revision, safe='')}", model_id, revision)
        if not isinstance(info, dict):
            raise self._nonsense(model_id)
        return info

    def files(self, model_id: str, commit: str) -> list[dict[str, Any]]:
        """Every file of a model at a commit, as `/tree` lists them. A server without that list has `siblings`."""
        entries: dict[str, dict[str, Any]] = {}
        try:
            for page in self._pages(model_id, commit):
                before = len(entries)
                entries |= {str(entry.get("path")): entry for entry in page if isinstance(entry, dict)}
                if len(entries) == before and entries:
                    # It takes no cursor, and would send the same page, or an empty one, for ever.
                    raise errors.HubError(f"{self.place} lists the same files of {model_id} again and again.")
        except (errors.ModelNotFoundError, errors.HubError) as error:
            found = self._siblings(model_id, commit)
            if not found:
                raise errors.HubError(
                    f"{self.place} has {model_id}, and no list of its files (neither /tree nor siblings). Fix: "
                    f"use a server with the Hub's API ({reader.setting('HF_ENDPOINT', '<address>')}), or a model with "
                    "a manifest (docs/guides/models.md)."
                ) from error
            return found
        return list(entries.values())

    def describe(self, model_id: str, commit: str, path: str, *, read: bool) -> tuple[int | None, str]:
        """Size and hash of a file as its answer's head says them; with `read`, of all of its bytes: its sha256."""
        retrier = Retrier(self.cancel)
        while True:
            with retrier.attempt(), self.open_range(model_id, commit, path, 0, None if read else 1) as part:
                known = part.total if part.ranged or part.length is None else part.length
                if not read:
                    return known, part.name
                digest, size = hashlib.sha256(), 0
                for chunk in part.chunks:
                    digest.update(chunk)
                    size += len(chunk)
                if known in {None, size}:
                    return size, digest.hexdigest()
                raise self.interrupted(f"the connection ended inside {path}")

    def _pages(self, model_id: str, commit: str) -> Iterator[list[Any]]:
        """The pages of a listing. Each is asked of this server: a mirror may pass on the link of the hub behind it."""
        path, query = f"/api/models/{model_id}/tree/{commit}", dict(_LISTING)
        for _ in range(_MOST_PAGES):
            page, headers = self._get_json(f"{path}?{urlencode(query)}", model_id, commit)
            if not isinstance(page, list):
                raise self._nonsense(model_id)
            yield page
            after = _NEXT.search(headers.get("Link", ""))
            following = dict(parse_qsl(urlsplit(after[1]).query)) if after else {}
            if not following or _LISTING | following == query:
                return
            query = dict(_LISTING | following)
        raise errors.HubError(
            f"{self.place} splits the list of files of {model_id} into more than {_MOST_PAGES} pages. Fix: check that "
            "HF_ENDPOINT is a hub, or a mirror of one."
        )

    def _siblings(self, model_id: str, commit: str) -> list[dict[str, Any]]:
        """The list that comes with the information about a model, in the form of `/tree`."""
        revision = f"/api/models/{model_id}/revision/{commit}?blobs=true"
        try:
            info, _ = self._get_json(revision, model_id, commit)
        except errors.ImageGenError:
            return []
        siblings = info.get("siblings") if isinstance(info, dict) else None
        return [_as_entry(each) for each in siblings or [] if isinstance(each, dict) and each.get("rfilename")]

    def small_file(self, model_id: str, commit: str, path: str, limit: int = 1 << 20) -> bytes:
        """The bytes of a small file, such as `model_index.json`."""
        return self.get_small(lambda: self.open_range(model_id, commit, path, 0), f"{path} of {model_id}", limit)

    def beginning(self, model_id: str, commit: str, path: str, count: int) -> bytes:
        """The first bytes of a file, or all of a shorter one."""
        retrier = Retrier(self.cancel)
        while True:
            with retrier.attempt():
                # A server without ranges sends the whole file, of which the rest is left.
                for end in (count, None):
                    with self.open_range(model_id, commit, path, 0, end) as part:
                        if part.start is not None:
                            return _first(part.chunks, count)
                raise self.interrupted(f"no bytes of {path} came")

    def open_range(
        self, model_id: str, commit: str, path: str, start: int, end: int | None = None
    ) -> AbstractContextManager[FileRange]:
        """One try at a file's bytes."""
        url = f"{self.place}/{model_id}/resolve/{commit}/{quote(path)}"
        return self.get_range(
            url, start, end, lambda answer: _to_user_error(answer, self._settings, model_id, commit, path)
        )

    def source(self, manifest: Manifest) -> Source:
        """The files of one model."""
        return Source(
            self.place,
            "Fix: check HTTPS_PROXY and HF_ENDPOINT, as a proxy or a mirror alters it.",
            lambda file, start, end: self.open_range(manifest.model_id, manifest.revision, file.path, start, end),
            self.interrupted,
            self.timed_out,
        )

    def _get_json(self, url: str, model_id: str, revision: str) -> tuple[Any, Mapping[str, str]]:
        retrier = Retrier(self.cancel)
        while True:
            with retrier.attempt():
                response = self.get(
                    self.place + url, lambda answer: _to_user_error(answer, self._settings, model_id, revision, None)
                )
                try:
                    return parse_json(response.content), response.headers
                except ValueError as error:
                    raise self._nonsense(model_id) from error

    def _nonsense(self, model_id: str) -> errors.ImageGenError:
        return errors.HubError(
            f"{self.place} does not answer as a Hugging Face hub when asked for {model_id}. Fix: check its address "
            f"({reader.setting('HF_ENDPOINT', '<address>')}) and the proxy."
        )


def _first(chunks: Iterator[bytes], count: int) -> bytes:
    content = bytearray()
    for chunk in chunks:
        content += chunk
        if len(content) >= count:
            break
    return bytes(content[:count])


def _as_entry(sibling: Mapping[str, Any]) -> dict[str, Any]:
    """A sibling as a line of `/tree`."""
    large = sibling.get("lfs") if isinstance(sibling.get("lfs"), dict) else None
    entry = {"type": "file", "path": sibling["rfilename"], "size": sibling.get("size"), "oid": sibling.get("blobId")}
    return entry | ({"lfs": {"oid": large.get("sha256") or large.get("oid")}} if large else {})


@cache
def _warn_once(text: str) -> None:
    log.warning(text)


def _to_user_error(
    answer: "httpx2.Response", settings: CacheSettings, model_id: str, revision: str, path: str | None
) -> errors.ImageGenError:
    """Maps status and `X-Error-Code` of a hub's answer to an error that says what to do."""
    status, code, endpoint = answer.status_code, answer.headers.get("X-Error-Code", ""), settings.endpoint
    if status in {401, 403}:
        return _forbidden(status, code, settings, model_id)
    if status == 404:
        if code == "RevisionNotFound":
            return errors.RevisionNotFoundError(
                f"{model_id} has no revision {revision!r} at {endpoint}. Fix: "
                f"{reader.setting('MODEL_REVISION', '<commit>')} with a commit of {endpoint}/{model_id}/commits/main, "
                "or leave it empty."
            )
        if code == "RepoNotFound" or path is None:
            return _not_found(settings, model_id)
        return errors.FileMissingError(f"{model_id} has no file {path} at revision {revision} at {endpoint}.")
    if status == 429:
        return errors.RateLimitedError(
            f"{endpoint} takes no more requests for now (429). Fix: wait a few minutes, or {_set_token()}, which has a "
            f"higher limit; what has arrived is kept.{_problem(settings)}"
        )
    mirror = reader.setting("HF_ENDPOINT", "<address>")
    return errors.HubError(
        f"{endpoint} answers with status {status} when asked for {path or model_id}. Fix: try again later, or use a "
        f"mirror ({mirror}); what has arrived is kept.",
        retryable=(status >= 500 and status not in {501, 505}) or status == 408,
    )


def _forbidden(status: int, code: str, settings: CacheSettings, model_id: str) -> errors.ImageGenError:
    endpoint, page = settings.endpoint, f"{settings.endpoint}/{model_id}"
    if code == "GatedRepo":
        how = (
            f"ask for access there with the account of the token of {settings.token_from} (a fine-grained token also "
            "needs the permission to read gated repositories)"
            if settings.token
            else f"accept its terms there and give a token of that account ({_set_token()})"
        )
        return errors.GatedModelError(
            f"{model_id} is gated. Fix: visit {page}, {how}, then start again.{_problem(settings)}"
        )
    if code == "RepoNotFound":
        return _not_found(settings, model_id)
    tokens = f"{endpoint}/settings/tokens"
    if settings.endpoint_login:
        return errors.UnauthorizedError(
            f"{endpoint} refuses {model_id} ({status}): it does not accept the user and password in HF_ENDPOINT. Fix: "
            f"{reader.setting('HF_ENDPOINT', '<address>')} with the right ones."
        )
    if settings.token:
        why = "is not valid there, or has expired" if status == 401 else "may not read this model"
        other = "" if endpoint == DEFAULT_ENDPOINT else " A token of huggingface.co is not one of another server."
        return errors.UnauthorizedError(
            f"{endpoint} refuses {model_id} ({status}): the token of {settings.token_from} {why}.{other} Fix: make one "
            f"that can read it at {tokens} ({_set_token()}), or give none if the model is public."
        )
    return errors.UnauthorizedError(
        f"{endpoint} requires a token for {model_id}. Fix: make one at {tokens}, then {_set_token()}."
        f"{_problem(settings)}"
    )


def _not_found(settings: CacheSettings, model_id: str) -> errors.ImageGenError:
    hidden = (
        f"the account of the token of {settings.token_from} can't see it"
        if settings.token
        else "it is private and needs a token (HF_TOKEN)"
    )
    directory = f" {model_id} is a directory here: MODEL_DIR takes directories." if Path(model_id).is_dir() else ""
    return errors.ModelNotFoundError(
        f"{settings.endpoint} has no model {model_id}, or {hidden}. Fix: check the spelling of MODEL_ID.{directory}"
        f"{_problem(settings)}"
    )


def _set_token() -> str:
    return reader.setting("HF_TOKEN", "hf_…")


def _problem(settings: CacheSettings) -> str:
    """Why a token that was given was not sent."""
    return f" {settings.token_problem}" if settings.token_problem else ""
