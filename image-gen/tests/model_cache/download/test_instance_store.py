"""A copy of the model on the host's own disk is loaded in place of the volume's, never trusted, and stops no start."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import UNET, MakeCache, MakeRepo

from image_gen.errors import CancelledError
from image_gen.model_cache import ModelCache, ProgressCallbacks, ReadyModel
from image_gen.model_cache.core.s3_uri import S3Uri
from image_gen.model_cache.download.instance_store import MARKER, InstanceStore
from image_gen_demo.hub import DemoHub

ID = "test/model"


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """An instance store, as the host mounts it."""
    place = tmp_path / "instance-store"
    place.mkdir()
    (place / MARKER).write_text("the id of a boot\n", encoding="ascii")
    return place


@pytest.fixture
def volume(filled: ModelCache, make_cache: MakeCache, disk: Path, hub: DemoHub) -> ModelCache:
    """A volume with the model, on a host with an instance store."""
    hub.forget()
    return make_cache(instance_store=disk)


@pytest.fixture
def mirror(make_cache: MakeCache, filled: ModelCache, tmp_path: Path) -> Path:
    """A mirror with the model."""
    make_cache(home=tmp_path / "connected").mirror(ID, tmp_path / "mirror")
    return tmp_path / "mirror"


def store_of(cache: ModelCache) -> InstanceStore:
    store = InstanceStore.of(cache.settings)
    assert store is not None
    return store


def load(cache: ModelCache, seen: list[str] | None = None, found: list[ReadyModel] | None = None) -> ReadyModel | None:
    """As a start does: what may be loaded is in `seen`, and what the engine is given in `found`."""
    seen, found = ([] if seen is None else seen), ([] if found is None else found)
    callbacks = ProgressCallbacks(on_file=seen.append, on_found=found.append)
    return store_of(cache).load(cache.ensure(ID), "recorded", callbacks)


def fill(cache: ModelCache, model: ReadyModel | None = None) -> int:
    """In a thread of its own, as a service does it; gives the priority that the thread had at last."""
    priorities = []

    def work() -> None:
        store_of(cache).fill(model or cache.ensure(ID), threading.Event())
        priorities.append(os.getpriority(os.PRIO_PROCESS, 0))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return priorities[0]


def contents(model: ReadyModel) -> dict[str, bytes]:
    return {file.path: (model.directory / file.path).read_bytes() for file in model.files}


def state(place: Path) -> dict[str, tuple[int, int]]:
    status = {path: path.lstat() for path in place.rglob("*") if not path.is_dir()}
    return {str(path): (each.st_mtime_ns, each.st_size) for path, each in status.items()}


def alter(path: Path) -> None:
    """Another byte, at the same size and times: as a disk does it."""
    place, status = path.resolve(), path.stat()
    place.chmod(0o644)
    with place.open("r+b") as stream:
        first = stream.read(1)
        stream.seek(0)
        stream.write(bytes([first[0] ^ 1]))
    os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_without_a_copy_the_volume_is_loaded_and_then_copied(
    volume: ModelCache, disk: Path, hub: DemoHub, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    before = state(volume.settings.hf_home)
    assert load(volume) is None and caplog.messages == []
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert (fill(volume), os.getpriority(os.PRIO_PROCESS, 0)) == (19, own)
    assert caplog.messages[0].startswith("The instance store has a copy of the model: 3.")
    home, seen = volume.ensure(ID), []
    copy = load(volume, seen)
    assert copy is not None and copy.source == "instance-store" and copy.directory.is_relative_to(disk)
    assert contents(copy) == contents(home) and set(seen) == {file.path for file in home.files}
    assert copy.bytes_fetched == 0 and hub.requests == []
    assert not any(path.is_relative_to(volume.settings.hf_home) for path in map(Path.resolve, disk.rglob("*")))
    # What a start may write there is when it was used.
    assert {path: each for path, each in state(volume.settings.hf_home).items() if path in before} == before


def test_a_copy_is_made_once(volume: ModelCache, caplog: pytest.LogCaptureFixture, disk: Path) -> None:
    fill(volume)
    before = state(disk)
    caplog.set_level("INFO")
    fill(volume)
    assert caplog.messages == [] and state(disk) == before


@pytest.mark.parametrize("path", [UNET, "model_index.json"])
def test_a_damaged_byte_of_the_copy_is_replaced_from_the_volume(volume: ModelCache, hub: DemoHub, path: str) -> None:
    fill(volume)
    copy = load(volume)
    assert copy is not None
    alter(copy.directory / path)
    seen: list[str] = []
    again = load(volume, seen)
    assert again is not None and again.source == "instance-store"
    assert contents(again) == contents(volume.ensure(ID))
    assert set(seen) == {file.path for file in copy.files} and hub.requests == []
    assert not list(volume.settings.hf_home.rglob("*.damaged")) and not list(copy.directory.rglob("*.damaged"))


def test_a_damaged_file_is_not_loaded_before_it_is_replaced(volume: ModelCache) -> None:
    fill(volume)
    copy, home = load(volume), volume.ensure(ID)
    assert copy is not None
    alter(copy.directory / UNET)
    loaded: dict[str, bytes] = {}

    def read(path: str) -> None:
        loaded[path] = (copy.directory / path).read_bytes()

    assert store_of(volume).load(home, "recorded", ProgressCallbacks(on_file=read)) is not None
    assert loaded == contents(home)


def test_the_same_damage_in_copy_and_volume_is_repaired_from_the_hub(
    volume: ModelCache, hub: DemoHub, caplog: pytest.LogCaptureFixture
) -> None:
    fill(volume)
    copy, home = load(volume), volume.ensure(ID)
    assert copy is not None
    good = contents(home)
    alter(copy.directory / UNET)
    alter(home.directory / UNET)
    assert load(volume) is None
    assert f"{UNET} arrived damaged" in caplog.text and "loaded from the volume" in caplog.messages[-1]
    assert contents(volume.verify_and_repair(home)) == good
    assert [UNET in entry["path"] for entry in hub.requests if "/resolve/" in entry["path"]] == [True]


def test_the_mirror_fills_an_empty_copy_and_each_file_may_be_loaded_at_once(
    volume: ModelCache, make_cache: MakeCache, disk: Path, mirror: Path, hub: DemoHub
) -> None:
    cache = make_cache(instance_store=disk, mirror=mirror)
    home, seen, found = cache.ensure(ID), [], []
    # Nothing of it is read from the volume, where another byte would be an error.
    alter(home.directory / UNET)
    hub.forget()
    copy = load(cache, seen, found)
    assert copy is not None and copy.source == "instance-store"
    assert copy.verified == {file.path for file in home.files} and copy.bytes_fetched > 3 << 20
    assert {each.directory for each in found} == {copy.directory} and set(seen) == copy.verified
    assert hub.requests == []
    again = load(cache)
    assert again is not None and (again.bytes_fetched, again.verified) == (0, frozenset())


def test_what_the_mirror_lacks_or_has_damaged_comes_from_the_volume(
    volume: ModelCache, make_cache: MakeCache, disk: Path, mirror: Path
) -> None:
    there = next((mirror / ID).iterdir())
    (there / "vae/config.json").unlink()
    alter(there / UNET)
    cache = make_cache(instance_store=disk, mirror=mirror)
    copy = load(cache)
    assert copy is not None and contents(copy) == contents(cache.ensure(ID))


@pytest.mark.parametrize("kind", ["a directory that is not there", "another model", "a bucket that is not there"])
def test_a_mirror_that_can_not_be_used_is_one_line_of_the_log(
    volume: ModelCache, make_cache: MakeCache, disk: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    mirror: Path | S3Uri = disk.parent / "mirror"
    if kind == "another model":
        (disk.parent / "mirror/other/model").mkdir(parents=True)
    if kind.startswith("a bucket"):
        mirror = S3Uri.parse("s3://models/none", "")
    aws = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "b", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    cache = make_cache(instance_store=disk, mirror=mirror, aws=aws | {"AWS_REGION": "us-east-1"})
    assert load(cache) is None
    ((_, _, line),) = caplog.record_tuples
    assert line.startswith("The copy on the instance store can't be used: ") and "Fix" not in line
    assert line.endswith(" The model is loaded from the volume.")


def test_a_directory_that_no_instance_store_is_mounted_at_is_left_alone(
    volume: ModelCache, disk: Path, mirror: Path, make_cache: MakeCache, caplog: pytest.LogCaptureFixture
) -> None:
    (disk / MARKER).unlink()
    cache = make_cache(instance_store=disk, mirror=mirror)
    store, home = store_of(cache), cache.ensure(ID)
    assert store.load(home, "recorded", ProgressCallbacks()) is None
    store.fill(home, threading.Event())
    assert list(disk.iterdir()) == []
    why = f"There is no copy of the model on the instance store: no instance store is mounted at {disk}."
    assert [record.getMessage() for record in caplog.records] == [f"{why} The volume is used."]
    shutil.rmtree(disk)
    assert load(cache) is None and not disk.exists()


@pytest.fixture
def small_disk(disk: Path) -> Iterator[Path]:
    """An instance store that is too small."""
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("no tmpfs can be mounted here")
    (disk / MARKER).touch()
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_disk_that_is_too_small_is_one_line_of_the_log(
    volume: ModelCache, small_disk: Path, mirror: Path, make_cache: MakeCache, caplog: pytest.LogCaptureFixture
) -> None:
    fill(volume)
    assert load(make_cache(instance_store=small_disk, mirror=mirror)) is None
    first, second = (record.getMessage() for record in caplog.records)
    for line in (first, second):
        assert line.startswith("The copy on the instance store can't be used: Not enough room: ")
    assert not list(small_disk.rglob("*.part"))


def test_a_place_that_can_not_be_written_is_one_line_of_the_log(
    volume: ModelCache, disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (disk / "hub").write_text("no directory", encoding="ascii")
    fill(volume)
    assert load(volume) is None
    assert [record.getMessage().startswith("The copy on the instance store can't") for record in caplog.records] == [
        True
    ]


def test_the_copy_of_another_model_makes_room(volume: ModelCache, make_repo: MakeRepo, disk: Path) -> None:
    fill(volume)
    make_repo("test/other", seed=1)
    other = volume.ensure("test/other")
    fill(volume, other)
    assert sorted(path.name for path in (disk / "hub").glob("models--*")) == ["models--test--other"]
    assert volume.ensure(ID).source == "volume"


def test_what_was_downloaded_a_moment_ago_is_loaded_from_the_page_cache(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, disk: Path, mirror: Path
) -> None:
    fresh = make_cache(home=disk.parent / "fresh", instance_store=disk)
    downloaded = fresh.ensure(ID)
    assert downloaded.source == "download"
    assert store_of(fresh).load(downloaded, "recorded", ProgressCallbacks()) is None
    fill(fresh, downloaded)
    assert load(fresh) is not None


def test_a_stop_ends_the_copying_and_the_next_continues(volume: ModelCache, disk: Path) -> None:
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(CancelledError):
        store_of(volume).fill(volume.ensure(ID), cancelled)
    assert load(volume) is None
    fill(volume)
    assert load(volume) is not None


def test_no_setting_is_no_copy(filled: ModelCache) -> None:
    assert InstanceStore.of(filled.settings) is None
