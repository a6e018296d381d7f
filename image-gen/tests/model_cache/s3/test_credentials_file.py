"""Credentials in a file that somebody else renews, as a host on AWS does every half hour."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from conftest import MakeCache, MakeRepo
from fake_s3.fixtures import BUCKET

from image_gen.errors import ImageGenError
from image_gen.model_cache import CacheSettings
from image_gen.model_cache.core.s3_uri import S3Uri
from image_gen.model_cache.sources import aws_credentials
from image_gen.model_cache.sources.s3 import S3Bucket

ID = "test/model"
ADDRESS = S3Uri(BUCKET, "our/models")


def write(file: Path, key: str) -> None:
    text = f"[default]\naws_access_key_id = {key}\naws_secret_access_key = 50%secret\naws_session_token = token\n"
    file.write_text(text, encoding="utf-8")


@pytest.fixture
def file(tmp_path: Path, aws: dict[str, str]) -> Path:
    """A file in place of the keys of the environment."""
    del aws["AWS_ACCESS_KEY_ID"], aws["AWS_SECRET_ACCESS_KEY"]
    aws["AWS_SHARED_CREDENTIALS_FILE"] = str(tmp_path / "credentials")
    write(tmp_path / "credentials", "AKIAFIRST")
    return tmp_path / "credentials"


def signed(bucket: S3Bucket) -> str:
    import obstore

    return obstore.sign(bucket.s3_client, "GET", "x", timedelta(minutes=1))


@pytest.mark.usefixtures("file")
def test_a_model_is_fetched_with_them(
    make_repo: MakeRepo, make_cache: MakeCache, aws: dict[str, str], tmp_path: Path
) -> None:
    own = CacheSettings.from_env(aws).aws
    make_repo()
    make_cache(home=tmp_path / "connected", aws=own).mirror(ID, ADDRESS)
    assert make_cache(mirror=ADDRESS, offline=True, aws=own).ensure(ID).source == "download"


def test_new_ones_are_used_without_a_restart(
    make_cache: MakeCache, aws: dict[str, str], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_credentials, "_USED_FOR", timedelta(0))
    with S3Bucket(make_cache(aws=aws).settings, ADDRESS) as bucket:
        assert "AKIAFIRST" in signed(bucket) and "X-Amz-Security-Token=token" in signed(bucket)
        write(file, "AKIASECOND")
        assert "AKIASECOND" in signed(bucket)


def test_keys_of_the_environment_count_first(make_cache: MakeCache, aws: dict[str, str], file: Path) -> None:
    aws |= {"AWS_ACCESS_KEY_ID": "AKIAOWN", "AWS_SECRET_ACCESS_KEY": "x"}
    with S3Bucket(make_cache(aws=aws).settings, ADDRESS) as bucket:
        assert "AKIAOWN" in signed(bucket)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "No such file"),
        ("[other]\n", "there is no default in it"),
        ("[default]\naws_access_key_id = AKIAHIDDEN\n", "there is no aws_secret_access_key in it"),
        ("AKIAHIDDEN", "another format"),
    ],
)
def test_a_file_without_them_is_named(
    make_cache: MakeCache, aws: dict[str, str], file: Path, text: str | None, reason: str
) -> None:
    file.unlink()
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(ImageGenError) as caught:
        make_cache(mirror=ADDRESS, offline=True, aws=aws).ensure(ID)
    assert caught.value.code == "SETTING_INVALID" and reason in caught.value.message
    assert str(file) in caught.value.message and "AKIAHIDDEN" not in caught.value.message
