"""Addresses of objects: what is wrong with one is said."""

from __future__ import annotations

import pytest

from image_gen.errors import SettingInvalidError
from image_gen.model_cache.core.s3_uri import S3Uri


def test_a_prefix_may_end_with_a_slash() -> None:
    assert S3Uri.parse("s3://models/sdxl/", "--output") == S3Uri("models", "sdxl")
    assert S3Uri.parse("s3://models/", "--output") == S3Uri("models")
    assert S3Uri.parse("s3://models/a/b.tar", "--output", key_required=True) == S3Uri("models", "a/b.tar")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("s3://models/backups/", "with the object's name at its end"),
        ("s3://models/a/b.tar/", "with the object's name at its end"),
        ("s3://models", "expected s3://bucket/key, got"),
        ("s3://models/", "expected s3://bucket/key, got"),
        ("s3://b1/x.tar", "3 to 63 lower-case letters"),
        ("s3://Models/x.tar", "3 to 63 lower-case letters"),
        ("s3:///x.tar", "3 to 63 lower-case letters"),
        ("s3://models/../x.tar", "expected s3://bucket/key, got"),
    ],
)
def test_an_object_needs_a_bucket_and_a_name(text: str, said: str) -> None:
    with pytest.raises(SettingInvalidError) as caught:
        S3Uri.parse(text, "--output", key_required=True)
    assert said in caught.value.message and text in caught.value.message
