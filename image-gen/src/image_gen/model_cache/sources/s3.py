"""An S3 bucket, as a mirror and as the place of backups.

Credentials come from the environment, the machine or the container in the standard way, by obstore, which also signs
addresses and writes objects in parts. Objects are read by this package's HTTP client from signed URLs, so that
timeouts, proxies, resumption and retries are the same as for a hub.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any, TypeVar

from image_gen import errors
from image_gen.model_cache.core.manifest import Manifest
from image_gen.model_cache.core.s3_uri import S3Uri
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.sources.http import HttpClient
from image_gen.model_cache.sources.s3_errors import s3_user_error
from image_gen.model_cache.sources.source import FileRange, Source

_SIGNED_FOR = timedelta(hours=1)
_SMALL_BYTES = 4 << 20
Result = TypeVar("Result")


class S3Bucket(HttpClient):
    """The objects below one address. Every path is relative to it."""

    setting, elsewhere = "AWS_ENDPOINT_URL", "check AWS_REGION and AWS_ENDPOINT_URL"
    failed, unreachable, silent = errors.S3Error, errors.S3UnreachableError, errors.S3SilentError

    def __init__(self, settings: CacheSettings, address: S3Uri, cancel: threading.Event | None = None) -> None:
        super().__init__(settings, str(address), token=None, cancel=cancel)
        self._address = address
        self._endpoint = settings.aws.get("AWS_ENDPOINT_URL_S3") or settings.aws.get("AWS_ENDPOINT_URL")
        self.s3_client = _open_s3_client(settings, address, self._endpoint)

    def read(self, path: str) -> str | None:
        """A small text, or None when there is none."""
        try:
            content = self.get_small(lambda: self.open_range(path, 0), str(self._address / path), _SMALL_BYTES)
        except errors.FileMissingError:
            return None
        return content.decode("utf-8", "replace")

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
            f"{self.place}/{path}",
            "Copy it there again (`image-gen mirror`).",
            lambda file, start, end: self.open_range(f"{path}/{file.path}", start, end),
            self.interrupted,
            self.timed_out,
        )

    def open_range(self, path: str, start: int, end: int | None = None) -> AbstractContextManager[FileRange]:
        """One try at an object's bytes from `start` on, up to but without `end`."""
        import obstore

        signed = self.call(path, "s3:GetObject", lambda: obstore.sign(self.s3_client, "GET", path, _SIGNED_FOR))
        return self.get_range(
            signed, start, end,
            lambda answer: s3_user_error(
                answer.status_code, answer.text, self._address / path, "s3:GetObject", self._endpoint,
                region=answer.headers.get("x-amz-bucket-region", ""),
            ),
        )  # fmt: skip

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

    def _explained(self, text: str, path: str, permission: str) -> errors.ImageGenError:
        # The rest is a dump of many lines.
        text = text.partition("\n\nDebug source")[0]
        status = next((each for each in (301, 307, 400, 401, 403, 404, 500, 503) if f"status code: {each}" in text), 0)
        # Without other credentials, the instance metadata service is asked for them.
        if "/latest/api/token" in text or "/latest/meta-data" in text or "credential" in text.lower():
            return errors.S3NoCredentialsError(
                f"No AWS credentials were found for {self._address / path}. Fix: set AWS_ACCESS_KEY_ID, "
                "AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), or give the machine a role."
            )
        if status or "<Code>" in text:
            return s3_user_error(status, text, self._address / path, permission, self._endpoint)
        return self.interrupted(text.partition("\n")[0].rpartition(" - ")[2]).error


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
