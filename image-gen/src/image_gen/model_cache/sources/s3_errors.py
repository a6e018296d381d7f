"""What S3's refusals mean, in the words of the person who has to mend them."""

from __future__ import annotations

import re

from image_gen.errors import ImageGenError

_REGION = {
    "AuthorizationHeaderMalformed",
    "AuthorizationQueryParametersError",
    "IllegalLocationConstraintException",
    "PermanentRedirect",
    "TemporaryRedirect",
}
_EXPIRED = (
    "S3_EXPIRED",
    "The AWS credentials for {place} have expired. Fix: sign in again (`aws sso login`), or set new ones.",
)
_KEY = (
    "S3_DENIED",
    "S3 does not accept the AWS credentials for {place} ({code}). Fix: check AWS_ACCESS_KEY_ID and its secret.",
)
_TOLD = {
    "NoSuchBucket": (
        "S3_NOT_FOUND",
        "There is no bucket {bucket}{where}. Fix: check its name, AWS_REGION and the credentials' account.",
    ),
    "ExpiredToken": _EXPIRED,
    "RequestExpired": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    "InvalidAccessKeyId": _KEY,
    "InvalidToken": _KEY,
    "SignatureDoesNotMatch": _KEY,
    "RequestTimeTooSkewed": ("S3_CLOCK", "The clock of this machine is wrong, so S3 refuses {place}. Fix: set it."),
}


def code_in(text: str) -> str:
    """S3's own name of an error, from the body of an answer, wherever that is quoted."""
    found = re.search(r"<Code>(\w+)</Code>", text)
    return found[1] if found else ""


def region_in(text: str) -> str:
    found = re.search(r"<Region>([\w-]+)</Region>", text)
    return found[1] if found else ""


def s3_user_error(
    *, status: int, code: str, region: str, bucket: str, key: str, doing: str, endpoint: str | None
) -> ImageGenError:
    """Maps a status and a code of S3 to an error that says what to do. `doing` is the permission that is needed."""
    place = f"s3://{bucket}/{key}".rstrip("/")
    if code in _REGION or status in {301, 307}:
        text = f"The bucket {bucket} is in {f'the region {region}' if region else 'another region'}. "
        return ImageGenError("S3_REGION", text + f"Fix: set AWS_REGION{f'={region}' if region else ' to that one'}.")
    told = _TOLD.get(code)
    if told:
        where = f" at {endpoint}" if endpoint else ""
        return ImageGenError(told[0], told[1].format(place=place, bucket=bucket, where=where, code=code))
    if status == 404:
        return ImageGenError("FILE_NOT_FOUND", f"{place} does not exist.")
    if status in {401, 403}:
        missing = " (S3 says so too of what does not exist, where s3:ListBucket is not granted)" if key else ""
        text = f"The AWS credentials may not read or write {place}{missing}. Fix: grant {doing} on it."
        return ImageGenError("S3_DENIED", text)
    return ImageGenError(
        "S3_ERROR",
        f"S3 answers with {code or 'status'} {status or ''} when asked for {place}. Try again later.",
        retryable=status >= 500 or status == 0,
    )
