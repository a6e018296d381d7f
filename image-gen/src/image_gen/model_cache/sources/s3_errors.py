"""Translates errors of S3 into errors that say how to fix them."""

import re

from image_gen import errors
from image_gen.model_cache.core.s3_uri import S3Uri

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


def s3_user_error(
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
