"""Reads a model's files once from start to end, which fills the page cache, and hashes the same bytes.

Large `preadv` calls from a few threads, each into one buffer of its own: neither a mapping, whose page faults read in
small pieces, nor POSIX_FADV_WILLNEED, which returns before anything is read. Reading and hashing release the
interpreter's lock, so disk and hash overlap, and other threads continue.
"""

import errno
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from image_gen.model_cache.core.digest import ContentDigest, Digest, feed
from image_gen.model_cache.core.filesystem import ABSENT
from image_gen.model_cache.core.manifest import ManifestFile
from image_gen.model_cache.core.progress import Meter
from image_gen.model_cache.core.retry import check_cancelled

BLOCK_BYTES = 8 << 20
THREADS = 6
_WAKE_SECONDS = 0.5
# What a disk answers for a part that it has lost: the file must be written again, elsewhere.
_LOST = {errno.EIO, errno.EBADMSG, errno.EUCLEAN, errno.ENODATA}


@dataclass(frozen=True)
class FileRead:
    """One file that was read. `matches` is None when there was no hash to compare with, or none was wanted, and for a
    file that could not be read, which has an `error`. `status` is what the file was when it was opened, `sha256` and
    `blake3` those of what was read, where they were computed.
    """

    file: ManifestFile
    matches: bool | None
    status: os.stat_result | None = None
    error: OSError | None = None
    sha256: str = ""
    blake3: str = ""

    @property
    def is_fine(self) -> bool:
        """Nothing speaks against the file."""
        return self.matches is not False and self.error is None

    @property
    def is_lost(self) -> bool:
        """It has another content than it should have, the disk can't read it, or it is gone: only a copy helps."""
        return self.matches is False or (self.error is not None and self.error.errno in {*_LOST, *ABSENT})


@dataclass
class _Open:
    """A file under way. Blocks are read in any order and hashed in theirs: `turn` is the next block to be hashed."""

    file: ManifestFile
    path: Path
    digest: Digest | None
    descriptor: int = -1
    status: os.stat_result | None = None
    failed: bool = False
    turn: int = 0
    waiting: threading.Condition = field(default_factory=threading.Condition)

    @property
    def blocks(self) -> int:
        return max(1, -(-self.file.size // BLOCK_BYTES))


def digest_by_name(file: ManifestFile) -> Digest | None:
    """That of the hash by which a manifest names the content."""
    return ContentDigest(file.size)


class PageCacheReader:
    """One pass over `files`, in their order and `lanes` of them at once, below `directory`. `digest_of` says how each
    is hashed, if it is.
    """

    def __init__(
        self,
        directory: Path,
        files: Iterable[ManifestFile],
        *,
        digest_of: Callable[[ManifestFile], Digest | None] = digest_by_name,
        meter: Meter,
        cancel: threading.Event,
        on_read: Callable[[FileRead], None] = lambda _: None,
        threads: int = THREADS,
        lanes: int = 1,
    ) -> None:
        self._entries = [_Open(file, directory / file.path, digest_of(file)) for file in files]
        self._blocks = _blocks(self._entries, lanes)
        self._meter = meter
        self._cancel = cancel
        self._stop = threading.Event()
        self._on_read = on_read
        self._threads = threads
        self._lock = threading.Lock()
        self._reads: list[FileRead] = []

    def run(self) -> list[FileRead]:
        """Every file, in the order in which they were done; one that was not as it should be was read again from the
        disk, as a fault of a cable, a network or the memory is none of the file. Raises CANCELLED.
        """
        with ThreadPoolExecutor(self._threads, thread_name_prefix="warm") as pool:
            works = [pool.submit(self._work) for _ in range(self._threads)]
        for entry in self._entries:
            _close(entry)
        check_cancelled(self._cancel)
        for work in works:
            work.result()
        return [read if read.is_fine else self._again(read) for read in self._reads]

    def _again(self, read: FileRead) -> FileRead:
        entry = next(entry for entry in self._entries if entry.file is read.file)
        again = read_again(entry.path, read.file, self._cancel, hashed=entry.digest is not None)
        if again.is_fine:
            self._on_read(again)
        return again

    def _work(self) -> None:
        buffer = memoryview(bytearray(BLOCK_BYTES))
        try:
            while not self._ended and (claim := self._claim()) is not None:
                entry, index = claim
                count = self._read(entry, index, buffer)
                self._hash_in_order(entry, index, buffer[:count])
        except BaseException:
            self._stop.set()
            raise

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
            entry.failed = True
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
        matches = entry.digest.matches(entry.file) if entry.digest and entry.file.content_key else None
        found = entry.digest if entry.digest and not entry.failed else None
        sha256, recorded = (found.sha256, found.blake3) if found else ("", "")
        read = FileRead(entry.file, False if entry.failed else matches, entry.status, sha256=sha256, blake3=recorded)
        with self._lock:
            self._reads.append(read)
            if read.is_fine:
                self._on_read(read)
        self._meter.finish(entry.file.path)


def read_again(path: Path, file: ManifestFile, cancel: threading.Event, *, hashed: bool = True) -> FileRead:
    """Reads one file once more, and not from the page cache, and compares it with its name, whatever a record says."""
    digest = ContentDigest(file.size, recorded=True)
    try:
        with path.open("rb", buffering=0) as stream:
            status = os.fstat(stream.fileno())
            with suppress(OSError):
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            size = feed(stream, digest, lambda _: check_cancelled(cancel))
    except OSError as error:
        return FileRead(file, None, error=error)
    compared = hashed and bool(file.content_key)
    fine = size == file.size and (not compared or digest.matches(file))
    return FileRead(file, (True if compared else None) if fine else False, status, None, digest.sha256, digest.blake3)


def loading_order(files: Iterable[ManifestFile]) -> list[ManifestFile]:
    """Small files first, as everything needs them; then weights, the largest first, as they take longest to load."""
    return sorted(files, key=lambda file: (file.path.endswith(".safetensors"), -file.size, file.path))


def _blocks(entries: Iterable[_Open], lanes: int) -> Iterator[tuple[_Open, int]]:
    """The blocks of each file in order, those of `lanes` files by turns."""
    waiting = deque((entry, iter(range(entry.blocks))) for entry in entries)
    begun: deque[tuple[_Open, Iterator[int]]] = deque()
    while waiting or begun:
        while waiting and len(begun) < lanes:
            begun.append(waiting.popleft())
        entry, indexes = begun.popleft()
        if (index := next(indexes, None)) is not None:
            begun.append((entry, indexes))
            yield entry, index


def _open(entry: _Open) -> None:
    try:
        entry.descriptor = os.open(entry.path, os.O_RDONLY | os.O_CLOEXEC)
        entry.status = os.fstat(entry.descriptor)
        entry.failed = entry.status.st_size != entry.file.size
    except OSError:
        entry.failed = True


def _close(entry: _Open) -> None:
    if entry.descriptor >= 0:
        os.close(entry.descriptor)
        entry.descriptor = -1
