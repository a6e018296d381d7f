"""Downloads one large file in several ranges at once, into one partial file, and verifies its hash."""

import os
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from image_gen.model_cache.core.digest import CHUNK_BYTES, ContentDigest
from image_gen.model_cache.core.filesystem import allocate
from image_gen.model_cache.core.retry import Retrier, check_cancelled
from image_gen.model_cache.download.range_journal import RangeJournal, Syncer
from image_gen.model_cache.download.sequential import Content, SequentialDownload
from image_gen.model_cache.sources.source import FileRange, wrong_size

_POLL_SECONDS = 0.01
_SYNC_BYTES = 32 << 20


class RangeSupport:
    """Whether the source sends ranges; the first thread that asks for one finds out, and the others wait."""

    def __init__(self) -> None:
        self.works = False
        self._known = threading.Event()
        self._asking = threading.Lock()

    def set(self, works: bool) -> None:
        self.works = works
        self._known.set()

    def wait(self, cancel: threading.Event) -> bool:
        """True once it is known to work or when it is the caller's to find out."""
        if not self._known.is_set() and self._asking.acquire(blocking=False):
            return True
        while not self._known.wait(0.05):
            check_cancelled(cancel)
        return self.works


class RangedDownload:
    """One file, opened by the first thread that needs it. Any threads download its pieces, in order; the last one to
    finish verifies the file.
    """

    def __init__(
        self, content: Content, partial: Path, support: RangeSupport, add: Callable[[int], None], piece_bytes: int
    ) -> None:
        self._content = content
        self._source = content.source
        self._file = content.file
        self._partial = partial
        self._support = support
        self._add = add
        self._piece_bytes = piece_bytes
        self._name = ""
        self._lock = threading.Lock()
        self._sequential = False
        # Whether the partial file is complete, or is not this one's any more.
        self._done = False
        self._digest = ContentDigest(self._file.size)
        self._hashed = 0
        self._hash_failed: BaseException | None = None
        self._resources: ExitStack | None = None

    def fetch(self, piece: int) -> str | None:
        """Downloads one piece. The call that completes the file returns its blob's name."""
        with self._lock:
            if self._resources is None:
                self._open()
        if not self._sequential and self._journal.written(piece) < self._journal.pieces[piece][1]:
            if self._support.wait(self._content.cancel):
                self._fetch(piece)
            if not self._support.works:
                self._sequential = True
        with self._lock:
            self._left -= 1
            if self._left:
                return None
        return self._start_over(tries=2) if self._sequential else self._verify()

    def close(self) -> None:
        """Closes the files, and gives back the room that was set aside for bytes that did not come. Nothing may be
        downloaded any more.
        """
        if self._resources is None:
            return
        self._syncer.stop()
        self._hasher.join()
        if not self._done:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self._journal.written_end)
        self._resources.close()
        if not self._done and self._journal.bytes_written == 0:
            with suppress(OSError):
                self._partial.unlink(missing_ok=True)
                self._journal.remove()

    def _open(self) -> None:
        with ExitStack() as opened:
            self._journal = opened.enter_context(RangeJournal.opened(self._partial, self._file.size, self._piece_bytes))
            self._descriptor = os.open(self._partial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            opened.callback(os.close, self._descriptor)
            allocate(self._descriptor, self._file.size, self._partial)
            resources = opened.pop_all()
        self._left = len(self._journal.pieces)
        self._syncer = Syncer(self._journal, self._descriptor, _SYNC_BYTES)
        self._hasher = threading.Thread(target=self._hash, name="fetch-hash", daemon=True)
        self._hasher.start()
        self._resources = resources

    def _fetch(self, piece: int) -> None:
        start, length = self._journal.pieces[piece]
        retrier = Retrier(self._content.cancel)
        while (have := self._journal.written(piece)) < length:
            with retrier.attempt(), self._source.open_range(self._file, start + have, start + length) as part:
                self._support.set(part.ranged)
                if not part.ranged:
                    return
                self._check_range(part, start + have)
                self._name = part.name or self._name
                received = self._receive(part, piece, retrier)
                if received and received == part.length:
                    # Some servers send ranges up to a size, and the rest when asked again.
                    retrier.progressed()
                elif self._journal.written(piece) < length:
                    raise self._content.cut_short()

    def _receive(self, part: FileRange, piece: int, retrier: Retrier) -> int:
        start, length = self._journal.pieces[piece]
        have = before = self._journal.written(piece)
        throughput = self._content.throughput()
        for chunk in part.chunks:
            if have + len(chunk) > length:
                raise wrong_size(self._source.place, self._source.advice, self._file, f"more than {self._file.size}")
            view = memoryview(chunk)
            while view:
                count = os.pwrite(self._descriptor, view, start + have)
                have += count
                self._journal.wrote(piece, have)
                self._add(count)
                view = view[count:]
            if throughput.record(len(chunk)):
                retrier.progressed()
            check_cancelled(self._content.cancel)
        return have - before

    def _check_range(self, part: FileRange, start: int) -> None:
        if part.start != start:
            raise self._content.cut_short()
        if part.total not in {None, self._file.size}:
            raise wrong_size(self._source.place, self._source.advice, self._file, str(part.total))

    def _hash(self) -> None:
        """Follows the writers closely, so that it reads from the page cache."""
        buffer = memoryview(bytearray(CHUNK_BYTES))
        idle = threading.Event()
        try:
            while self._hashed < self._file.size and not self._sequential and not self._content.cancel.is_set():
                room = min(CHUNK_BYTES, self._journal.written_from_start() - self._hashed)
                if room == 0:
                    idle.wait(_POLL_SECONDS)
                    continue
                count = os.preadv(self._descriptor, [buffer[:room]], self._hashed)
                if not count:
                    raise OSError(f"{self._partial} is shorter than it was")
                self._digest.update(buffer[:count])
                self._hashed += count
        except BaseException as error:
            self._hash_failed = error

    def _verify(self) -> str:
        self._syncer.stop()
        self._journal.sync(self._descriptor)
        self._hasher.join()
        check_cancelled(self._content.cancel)
        if self._hash_failed:
            raise self._hash_failed
        if self._digest.matches(self._file):
            self._journal.remove()
            self._done = True
            return self._content.blob_name(self._digest, self._name)
        return self._start_over(tries=1)

    def _start_over(self, tries: int) -> str:
        """Downloads the file again, sequentially: the source sends no ranges, or the hash is wrong."""
        self._add(-self._journal.bytes_written)
        self._done = True
        self._partial.unlink()
        self._journal.remove()
        return SequentialDownload(self._content, partial=self._partial, add=self._add, tries=tries).run()
