"""A restore refuses what it can't prove, and leaves a working cache whatever interrupts it."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from backups import Change, rewritten, tree
from conftest import UNET

from image_gen.errors import ImageGenError
from image_gen.model_cache import ModelCache
from image_gen.model_cache.backup import extract
from image_gen.model_cache.backup.compression import compressed, compression_of
from image_gen.model_cache.core.file_lock import file_lock


def last_link(member: tarfile.TarInfo) -> bool:
    return member.name.endswith(UNET)


def climb(member: tarfile.TarInfo) -> None:
    if last_link(member):
        member.name = "data/huggingface/hub/models--a--b/snapshots/../../../../../evil"


def link_out(member: tarfile.TarInfo) -> None:
    if last_link(member):
        member.linkname = "../" * 12 + "etc/passwd"


def link_to_root(member: tarfile.TarInfo) -> None:
    if last_link(member):
        member.linkname = "/etc/passwd"


def hard_link(member: tarfile.TarInfo) -> None:
    if last_link(member):
        member.type, member.linkname = tarfile.LNKTYPE, "/etc/passwd"


def device(member: tarfile.TarInfo) -> None:
    if last_link(member):
        member.type = tarfile.CHRTYPE


def through_a_link(member: tarfile.TarInfo) -> None:
    if member.name.endswith("/snapshots") or "/snapshots/" not in member.name:
        return
    if member.isdir() and member.name.endswith("/unet"):
        member.type, member.linkname = tarfile.SYMTYPE, "../../blobs"


@pytest.mark.parametrize("change", [climb, link_out, link_to_root, hard_link, device, through_a_link])
def test_restore_rejects_members_outside_the_cache(filled: ModelCache, tmp_path: Path, change: Change) -> None:
    filled.backup(tmp_path / "backup.tar")
    harmful = rewritten(tmp_path / "backup.tar", change)
    before = tree(tmp_path / "data")
    with pytest.raises(ImageGenError) as caught:
        filled.restore(harmful)
    assert caught.value.code == "BACKUP_UNSAFE"
    assert tree(tmp_path / "data") == before and not (tmp_path / "evil").exists()


def test_restore_of_a_damaged_archive_changes_nothing(filled: ModelCache, tmp_path: Path) -> None:
    filled.backup(tmp_path / "backup.tar")
    content = bytearray((tmp_path / "backup.tar").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "damaged.tar").write_bytes(content)
    (tmp_path / "cut.tar").write_bytes(content[: len(content) // 3])
    (tmp_path / "other.tar").write_bytes(b"no archive at all" * 100)
    (tmp_path / "empty.tar").write_bytes(b"")
    before = tree(tmp_path / "data")
    for name, code in (
        ("damaged", "CORRUPT_BACKUP"),
        ("cut", "BACKUP_INVALID"),
        ("other", "BACKUP_INVALID"),
        ("empty", "BACKUP_INVALID"),
    ):
        with pytest.raises(ImageGenError) as caught:
            filled.restore(tmp_path / f"{name}.tar")
        assert caught.value.code == code
        assert tree(tmp_path / "data") == before
    with pytest.raises(ImageGenError) as caught:
        filled.restore(tmp_path / "none.tar")
    assert caught.value.code == "BACKUP_INVALID"


@pytest.mark.parametrize("name", ["backup.tar.gz", "backup.tar.zst"])
def test_restore_of_a_damaged_compressed_archive_changes_nothing(filled: ModelCache, tmp_path: Path, name: str) -> None:
    filled.backup(tmp_path / name, compress=compression_of(name) or False)
    content = (tmp_path / name).read_bytes()
    before = tree(tmp_path / "data")
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 0xFF
    for broken in (bytes(flipped), content[: len(content) // 2], content[:3]):
        with pytest.raises(ImageGenError) as caught:
            filled.restore(io.BytesIO(broken))
        assert caught.value.code in {"BACKUP_INVALID", "CORRUPT_BACKUP"}
        assert tree(tmp_path / "data") == before


def test_restore_compares_members_with_the_index(filled: ModelCache, tmp_path: Path) -> None:
    """A branch's meaning is proven by no hash in its name: only the listing can tell."""

    def turn(member: tarfile.TarInfo) -> None:
        if member.name.endswith("/refs/main"):
            member.name = member.name.removesuffix("main") + "other"

    filled.backup(tmp_path / "backup.tar")
    before = tree(tmp_path / "data")
    with pytest.raises(ImageGenError) as caught:
        filled.restore(rewritten(tmp_path / "backup.tar", turn))
    assert caught.value.code == "CORRUPT_BACKUP" and "refs/" in caught.value.message
    assert tree(tmp_path / "data") == before


def test_restore_rejects_an_invalid_index(filled: ModelCache, tmp_path: Path) -> None:
    filled.backup(tmp_path / "backup.tar")
    content = (tmp_path / "backup.tar").read_bytes()
    (tmp_path / "strange.tar").write_bytes(content.replace(b'"schema": 1,\n "files"', b'"schema": 9,\n "files"'))
    with pytest.raises(ImageGenError) as caught:
        filled.restore(tmp_path / "strange.tar")
    assert caught.value.code == "CORRUPT_BACKUP" and "listing" in caught.value.message


def test_restore_names_the_missing_zstandard_package(
    filled: ModelCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(ImageGenError) as caught:
        filled.backup(tmp_path / "backup.tar.zst", compress="zstd")
    assert caught.value.code == "ZSTD_MISSING" and not list(tmp_path.glob("backup*"))


def test_restore_rejects_an_incomplete_model(filled: ModelCache, tmp_path: Path) -> None:
    home = filled.settings.hf_home
    (filled.ensure("test/model").directory / UNET).resolve().unlink()
    subprocess.run(["tar", "cf", tmp_path / "guide.tar", "-C", home.parents[1], "data/huggingface"], check=True)
    with pytest.raises(ImageGenError) as caught:
        filled.restore(tmp_path / "guide.tar")
    assert caught.value.code == "CORRUPT_BACKUP" and UNET in caught.value.message


@pytest.mark.parametrize("moment", ["unpacking", "placing"])
def test_interrupted_restore_leaves_a_working_cache(
    filled: ModelCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    filled.backup(tmp_path / "backup.tar")
    before = tree(filled.settings.hf_home)
    calls = 0

    def cut(*arguments: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise KeyboardInterrupt
        return real(*arguments)

    place, name = (extract, "_copy") if moment == "unpacking" else (Path, "replace")
    real = getattr(place, name)
    monkeypatch.setattr(place, name, cut)
    with pytest.raises(KeyboardInterrupt):
        filled.restore(tmp_path / "backup.tar")
    monkeypatch.undo()
    assert tree(filled.settings.hf_home) == before and filled.verify().ok
    # What a kill without a chance to tidy up leaves is swept away by the next restore.
    (filled.settings.hub_cache / ".image-gen-restore" / "hub").mkdir(parents=True)
    filled.restore(tmp_path / "backup.tar")
    assert tree(filled.settings.hf_home) == before


def test_restore_rejects_a_model_that_is_being_downloaded(filled: ModelCache, tmp_path: Path) -> None:
    filled.backup(tmp_path / "backup.tar")
    lock = filled.settings.hub_cache / ".locks" / "models--test--model" / "image-gen.lock"
    with file_lock(lock, lambda: None), pytest.raises(ImageGenError) as caught:
        filled.restore(tmp_path / "backup.tar")
    assert caught.value.code == "CACHE_BUSY" and caught.value.retryable


@pytest.mark.parametrize("name", ["backup.tar", "backup.tar.gz", "backup.tar.zst"])
def test_an_archive_is_read_to_its_end(filled: ModelCache, tmp_path: Path, name: str) -> None:
    """A header has no hash: each is damaged, and each is where the archive is cut, and none of them is the end."""
    filled.backup(tmp_path / "backup.tar")
    content = (tmp_path / "backup.tar").read_bytes()
    with tarfile.open(tmp_path / "backup.tar") as archive:
        offsets = [member.offset for member in archive]
    before = tree(tmp_path / "data")
    damaged = [content[:offset] for offset in offsets[::3]]
    damaged += [content[:offset] + b"\1" + content[offset + 1 :] for offset in offsets[1::3]]
    damaged += [content[:offset] + bytes(512) + content[offset + 512 :] for offset in offsets[2::3]]
    damaged += [content[: offsets[-1]] + bytes(2048), content * 2]
    for broken in damaged:
        packed = io.BytesIO()
        with compressed(packed, compression_of(name)) as stream:
            stream.write(broken)
        with pytest.raises(ImageGenError) as caught:
            filled.restore(io.BytesIO(packed.getvalue()))
        assert caught.value.code in {"BACKUP_INVALID", "CORRUPT_BACKUP"}
        assert tree(tmp_path / "data") == before


def test_an_older_backup_moves_no_branch_back(filled: ModelCache, tmp_path: Path) -> None:
    filled.backup(tmp_path / "backup.tar")
    repository = filled.settings.hub_cache / "models--test--model"
    old, newer = (repository / "refs" / "main").read_text(), "f" * 40
    (repository / "snapshots" / newer).mkdir()
    (repository / "refs" / "main").write_text(newer)
    report = filled.restore(tmp_path / "backup.tar")
    assert (repository / "refs" / "main").read_text() == newer
    assert len(report.kept) == 1 and old in report.kept[0] and newer in report.kept[0]
    # Where the branch leads nowhere, the backup's is taken.
    (repository / "snapshots" / newer).rmdir()
    assert filled.restore(tmp_path / "backup.tar").kept == ()
    assert (repository / "refs" / "main").read_text() == old
