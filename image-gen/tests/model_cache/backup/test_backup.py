"""What is backed up comes back, whoever made the archive; what is harmful or damaged does not."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from backups import tree
from conftest import UNET, MakeCache, MakeRepo

from image_gen.errors import ImageGenError
from image_gen.model_cache import CacheSettings, ModelCache
from image_gen.model_cache.backup.compression import compression_of
from image_gen_demo.hub import DemoHub


@pytest.mark.parametrize("name", ["backup.tar", "backup.tar.gz", "backup.tar.zst"])
def test_backup_and_restore_give_the_same_cache(filled: ModelCache, hub: DemoHub, tmp_path: Path, name: str) -> None:
    home = filled.settings.hf_home
    before = tree(home)
    report = filled.backup(tmp_path / name, compress=compression_of(name) or False)
    assert report.models == ("test/model",) and report.skipped == ()
    filled.clear()
    hub.forget()
    assert filled.restore(tmp_path / name).models == ("test/model",)
    assert tree(home) == before
    assert filled.ensure("test/model").source == "volume" and hub.requests == []


def test_plain_tar_restores_a_backup_too(filled: ModelCache, tmp_path: Path) -> None:
    filled.backup(tmp_path / "backup.tar.gz", compress=True)
    subprocess.run(["tar", "xzf", tmp_path / "backup.tar.gz", "-C", tmp_path / "hub-root"], check=True)
    restored = tmp_path / "hub-root" / "data" / "huggingface"
    listing = restored / "image-gen" / "backup.json"
    assert "files" in json.loads(listing.read_text())
    listing.unlink()
    assert tree(restored) == tree(filled.settings.hf_home)
    assert restored.stat().st_uid == filled.settings.hf_home.stat().st_uid


@pytest.mark.parametrize("spelling", ["data/huggingface", "./data/huggingface", "/data/huggingface"])
def test_restore_accepts_the_archive_of_the_guides_command(filled: ModelCache, tmp_path: Path, spelling: str) -> None:
    """The guide runs `tar czf … /data/huggingface`, which takes all there is, a token and locks included."""
    home = filled.settings.hf_home
    (home / "token").write_text("hf_theirs")
    (home / "xet").mkdir()
    (home / "xet" / "log").write_text("x")
    names = [spelling, "-C", str(tmp_path)] if not spelling.startswith("/") else []
    command = ["tar", "czf", str(tmp_path / "guide.tar.gz"), *names[1:], *names[:1]]
    if spelling.startswith("/"):
        command += ["-P", "--transform", "s,^data,/data,", "-C", str(tmp_path), "data/huggingface"]
    subprocess.run(command, check=True)
    before = tree(home / "hub")
    filled.clear()
    (home / "token").unlink()
    assert filled.restore(tmp_path / "guide.tar.gz").models == ("test/model",)
    assert tree(home / "hub") == before
    assert not (home / "token").exists()


def test_restore_repairs_a_damaged_cache_and_keeps_other_files(
    filled: ModelCache, make_repo: MakeRepo, tmp_path: Path
) -> None:
    filled.backup(tmp_path / "backup.tar")
    make_repo("test/other", seed=5)
    other = filled.ensure("test/other")
    with ((filled.ensure("test/model").directory) / UNET).open("r+b") as stream:
        stream.write(b"damage")
    assert not filled.verify().ok
    filled.restore(tmp_path / "backup.tar")
    assert filled.verify().ok and filled.ensure("test/other").directory == other.directory


def test_backup_excludes_secrets_and_partial_downloads(filled: ModelCache, tmp_path: Path) -> None:
    home = filled.settings.hf_home
    (home / "token").write_text("hf_mine")
    (home / "hub" / "models--test--model" / "blobs" / ("1" * 64 + ".incomplete")).write_bytes(b"x")
    filled.backup(tmp_path / "backup.tar")
    with tarfile.open(tmp_path / "backup.tar") as archive:
        names = archive.getnames()
        # Long names in the old spelling: the tar of the guide's Alpine does not know the newer one.
        assert max(map(len, names)) > 100 and not any(member.pax_headers.keys() - {"comment"} for member in archive)
    assert names and all(name.startswith("data/huggingface") for name in names)
    assert not [name for name in names if Path(name).name == "token" or "incomplete" in name or ".locks" in name]


def test_backup_skips_and_reports_an_incomplete_model(filled: ModelCache, make_repo: MakeRepo, tmp_path: Path) -> None:
    make_repo("test/other", seed=5)
    other = filled.ensure("test/other")
    (other.directory / UNET).unlink()
    report = filled.backup(tmp_path / "backup.tar")
    assert (report.models, report.skipped) == (("test/model",), (f"test/other@{other.revision} lacks {UNET}",))
    with pytest.raises(ImageGenError) as caught:
        filled.backup(tmp_path / "other.tar", model_id="test/other")
    assert caught.value.code == "NOTHING_TO_BACK_UP" and not (tmp_path / "other.tar").exists()


def test_backup_of_a_damaged_cache_fails(filled: ModelCache, tmp_path: Path) -> None:
    (tmp_path / "backup.tar").write_text("the last good one")
    with (filled.ensure("test/model").directory / UNET).open("r+b") as stream:
        stream.write(b"damage")
    with pytest.raises(ImageGenError) as caught:
        filled.backup(tmp_path / "backup.tar")
    assert caught.value.code == "CORRUPT_CACHE"
    assert (tmp_path / "backup.tar").read_text() == "the last good one"
    assert not list(tmp_path.glob("*.partial"))


def test_backup_index_lists_every_file_and_manifest(filled: ModelCache, tmp_path: Path) -> None:
    filled.backup(tmp_path / "backup.tar")
    with tarfile.open(tmp_path / "backup.tar") as archive:
        assert archive.getnames()[-1] == "data/huggingface/image-gen/backup.json"
        listing = json.load(archive.extractfile("data/huggingface/image-gen/backup.json"))  # type: ignore[arg-type]
        kept = {member.name.removeprefix("data/huggingface/"): member for member in archive}
        for path, sha256 in listing["files"].items():
            content = archive.extractfile(kept[path])
            assert content is not None and hashlib.sha256(content.read()).hexdigest() == sha256
    assert listing["links"] == {path: each.linkname for path, each in kept.items() if each.issym()}
    assert [manifest["id"] for manifest in listing["manifests"]] == ["test/model"]


def test_restore_keeps_manifests_of_the_backup(filled: ModelCache, make_cache: MakeCache, tmp_path: Path) -> None:
    manifests = tmp_path / "shipped"
    manifests.mkdir()
    manifest = filled.resolve("test/model")
    (manifests / "test--model.json").write_text(manifest.to_json())
    for path in filled.registry.cached_files("test/model"):
        path.unlink()
    make_cache(manifests_dir=manifests).backup(tmp_path / "backup.tar")
    fresh = make_cache(home=tmp_path / "fresh", offline=True)
    fresh.restore(tmp_path / "backup.tar")
    assert fresh.registry.find("test/model", None) == manifest and fresh.ensure("test/model").source == "volume"


def test_backup_includes_shared_blobs(filled: ModelCache, tmp_path: Path) -> None:
    """Newer hub clients keep contents beside the models; the guide's tar has both, ours the content itself."""
    blob = (filled.ensure("test/model").directory / UNET).resolve()
    shared = filled.settings.hub_cache / "blobs" / "ab" / ("ab" * 32)
    shared.parent.mkdir(parents=True)
    content = blob.read_bytes()
    blob.replace(shared)
    blob.symlink_to(f"../../blobs/ab/{shared.name}")
    filled.backup(tmp_path / "ours.tar")
    subprocess.run(["tar", "cf", tmp_path / "guide.tar", "-C", tmp_path, "data/huggingface"], check=True)
    for name in ("ours.tar", "guide.tar"):
        shutil.rmtree(filled.settings.hub_cache)
        filled.restore(tmp_path / name)
        assert not blob.is_symlink() and blob.read_bytes() == content


def test_backup_paths_do_not_depend_on_hf_home(filled: ModelCache, tmp_path: Path) -> None:
    filled.backup(tmp_path / "backup.tar")
    home = tmp_path / "elsewhere"
    other = ModelCache(CacheSettings(hf_home=home, hub_cache=tmp_path / "cache", offline=True))
    other.restore(tmp_path / "backup.tar")
    assert other.ensure("test/model").source == "volume"
    assert os.path.commonpath([other.ensure("test/model").directory, tmp_path / "cache"]) == str(tmp_path / "cache")


def test_backup_has_nothing_of_a_revision_that_it_leaves_out(
    filled: ModelCache, make_repo: MakeRepo, make_cache: MakeCache, tmp_path: Path
) -> None:
    make_repo("test/model@v2", seed=2)
    second = filled.ensure("test/model", revision="v2")
    (second.directory / UNET).resolve().unlink()
    report = filled.backup(tmp_path / "backup.tar")
    assert report.skipped == (f"test/model@{second.revision} lacks {UNET}",)
    with tarfile.open(tmp_path / "backup.tar") as archive:
        assert not [name for name in archive.getnames() if second.revision in name or name.endswith("refs/v2")]
    fresh = make_cache(home=tmp_path / "fresh", offline=True)
    assert fresh.restore(tmp_path / "backup.tar").skipped == ()
    assert fresh.ensure("test/model").source == "volume"


def test_restore_of_an_archive_with_half_a_revision_restores_the_others(
    filled: ModelCache, make_repo: MakeRepo, make_cache: MakeCache, tmp_path: Path
) -> None:
    make_repo("test/model@v2", seed=2)
    second = filled.ensure("test/model", revision="v2")
    (second.directory / UNET).resolve().unlink()
    subprocess.run(["tar", "cf", tmp_path / "guide.tar", "-C", tmp_path, "data/huggingface"], check=True)
    fresh = make_cache(home=tmp_path / "fresh", offline=True)
    assert fresh.restore(tmp_path / "guide.tar").skipped == (f"test/model@{second.revision} lacks {UNET}",)
    assert fresh.ensure("test/model").source == "volume" and fresh.verify().ok
    refs = fresh.settings.hub_cache / "models--test--model/refs"
    assert [path.name for path in refs.iterdir()] == ["main"]


def test_backup_of_plain_files_is_right_or_refused(filled: ModelCache, make_cache: MakeCache, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(filled.settings.hf_home, copy)
    plain = make_cache(home=copy)
    plain.backup(tmp_path / "backup.tar")
    fresh = make_cache(home=tmp_path / "fresh", offline=True)
    fresh.restore(tmp_path / "backup.tar")
    assert fresh.verify().ok and not (fresh.ensure("test/model").directory / UNET).is_symlink()
    with (plain.ensure("test/model").directory / UNET).open("r+b") as stream:
        stream.write(b"damage")
    with pytest.raises(ImageGenError) as caught:
        plain.backup(tmp_path / "backup.tar")
    assert caught.value.code == "CORRUPT_CACHE"
    for path in plain.registry.cached_files("test/model"):
        path.unlink()
    with pytest.raises(ImageGenError) as caught:
        plain.backup(tmp_path / "backup.tar")
    assert caught.value.code == "NOTHING_TO_BACK_UP"


def test_one_revision_is_backed_up(filled: ModelCache, tmp_path: Path) -> None:
    commit = (filled.settings.hub_cache / "models--test--model" / "refs" / "main").read_text()
    for revision in ("main", commit, commit[:12]):
        assert filled.backup(tmp_path / "backup.tar", model_id=f"test/model@{revision}").models == ("test/model",)
        assert filled.verify(f"test/model@{revision}").models
    with pytest.raises(ImageGenError) as caught:
        filled.backup(tmp_path / "other.tar", model_id="test/model@v9")
    assert caught.value.code == "NOTHING_TO_BACK_UP"
