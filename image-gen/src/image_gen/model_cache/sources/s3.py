"""An S3 bucket, as a mirror and as the place of backups.

Credentials come from the environment, the machine or the container in the standard way, by obstore, which also signs
addresses and writes objects in parts. Objects are read by this package's HTTP client from signed URLs, so that
timeouts, proxies, resumption and retries are the same as for a hub.
"""

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import Any

from image_gen import errors
from image_gen.model_cache.core.manifest import Manifest
from image_gen.model_cache.core.retry import Retrier
from image_gen.model_cache.core.s3_uri import S3Uri
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.sources import aws_credentials
from image_gen.model_cache.sources.http import HttpClient
from image_gen.model_cache.sources.source import FileRange, Source

_KEY_ID, _SECRET = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
_SIGNED_FOR = timedelta(hours=1)
_SMALL_BYTES = 4 << 20
_REGION = {
    "AuthorizationHeaderMalformed",
    "AuthorizationQueryParametersError",
    "IllegalLocationConstraintException",
    "PermanentRedirect",
    "TemporaryRedirect",
}
_EXPIRED = (
    errors.S3ExpiredError,
    "The AWS credentials for {place} have expired. Fix: sign in again (`aws sso login`), or set new ones.",
)
_KEY = (
    errors.S3DeniedError,
    "S3 does not accept the AWS credentials for {place} ({code}). Fix: check AWS_ACCESS_KEY_ID and its secret.",
)
_BY_CODE: dict[str, tuple[type[errors.ImageGenError], str]] = {
    "NoSuchBucket": (
        errors.S3NotFoundError,
        "There is no bucket {bucket}{where}. Fix: check its name, AWS_REGION and the credentials' account.",
    ),
    "ExpiredToken": _EXPIRED,
    "RequestExpired": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    "InvalidAccessKeyId": _KEY,
    "InvalidToken": _KEY,
    "SignatureDoesNotMatch": _KEY,
    "RequestTimeTooSkewed": (
        errors.S3ClockError,
        "The clock of this machine is wrong, so S3 refuses {place}. Fix: set it.",
    ),
}


class S3Bucket(HttpClient):
    """The objects below one address. Every path is relative to it."""

    setting, elsewhere = "AWS_ENDPOINT_URL", "check AWS_REGION and AWS_ENDPOINT_URL"
    failed, unreachable, silent = errors.S3Error, errors.S3UnreachableError, errors.S3SilentError

    def __init__(self, settings: CacheSettings, address: S3Uri, cancel: threading.Event | None = None) -> None:
        super().__init__(settings, str(address), cancel=cancel)
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
        with self.map_errors(path, "s3:ListBucket"):
            found = obstore.list_with_delimiter(self.s3_client, prefix)
        return sorted(each.rstrip("/").rpartition("/")[2] for each in found["common_prefixes"])

    def holds(self, path: str, manifest: Manifest) -> bool:
        """Whether the smallest of a model's files is there: what was copied by other means has no manifest."""
        probe = min(manifest.files, key=lambda file: file.size)
        retrier = Retrier(self.cancel)
        try:
            while True:
                # A checkpoint is one file of gigabytes.
                with retrier.attempt(), self.open_range(f"{path}/{probe.path}", 0, 1):
                    return True
        except errors.FileMissingError:
            return False

    def source(self, path: str) -> Source:
        return Source(
            f"{self.place}/{path}",
            "Fix: export the model there again.",
            lambda file, start, end: self.open_range(f"{path}/{file.path}", start, end),
            self.interrupted,
            self.timed_out,
        )

    def open_range(self, path: str, start: int, end: int | None = None) -> AbstractContextManager[FileRange]:
        """One try at an object's bytes from `start` on, up to but without `end`."""
        import obstore

        with self.map_errors(path, "s3:GetObject"):
            signed = obstore.sign(self.s3_client, "GET", path, _SIGNED_FOR)
        return self.get_range(
            signed, start, end,
            lambda answer: _to_user_error(
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
        except (BaseError, OSError, ValueError) as error:
            # A file's error has a number, and none of obstore's has: its writer raises a plain OSError.
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise self._explained(str(error), path, permission) from error

    def _explained(self, text: str, path: str, permission: str) -> errors.ImageGenError:
        # The rest is a dump of many lines.
        text = text.partition("\n\nDebug source")[0]
        status = next((each for each in (301, 307, 400, 401, 403, 404, 500, 503) if f"status code: {each}" in text), 0)
        # Without other credentials, the instance metadata service is asked for them.
        if "/latest/api/token" in text or "/latest/meta-data" in text or "credential" in text.lower():
            return errors.S3NoCredentialsError(
                f"No AWS credentials were found for {self._address / path}. Fix: set AWS_ACCESS_KEY_ID, "
                "AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), or AWS_SHARED_CREDENTIALS_FILE, or give the machine a "
                "role. AWS_PROFILE and ~/.aws are not read."
            )
        if status or "<Code>" in text:
            return _to_user_error(status, text, self._address / path, permission, self._endpoint)
        return self.interrupted(text.partition("\n")[0].rpartition(" - ")[2]).error


def _check_keys(aws: Mapping[str, str]) -> None:
    """Credentials that can't be used are an error of their variable: obstore would look for others in silence."""
    for name in (_KEY_ID, _SECRET, "AWS_SESSION_TOKEN"):
        value = aws.get(name, "")
        if value and (not value.isascii() or not value.isprintable() or value.strip("\"' ") != value):
            raise errors.SettingInvalidError(
                f"{name}: there are quotes, spaces or other characters in it that no key has. Fix: set it to the key."
            )
    for name, other in ((_KEY_ID, _SECRET), (_SECRET, _KEY_ID), ("AWS_SESSION_TOKEN", _KEY_ID)):
        if aws.get(name) and not aws.get(other):
            raise errors.SettingInvalidError(f"{name} is set without {other}. Fix: set both, or none of them.")


def _open_s3_client(settings: CacheSettings, address: S3Uri, endpoint: str | None) -> Any:
    from obstore.store import S3Store

    _check_keys(settings.aws)
    own = settings.aws
    config: Any = {
        name.lower(): value
        for name, value in own.items()
        if "ENDPOINT" not in name and name != aws_credentials.VARIABLE
    }
    # Keys of the environment count first, as with AWS's own tools.
    file = own.get(aws_credentials.VARIABLE) if not own.get(_KEY_ID) else None
    provider: Any = aws_credentials.CredentialsFile(file) if file else None
    if provider:
        provider()  # a file that can't be read is said before anything is asked for
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
            address.bucket, prefix=address.key or None, config=config, client_options=options, retry_config=retries,
            credential_provider=provider,
        )  # fmt: skip
    except Exception as error:
        text = str(error).partition("\n")[0]
        raise errors.SettingInvalidError(f"The AWS_* variables can't be used for {address}: {text}") from error


def _to_user_error(
    status: int, text: str, place: S3Uri, permission: str, endpoint: str | None, *, region: str = ""
) -> errors.ImageGenError:
    """Maps S3's status, and the code in its answer or in a text that quotes that, to an error that says what to do.
    `permission` is the one that is needed.
    """
    code, region = _element(text, "Code"), region or _element(text, "Region")
    if code in _REGION or status in {301, 307}:
        text = f"The bucket {place.bucket} is in {f'the region {region}' if region else 'another region'}. "
        return errors.S3RegionError(text + f"Fix: set AWS_REGION{f'={region}' if region else ' to that one'}.")
    if known := _BY_CODE.get(code):
        where = f" at {endpoint}" if endpoint else ""
        return known[0](known[1].format(place=place, bucket=place.bucket, where=where, code=code))
    if status == 404:
        return errors.FileMissingError(f"{place} does not exist.")
    if status in {401, 403} and "kms:" in text:
        return errors.S3DeniedError(
            f"The AWS credentials may not use the KMS key of {place}. Fix: grant kms:Decrypt on it; a stack on AWS "
            "does so for the keys in decryptKmsKeyArns."
        )
    if status in {401, 403}:
        missing = " (S3 says so too of what does not exist, where s3:ListBucket is not granted)" if place.key else ""
        text = f"The AWS credentials may not read or write {place}{missing}. Fix: grant {permission} on it."
        return errors.S3DeniedError(text)
    return errors.S3Error(
        f"S3 answers with {code or 'status'} {status or ''} when asked for {place}. Try again later.",
        retryable=status >= 500 or status == 0,
    )


def _element(text: str, name: str) -> str:
    """The text of an XML element of S3's answer, such as the name of an error."""
    found = re.search(rf"<{name}>([\w-]+)</{name}>", text)
    return found[1] if found else ""
