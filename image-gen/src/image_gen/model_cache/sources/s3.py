"""An S3 bucket, as a mirror and as the place of backups.

Credentials come from the environment, the machine or the container in the standard way, by obstore, which also signs
addresses and writes objects in parts. Objects are read by this package's HTTP client from signed URLs, so that
timeouts, proxies, resumption and retries are the same as for a hub.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from image_gen import errors
from image_gen.model_cache.core.manifest import Manifest
from image_gen.model_cache.core.retry import Retrier, SourceError
from image_gen.model_cache.core.s3_uri import S3Uri
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.sources.http import (
    HttpClient,
    ServerNames,
    is_retryable_status,
    read_small,
    retry_after_seconds,
)
from image_gen.model_cache.sources.s3_errors import code_in, region_in, s3_user_error
from image_gen.model_cache.sources.source import FileRange, Source

if TYPE_CHECKING:
    import httpx2

_SIGNED_FOR = timedelta(hours=1)
_SMALL_BYTES = 4 << 20
Result = TypeVar("Result")


class S3Bucket:
    """The objects below one address. Every path is relative to it."""

    def __init__(self, settings: CacheSettings, address: S3Uri, cancel: threading.Event | None = None) -> None:
        self.address = address
        self.place = str(address)
        self.cancel = cancel or threading.Event()
        self.read_timeout = settings.read_timeout
        self._endpoint = settings.aws.get("AWS_ENDPOINT_URL_S3") or settings.aws.get("AWS_ENDPOINT_URL")
        check = "check AWS_REGION and AWS_ENDPOINT_URL"
        names = ServerNames(
            self.place, "AWS_ENDPOINT_URL", check, errors.S3Error, errors.S3UnreachableError, errors.S3SilentError
        )
        self.http = HttpClient(settings, names, token=None)
        self.s3_client = _open_s3_client(settings, address, self._endpoint)

    def __enter__(self) -> S3Bucket:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def read(self, path: str) -> str | None:
        """A small text, or None when there is none."""
        too_large = errors.S3Error(f"{self._named(path)} is larger than {_SMALL_BYTES} bytes.")
        try:
            return read_small(Retrier(self.cancel), lambda: self.open_range(path, 0), _SMALL_BYTES, too_large).decode(
                "utf-8", "replace"
            )
        except errors.FileMissingError:
            return None

    def folders(self, path: str) -> list[str]:
        import obstore

        prefix = f"{path}/" if path else None
        found = self.call(path, "s3:ListBucket", lambda: obstore.list_with_delimiter(self.s3_client, prefix))
        return sorted(each.rstrip("/").rpartition("/")[2] for each in found["common_prefixes"])

    def holds(self, path: str, manifest: Manifest) -> bool:
        """Whether the smallest of a model's files is there: what was copied by other means has no manifest."""
        probe = min(manifest.files, key=lambda file: file.size)
        return self.read(f"{path}/{probe.path}") is not None

    def source(self, path: str) -> Source:
        return Source(
            place=f"{self.place}/{path}",
            advice="Copy it there again (`image-gen mirror`).",
            open_range=lambda file, start, end: self.open_range(f"{path}/{file.path}", start, end),
            interrupted=self.http.interrupted,
            timed_out=self.http.timed_out,
        )

    def open_range(self, path: str, start: int, end: int | None = None) -> AbstractContextManager[FileRange]:
        """One try at an object's bytes from `start` on, up to but without `end`."""
        import obstore

        signed = self.call(path, "s3:GetObject", lambda: obstore.sign(self.s3_client, "GET", path, _SIGNED_FOR))
        return self.http.open_range(signed, start, end, lambda answer: self._refused(answer, path))

    @contextmanager
    def map_errors(self, path: str, permission: str) -> Iterator[None]:
        """Translates exceptions of obstore."""
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, FileNotFoundError, PermissionError, ValueError) as error:
            raise self._explained(str(error), path, permission) from error

    def call(self, path: str, permission: str, ask: Callable[[], Result]) -> Result:
        with self.map_errors(path, permission):
            return ask()

    def _named(self, path: str) -> str:
        return str(S3Uri(self.address.bucket, self._key(path)))

    def _key(self, path: str) -> str:
        return "/".join(each for each in (self.address.key, path) if each)

    def _refused(self, answer: httpx2.Response, path: str) -> SourceError:
        region = answer.headers.get("x-amz-bucket-region", "") or region_in(answer.text)
        error = self._refusal(answer.status_code, code_in(answer.text), region, path, "s3:GetObject")
        return SourceError(
            error, retryable=is_retryable_status(answer.status_code), wait=retry_after_seconds(answer.headers)
        )

    def _refusal(self, status: int, code: str, region: str, path: str, permission: str) -> errors.ImageGenError:
        return s3_user_error(
            status=status,
            code=code,
            region=region,
            bucket=self.address.bucket,
            key=self._key(path),
            doing=permission,
            endpoint=self._endpoint,
        )

    def _explained(self, text: str, path: str, permission: str) -> errors.ImageGenError:
        # The rest is a dump of many lines.
        text = text.partition("\n\nDebug source")[0]
        code = code_in(text)
        status = next((each for each in (301, 307, 400, 401, 403, 404, 500, 503) if f"status code: {each}" in text), 0)
        # Without other credentials, the instance metadata service is asked for them.
        if "/latest/api/token" in text or "/latest/meta-data" in text or "credential" in text.lower():
            return errors.S3NoCredentialsError(
                f"No AWS credentials were found for {self._named(path)}. Fix: set AWS_ACCESS_KEY_ID, "
                "AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), or give the machine a role."
            )
        if code or status:
            return self._refusal(status, code, region_in(text), path, permission)
        return self.http.interrupted(text.partition("\n")[0].rpartition(" - ")[2]).error


def _open_s3_client(settings: CacheSettings, address: S3Uri, endpoint: str | None) -> Any:
    from obstore.store import S3Store

    config: Any = {name.lower(): value for name, value in settings.aws.items() if "ENDPOINT" not in name}
    if endpoint:
        config["endpoint"] = endpoint
    seconds = timedelta(seconds=settings.read_timeout)
    options: Any = {
        "allow_http": bool(endpoint and endpoint.startswith("http://")),
        "connect_timeout": timedelta(seconds=min(settings.connect_timeout, settings.read_timeout)),
        "read_timeout": seconds,
    }
    retries: Any = {"max_retries": 3, "retry_timeout": seconds * 6}
    try:
        return S3Store(
            address.bucket, prefix=address.key or None, config=config, client_options=options, retry_config=retries
        )
    except Exception as error:
        text = str(error).partition("\n")[0]
        raise errors.SettingInvalidError(f"The AWS_* variables can't be used for {address}: {text}") from error
