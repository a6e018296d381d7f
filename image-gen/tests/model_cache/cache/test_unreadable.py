"""What can't be read may use any content, so nothing is deleted then; what any link leads to is used."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from conftest import MakeCache, MakeRepo

from image_gen.cli.main import main
from image_gen.errors import ImageGenError
from image_gen.model_cache import ModelCache
from image_gen.model_cache.core import walk
from image_gen.model_cache.core.layout import RepoLayout

SOURCE = Path(walk.__file__).parents[1]
ORPHAN = "b" * 64


@pytest.fixture
def pair(make_repo: MakeRepo, make_cache: MakeCache) -> ModelCache:
    """Two models as the hub's client leaves them, without a kept manifest; the first has an orphan."""
    make_repo("test/model", seed=1)
    make_repo("test/other", seed=2)
    cache = make_cache()
    cache.ensure("test/model")
    cache.ensure("test/other")
    shutil.rmtree(cache.settings.hf_home / "image-gen")
    (layout_of(cache).blobs / ORPHAN).write_bytes(b"x")
    return cache


def layout_of(cache: ModelCache, model_id: str = "test/model") -> RepoLayout:
    return RepoLayout(cache.settings.hub_cache, model_id)


def contents(cache: ModelCache) -> set[Path]:
    return set(cache.settings.hub_cache.rglob("blobs/*"))


def close(monkeypatch: pytest.MonkeyPatch, closed: Path) -> None:
    """A directory that this user may not list: root may list all, so the call is refused here."""
    listed = Path.iterdir

    def refuse(path: Path):  # type: ignore[no-untyped-def]
        if path == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", refuse)


@pytest.mark.parametrize("below", [".", "blobs", "refs", "snapshots", "snapshots/C", "snapshots/C/unet"])
def test_nothing_is_deleted_while_a_directory_cannot_be_read(
    pair: ModelCache, monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    layout = layout_of(pair)
    commit = next(layout.snapshots.iterdir()).name
    before = contents(pair)
    close(monkeypatch, layout.root / below.replace("C", commit))
    report = pair.clear_orphans()
    assert report.removed == () and "chown" in report.unreadable[0]
    kept = pair.collect_garbage(older_than=0.001)
    assert kept.removed == () and kept.unreadable
    assert pair.status().orphans == 0
    # Neither says what contents the model uses.
    if below not in {".", "refs"}:
        with pytest.raises(ImageGenError, match="chown"):
            pair.clear("test/other")
    assert contents(pair) == before


def test_the_commands_end_with_1_and_the_fix(
    pair: ModelCache, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    env = {"HF_HOME": str(pair.settings.hf_home), "MODEL_ID": "test/model"}
    close(monkeypatch, layout_of(pair).snapshots)
    for command in (
        ["clear", "--orphans", "--yes"],
        ["gc", "--older-than", "30d"],
        ["clear", "--model", "test/other", "--yes"],
    ):
        assert main(command, env) == 1
        said = capsys.readouterr()
        assert "Fix, as root: chown" in said.out + said.err


@pytest.mark.parametrize("part", ["snapshots", "snapshots/C", "snapshots/C/unet"])
@pytest.mark.parametrize("gone", ["away", "an empty mount point"])
def test_a_disk_that_is_not_mounted_is_not_an_empty_one(pair: ModelCache, tmp_path: Path, part: str, gone: str) -> None:
    layout, disk = layout_of(pair), tmp_path / "disk"
    place = layout.root / part.replace("C", next(layout.snapshots.iterdir()).name)
    place.rename(disk)
    place.symlink_to(disk)
    before = contents(pair)
    disk.rename(tmp_path / "elsewhere")
    if gone != "away":
        disk.mkdir()
    report = pair.clear_orphans()
    assert report.removed == () and "mount the disk" in report.unreadable[0]
    assert contents(pair) == before


def test_a_file_beside_the_models_is_none_of_them(pair: ModelCache) -> None:
    archive = pair.settings.hub_cache / "models--test--model.tar"
    archive.write_bytes(b"x")
    assert [each.orphans for each in pair.clear_orphans().removed] == [1]
    assert pair.clear("test/model").removed and archive.exists()


def test_a_component_directory_may_be_a_link_to_another_place_of_the_model(pair: ModelCache) -> None:
    layout = layout_of(pair)
    snapshot = next(layout.snapshots.iterdir())
    parts = layout.root / "parts" / "x"
    parts.mkdir(parents=True)
    (snapshot / "vae").rename(parts / "vae")
    (snapshot / "vae").symlink_to("../../parts/x/vae")
    (snapshot / "vae" / "again").symlink_to("..")
    (removal,) = pair.clear_orphans().removed
    assert removal.orphans == 1 and not (layout.blobs / ORPHAN).exists()
    assert all(path.exists() for path in parts.rglob("*"))


def test_contents_that_another_model_links_to_outlast_their_own(pair: ModelCache) -> None:
    base, other = layout_of(pair), layout_of(pair, "test/other")
    path = next(each for each in base.blobs.iterdir() if each.name != ORPHAN)
    content = path.read_bytes()
    theirs = next(iter(other.blobs.iterdir()))
    theirs.unlink()
    theirs.symlink_to(os.path.relpath(path, theirs.parent))
    pair.clear("test/model")
    assert [each for each in base.root.rglob("*") if each.is_file()] == [path]
    assert pair.clear_orphans().unreadable == () and theirs.read_bytes() == content
    pair.clear("test/other")
    pair.clear_orphans()
    assert not path.exists()


@pytest.mark.parametrize("what", ["the lease", "its directory"])
def test_a_lease_that_cannot_be_tried_counts_as_held(
    pair: ModelCache, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    layout = layout_of(pair)
    lease = layout.locks / f"image-gen.used-{next(layout.snapshots.iterdir()).name}"
    lease.touch()
    if what == "the lease":
        opened = os.open
        monkeypatch.setattr(os, "open", lambda path, *rest: refuse() if Path(path) == lease else opened(path, *rest))
    else:
        close(monkeypatch, layout.locks)

    def refuse() -> int:
        raise PermissionError(13, "Permission denied", str(lease))

    with pytest.raises(ImageGenError) as caught:
        pair.clear("test/model")
    assert caught.value.code == "MODEL_IN_USE" and caught.value.exit_code == 4
    assert layout.snapshots.is_dir()


def test_one_module_lists_directories() -> None:
    """Those of the standard library take what they can't read for nothing. The other places delete nothing."""
    silent = re.compile(r"\.(?:r?glob|iterdir)\(|os\.(?:walk|scandir|listdir)\(")
    found = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if path.parent.name in {"cache", "manifests"} and silent.search(path.read_text())
    }
    assert found <= {"cache/complete.py", "cache/host.py", "cache/locate.py", "cache/scan.py", "manifests/registry.py"}
