"""Reads a model's files once from start to end, which fills the page cache, and hashes the same bytes.

Large `preadv` calls from a few threads, each into one buffer of its own: neither a mapping, whose page faults read in
small pieces, nor POSIX_FADV_WILLNEED, which returns before anything is read. Reading and hashing release the
interpreter's lock, so disk and hash overlap, and other threads continue.
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from heapq import merge
from pathlib import Path

from image_gen.model_cache.core.digest import ContentDigest
from image_gen.model_cache.core.manifest import ManifestFile
from image_gen.model_cache.core.progress import Meter
from image_gen.model_cache.core.retry import check_cancelled

BLOCK_BYTES = 8 << 20
THREADS = 6
_WAKE_SECONDS = 0.5


@dataclass(frozen=True)
class FileRead:
    """One file that was read. `matches` is None when there was no hash to compare with, or none was wanted;
    `status` is what the file was when it was opened, None if it could not be.
    """

    file: ManifestFile
    matches: bool | None
    status: os.stat_result | None


@dataclass
class _Open:
    """A file under way. Blocks are read in any order and hashed in theirs: `turn` is the next block to be hashed."""

    file: ManifestFile
    path: Path
    digest: ContentDigest | None
    descriptor: int = -1
    status: os.stat_result | None = None
    failed: bool = False
    turn: int = 0
    waiting: threading.Condition = field(default_factory=threading.Condition)

    @property
    def blocks(self) -> int:
        return max(1, -(-self.file.size // BLOCK_BYTES))


class PageCacheReader:
    """One pass over `files`, in their order, below `directory`. `hashed` selects the files that are hashed."""

    def __init__(
        self,
        directory: Path,
        files: Iterable[ManifestFile],
        *,
        hashed: Callable[[ManifestFile], bool],
        meter: Meter,
        cancel: threading.Event,
        on_read: Callable[[FileRead], None] | None = None,
        threads: int = THREADS,
        concurrency: int = 1,
    ) -> None:
        """`concurrency`: so many files are under way at once, each of which one core can hash at a time."""
        self._entries = [
            _Open(file, directory / file.path, ContentDigest(file.size) if hashed(file) else None) for file in files
        ]
        self._blocks = _interleave(self._entries, concurrency)
        self._meter = meter
        self._cancel = cancel
        self._stop = threading.Event()
        self._on_read = on_read
        self._threads = threads
        self._lock = threading.Lock()
        self._reads: list[FileRead] = []
        self._crash: BaseException | None = None

    def run(self) -> list[FileRead]:
        """Every file, in the order in which they were done. Raises CANCELLED."""
        threads = [threading.Thread(target=self._work, name=f"warm-{n}", daemon=True) for n in range(self._threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for entry in self._entries:
            _close(entry)
        check_cancelled(self._cancel)
        if self._crash is not None:
            raise self._crash
        return self._reads

    def _work(self) -> None:
        try:
            buffer = memoryview(bytearray(BLOCK_BYTES))
            while not self._ended and (claim := self._claim()) is not None:
                entry, index = claim
                count = self._read(entry, index, buffer)
                self._hash_in_order(entry, index, buffer[:count])
        except BaseException as error:  # it is raised again by `run`
            self._crash = error
            self._stop.set()

    @property
    def _ended(self) -> bool:
        return self._cancel.is_set() or self._stop.is_set()

    def _claim(self) -> tuple[_Open, int] | None:
        """The next block. They are claimed in order, so whoever waits for its turn waits for one under way."""
        with self._lock:
            claim = next(self._blocks, None)
            if claim is not None and claim[1] == 0:
                _open(claim[0])
            return claim

    def _read(self, entry: _Open, index: int, buffer: memoryview) -> int:
        start = index * BLOCK_BYTES
        wanted = min(BLOCK_BYTES, entry.file.size - start)
        done = 0
        try:
            while done < wanted and not entry.failed:
                count = os.preadv(entry.descriptor, [buffer[done:wanted]], start + done)
                if count == 0:
                    entry.failed = True  # shorter than it was a moment ago
                done += count
        except OSError:
            entry.failed = True  # what can't be read is as good as damaged
        return done

    def _hash_in_order(self, entry: _Open, index: int, block: memoryview) -> None:
        with entry.waiting:
            while entry.turn != index:
                if self._ended:
                    return
                entry.waiting.wait(_WAKE_SECONDS)
        if entry.digest is not None and not entry.failed:
            entry.digest.update(block)
        self._meter.add(len(block), entry.file.path)
        with entry.waiting:
            entry.turn += 1
            entry.waiting.notify_all()
        if entry.turn == entry.blocks:
            self._finish(entry)

    def _finish(self, entry: _Open) -> None:
        _close(entry)
        matches = entry.digest.matches(entry.file) if entry.digest else None
        read = FileRead(entry.file, False if entry.failed else matches, entry.status)
        with self._lock:
            self._reads.append(read)
            if self._on_read is not None:
                self._on_read(read)
        self._meter.finish(entry.file.path)


def _interleave(entries: list[_Open], count: int) -> Iterator[tuple[_Open, int]]:
    """Every block: of one file after the other, or of `count` rows of files side by side, each as often as it is long,
    so that all of them end together.
    """
    lanes: list[list[_Open]] = [[] for _ in range(count)]
    for entry in entries if count == 1 else sorted(entries, key=lambda entry: -entry.blocks):
        min(lanes, key=_blocks).append(entry)
    rows = (_spread(lane) for lane in lanes if lane)
    return (block for _, block in merge(*rows, key=lambda each: each[0]))


def _spread(lane: list[_Open]) -> Iterator[tuple[float, tuple[_Open, int]]]:
    """The blocks of a row, each with the part of the row that is done with it."""
    total = _blocks(lane)
    blocks = ((entry, index) for entry in lane for index in range(entry.blocks))
    return ((done / total, block) for done, block in enumerate(blocks, 1))


def _blocks(lane: list[_Open]) -> int:
    return sum(entry.blocks for entry in lane)


def loading_order(files: Iterable[ManifestFile]) -> list[ManifestFile]:
    """Small files first, as everything needs them; then weights, the largest first, as they take longest to load."""
    return sorted(files, key=lambda file: (file.path.endswith(".safetensors"), -file.size, file.path))


def _open(entry: _Open) -> None:
    try:
        entry.descriptor = os.open(entry.path, os.O_RDONLY | os.O_CLOEXEC)
        entry.status = os.fstat(entry.descriptor)
    except OSError:
        entry.failed = True


def _close(entry: _Open) -> None:
    if entry.descriptor >= 0:
        os.close(entry.descriptor)
        entry.descriptor = -1
