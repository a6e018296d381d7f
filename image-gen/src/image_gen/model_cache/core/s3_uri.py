"""Addresses of the form s3://bucket/key, as mirrors and backups have them."""

import re
from dataclasses import dataclass

from image_gen.errors import SettingInvalidError, shown

SCHEME = "s3://"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True)
class S3Uri:
    """A place in a bucket: the key of an object, or what keys begin with. Neither begins nor ends with a slash."""

    bucket: str
    key: str = ""

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}" + (f"/{self.key}" if self.key else "")

    def __truediv__(self, path: str) -> "S3Uri":
        return S3Uri(self.bucket, "/".join(each for each in (self.key, path) if each))

    @classmethod
    def parse(cls, text: str, what: str, *, key_required: bool = False) -> "S3Uri":
        """Raises SETTING_INVALID, naming `what` it was given for."""
        bucket, _, key = text.removeprefix(SCHEME).partition("/")
        is_directory = key_required and key.strip("/") and key.endswith("/")
        key = key.strip("/")
        fine = text.startswith(SCHEME) and _BUCKET.fullmatch(bucket) and key.isprintable() and "//" not in key
        fine = fine and not any(part in {".", ".."} for part in key.split("/"))
        if not fine or is_directory or (key_required and not key):
            expected = "s3://bucket/key" if key_required else "s3://bucket or s3://bucket/prefix"
            if text.startswith(SCHEME) and not _BUCKET.fullmatch(bucket):
                expected += ", with 3 to 63 lower-case letters, digits, dots and hyphens as the bucket's name"
            elif is_directory:
                expected += ", with the object's name at its end"
            raise SettingInvalidError(f"{what}: expected {expected}, got {shown(text)}")
        return cls(bucket, key)
