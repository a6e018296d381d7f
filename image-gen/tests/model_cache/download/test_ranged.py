"""A large file comes in pieces, over several connections, and is taken up where it was left."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from conftest import UNET, MakeCache, MakeRepo

from image_gen.errors import ImageGenError
from image_gen.model_cache import ProgressCallbacks
from image_gen.model_cache.core.atomic_files import sync_file
from image_gen.model_cache.core.progress import Progress
from image_gen.model_cache.download.range_journal import RangeJournal, journal_path
from image_gen_demo.hub import DemoHub

PIECE = 512 << 10
SIZE = (3 << 20) + 12345

PREFETCH = """
import sys
from pathlib import Path
from image_gen.model_cache import ModelCache, CacheSettings
home = Path(sys.argv[1])
settings = CacheSettings(hf_home=home, hub_cache=home / "hub", endpoint=sys.argv[2], piece_bytes=int(sys.argv[3]))
ModelCache(settings).ensure("test/model")
"""


def of_unet(hub: DemoHub) -> list[dict[str, object]]:
    return [entry for entry in hub.requests if entry["path"].endswith(UNET)]


def bytes_sent(hub: DemoHub) -> int:
    """What the hub sent of the file. It notes that after the last byte went, which its reader may have by then."""
    deadline = time.monotonic() + 5
    while any(entry["status"] == 0 for entry in of_unet(hub)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return sum(int(str(entry["bytes"])) for entry in of_unet(hub))


def blobs_of(store_home: Path) -> Path:
    return store_home / "hub" / "models--test--model" / "blobs"


def test_ranges_are_downloaded_over_several_connections(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache
) -> None:
    repo = make_repo(unet_bytes=SIZE)
    model = make_cache(piece_bytes=PIECE, read_timeout=10).ensure("test/model")
    assert (model.directory / UNET).read_bytes() == (repo / UNET).read_bytes()
    asked = sorted(str(entry["range"]) for entry in of_unet(hub))
    starts = range(0, SIZE, PIECE)
    assert asked == sorted(f"bytes={start}-{min(start + PIECE, SIZE) - 1}" for start in starts)
    assert not list(blobs_of(make_cache().settings.hf_home).glob("*.*"))
    # What both tokenizers have comes once.
    twice = sum(path.stat().st_size for path in (repo / "tokenizer").iterdir())
    assert model.bytes_fetched == model.bytes_total - twice


def test_a_hub_without_ranges_is_asked_over_one_connection(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache
) -> None:
    repo = make_repo(unet_bytes=SIZE)
    hub.panel.turn({"ignore_range": True})
    model = make_cache(piece_bytes=PIECE).ensure("test/model")
    assert (model.directory / UNET).read_bytes() == (repo / UNET).read_bytes()
    # The question whether it sends parts, and the whole.
    assert [entry["range"] for entry in of_unet(hub)] == [f"bytes=0-{PIECE - 1}", None]


def test_broken_connections_lose_no_bytes(hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache) -> None:
    repo = make_repo(unet_bytes=SIZE)
    hub.panel.turn({"drop_after_bytes": 200_000})
    model = make_cache(piece_bytes=PIECE).ensure("test/model")
    assert (model.directory / UNET).read_bytes() == (repo / UNET).read_bytes()
    assert bytes_sent(hub) == SIZE


def test_damaged_range_is_detected_and_repaired(hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache) -> None:
    repo = make_repo(unet_bytes=SIZE)
    hub.panel.turn({"corrupt": UNET, "times": 1})
    model = make_cache(piece_bytes=PIECE).ensure("test/model")
    assert (model.directory / UNET).read_bytes() == (repo / UNET).read_bytes()
    hub.panel.turn({"corrupt": UNET, "times": None})
    (model.directory / UNET).resolve().unlink()
    with pytest.raises(ImageGenError) as caught:
        make_cache(piece_bytes=PIECE).ensure("test/model")
    assert caught.value.code == "CORRUPT_DOWNLOAD"
    assert not list(blobs_of(make_cache().settings.hf_home).glob("*.*"))


def test_cancel_keeps_every_range(hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache) -> None:
    repo = make_repo(unet_bytes=SIZE)
    hub.panel.turn({"line_bytes_per_second": 1_000_000})
    cancel = threading.Event()

    def halfway(progress: Progress) -> None:
        if progress.bytes_done > SIZE // 2:
            cancel.set()

    with pytest.raises(ImageGenError) as caught:
        make_cache(piece_bytes=PIECE).ensure("test/model", callbacks=ProgressCallbacks(halfway, cancel))
    assert caught.value.code == "CANCELLED"
    digest = hashlib.sha256((repo / UNET).read_bytes()).hexdigest()
    unfinished = blobs_of(make_cache().settings.hf_home) / f"{digest}.image-gen.part"
    kept = RangeJournal.kept_bytes(unfinished, SIZE)
    assert 0 < kept <= unfinished.stat().st_size < SIZE
    hub.panel.turn({"line_bytes_per_second": None})
    hub.forget()
    model = make_cache(piece_bytes=PIECE).ensure("test/model")
    assert (model.directory / UNET).read_bytes() == (repo / UNET).read_bytes()
    assert bytes_sent(hub) == SIZE - kept


def test_kill_9_loses_only_bytes_in_transit(
    hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache, command_env: dict[str, str]
) -> None:
    repo = make_repo(unet_bytes=SIZE)
    hub.panel.turn({"line_bytes_per_second": 3_000_000})
    home = Path(command_env["HF_HOME"])
    run = [sys.executable, "-c", PREFETCH, str(home), hub.url, str(PIECE)]
    with subprocess.Popen(run, env=command_env) as process:
        deadline = time.monotonic() + 20
        while (kept := kept_of_unet(repo, home)) < SIZE // 3:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    kept = kept_of_unet(repo, home)
    hub.panel.turn({"line_bytes_per_second": None})
    hub.forget()
    model = make_cache(piece_bytes=PIECE).ensure("test/model")
    assert (model.directory / UNET).read_bytes() == (repo / UNET).read_bytes()
    assert bytes_sent(hub) == SIZE - kept


def kept_of_unet(repo: Path, home: Path) -> int:
    key = hashlib.sha256((repo / UNET).read_bytes()).hexdigest()
    return RangeJournal.kept_bytes(blobs_of(home) / f"{key}.image-gen.part", SIZE)


def test_journal_after_a_reboot_counts_only_synced_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    partial = tmp_path / f"{'a' * 64}.image-gen.part"
    with closing(RangeJournal.opened(partial, 1000, 400)) as journal, partial.open("w+b") as stream:
        stream.truncate(1000)
        journal.wrote(0, 400)
        journal.wrote(2, 100)
        journal.sync(stream.fileno())
        journal.wrote(1, 50)
    assert RangeJournal.kept_bytes(partial, 1000) == 550
    monkeypatch.setattr("image_gen.model_cache.download.range_journal._boot_id", lambda: b"another boot....")
    assert RangeJournal.kept_bytes(partial, 1000) == 500
    with closing(RangeJournal.opened(partial, 1000, 400)) as journal:
        assert [journal.written(piece) for piece in range(3)] == [400, 0, 100]
        assert journal.written_from_start() == 400


def test_invalid_journal_is_ignored(tmp_path: Path) -> None:
    partial = tmp_path / f"{'a' * 64}.image-gen.part"
    partial.write_bytes(b"x" * 700)
    for nonsense in (b"", b"ranges-1", os.urandom(200)):
        journal_path(partial).write_bytes(nonsense)
        assert RangeJournal.kept_bytes(partial, 1000) == 700
    with closing(RangeJournal.opened(partial, 1000, 400)) as journal:
        assert [journal.written(piece) for piece in range(3)] == [400, 300, 0]
    with partial.open("r+b") as stream:
        stream.truncate(450)
    assert RangeJournal.kept_bytes(partial, 1000) == 450
    assert RangeJournal.kept_bytes(partial, 2000) == 450


def test_minimum_throughput_is_enforced(hub: DemoHub, make_repo: MakeRepo, make_cache: MakeCache) -> None:
    make_repo(unet_bytes=SIZE)
    hub.panel.turn({"rate_bytes_per_second": 100})
    began = time.monotonic()
    with pytest.raises(ImageGenError) as caught:
        make_cache(piece_bytes=PIECE, read_timeout=0.3).ensure("test/model")
    assert caught.value.code == "HUB_SILENT" and caught.value.retryable
    assert time.monotonic() - began < 10


def test_bytes_that_the_disk_failed_to_write_are_not_taken_for_written(
    make_repo: MakeRepo, make_cache: MakeCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel says so once; a later sync of the same file succeeds."""
    make_repo(unet_bytes=8 << 20)
    monkeypatch.setattr("image_gen.model_cache.download.file_download._SYNC_BYTES", 1 << 20)
    monkeypatch.setattr("image_gen.model_cache.download.file_download._SYNC_POLL_SECONDS", 0.001)
    failed: list[int] = []

    def sync_once(descriptor: int) -> None:
        if not failed and threading.current_thread().name.startswith("fetch-hash"):
            failed.append(descriptor)
            raise OSError(errno.EIO, "Input/output error")
        sync_file(descriptor)

    monkeypatch.setattr("image_gen.model_cache.download.range_journal.sync_file", sync_once)
    cache = make_cache()
    with pytest.raises(ImageGenError, match="Input/output error"):
        cache.ensure("test/model")
    # Of that file: its name is a sha256. Small ones may be there in part.
    left = [path for path in cache.settings.hub_cache.rglob("*.image-gen.*") if len(path.name.partition(".")[0]) == 64]
    assert failed and not left
    assert cache.ensure("test/model").source == "download" and cache.verify().ok
