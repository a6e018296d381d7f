"""Translates errors of S3 into errors that say how to fix them."""

from __future__ import annotations

import re

from image_gen import errors

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


def code_in(text: str) -> str:
    """S3's name of an error, from a response body or a text that quotes one."""
    found = re.search(r"<Code>(\w+)</Code>", text)
    return found[1] if found else ""


def region_in(text: str) -> str:
    found = re.search(r"<Region>([\w-]+)</Region>", text)
    return found[1] if found else ""


def s3_user_error(
    *, status: int, code: str, region: str, bucket: str, key: str, doing: str, endpoint: str | None
) -> errors.ImageGenError:
    """Maps a status and a code of S3 to an error that says what to do. `doing` is the permission that is needed."""
    place = f"s3://{bucket}/{key}".rstrip("/")
    if code in _REGION or status in {301, 307}:
        text = f"The bucket {bucket} is in {f'the region {region}' if region else 'another region'}. "
        return errors.S3RegionError(text + f"Fix: set AWS_REGION{f'={region}' if region else ' to that one'}.")
    if known := _BY_CODE.get(code):
        where = f" at {endpoint}" if endpoint else ""
        return known[0](known[1].format(place=place, bucket=bucket, where=where, code=code))
    if status == 404:
        return errors.FileMissingError(f"{place} does not exist.")
    if status in {401, 403}:
        missing = " (S3 says so too of what does not exist, where s3:ListBucket is not granted)" if key else ""
        text = f"The AWS credentials may not read or write {place}{missing}. Fix: grant {doing} on it."
        return errors.S3DeniedError(text)
    return errors.S3Error(
        f"S3 answers with {code or 'status'} {status or ''} when asked for {place}. Try again later.",
        retryable=status >= 500 or status == 0,
    )
