"""Files that appear complete or not at all, and that outlast a power cut."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conftest import MakeCache

from image_gen.errors import ImageGenError
from image_gen.model_cache import ModelCache
from image_gen.model_cache.core.atomic_files import complete_file, sync_names, write_atomic


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files and directories that were synced, as `/proc` names them at that moment."""
    seen: list[Path] = []
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, lambda descriptor: seen.append(Path(f"/proc/self/fd/{descriptor}").readlink()))
    return seen


def test_every_new_directory_above_a_file_is_synced_once(tmp_path: Path, synced: list[Path]) -> None:
    write_atomic(tmp_path / "a/b/c.json", "{}")
    assert {tmp_path, tmp_path / "a", tmp_path / "a/b"} <= set(synced)
    # The content before the name.
    assert synced[0].parent == tmp_path / "a/b" and synced[0].name.startswith(".c.json.")
    del synced[:]
    sync_names([tmp_path / "a/b/c.json", tmp_path / "a/b/d.json", tmp_path / "a/gone/e.json"])
    assert len(synced) == len(set(synced)) and tmp_path / "a/b" in synced


def test_a_complete_file_replaces_the_earlier_one_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "archive.tar"
    target.write_text("earlier")
    (tmp_path / "archive.tar.partial").write_text("left by a killed one, and longer")
    with complete_file(target) as stream:
        stream.write(b"later")
        assert target.read_text() == "earlier"
        with pytest.raises(ImageGenError) as caught, complete_file(target):
            pass
        assert caught.value.code == "CACHE_BUSY"
    assert target.read_text() == "later" and [path.name for path in tmp_path.iterdir()] == ["archive.tar"]
    with pytest.raises(KeyboardInterrupt), complete_file(target) as stream:
        raise KeyboardInterrupt
    assert target.read_text() == "later" and [path.name for path in tmp_path.iterdir()] == ["archive.tar"]


@pytest.mark.parametrize("content", [b"", bytes(40), b"\xff" * 40])
def test_an_emptied_ref_is_repaired_offline(filled: ModelCache, make_cache: MakeCache, content: bytes) -> None:
    model = filled.ensure("test/model")
    ref = filled.settings.hub_cache / "models--test--model/refs/main"
    ref.write_bytes(content)
    assert make_cache(offline=True).ensure("test/model").source == "volume"
    assert ref.read_text() == model.revision
