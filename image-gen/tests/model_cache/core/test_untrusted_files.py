"""Whatever is wrong with a file of others is one error, and none makes a command wait."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from image_gen.errors import ImageGenError
from image_gen.model_cache.core.manifest import is_safe_path, is_size, parse_manifest
from image_gen.model_cache.core.untrusted_files import parse_json, read_json, read_regular

DAMAGED = [
    b"", b"{", b"\xff\xfe{}", b'"\xff"', b"[" * 200_000, b'{"a":' * 200_000, b"NaN", b"[1e400]",
    b"-Infinity", b"1" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("content", DAMAGED, ids=lambda each: repr(each[:12]))
def test_damaged_json_is_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError):
        parse_json(content)
    with pytest.raises(ImageGenError) as caught:
        parse_manifest(content, "somewhere")
    assert caught.value.code == "MANIFEST_INVALID"


@pytest.mark.parametrize("content", [b"[" * 300 + b"]" * 300, b'{"files": [[[[]]]]}', b"null", b"5"])
def test_a_manifest_of_another_form_is_named(content: bytes) -> None:
    with pytest.raises(ImageGenError) as caught:
        parse_manifest(content, "somewhere")
    assert caught.value.code == "MANIFEST_INVALID"


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to("fifo")
    for name in ("fifo", "directory", "link"):
        with pytest.raises(OSError, match=r"regular|directory"):
            read_regular(tmp_path / name)
    with pytest.raises(OSError, match="regular"):
        read_json(Path("/dev/zero"))


def test_sizes_and_paths_from_outside() -> None:
    assert is_size(0) and is_size(7_000_000_000)
    assert not any(map(is_size, (True, -1, 1.0, "5", None, 10**30)))
    assert is_safe_path("unet/ü 全.json") and not any(map(is_safe_path, ("\ud800", "a\0", "/a", "../a", "")))
