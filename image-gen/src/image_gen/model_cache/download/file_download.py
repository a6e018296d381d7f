"""Downloads one file into its partial file, resumes an earlier try, and verifies the hash. A large one comes in several
ranges at once.
"""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from image_gen.model_cache.core.digest import CHUNK_BYTES, ContentDigest
from image_gen.model_cache.core.filesystem import allocate
from image_gen.model_cache.core.manifest import ManifestFile
from image_gen.model_cache.core.retry import Retrier, check_cancelled
from image_gen.model_cache.download.range_journal import RangeJournal
from image_gen.model_cache.sources.http import ThroughputGuard
from image_gen.model_cache.sources.source import FileRange, Source, damaged, wrong_size

_POLL_SECONDS = 0.01
_SYNC_POLL_SECONDS = 0.05
_SYNC_BYTES = 32 << 20


class RangeSupport:
    """Whether the source sends ranges; None until one that was asked for has come or was refused."""

    def __init__(self) -> None:
        self.works: bool | None = None
        self._asking = threading.Lock()

    @contextmanager
    def question(self, cancel: threading.Event) -> Iterator[None]:
        """Until it is known, one thread at a time asks. One that fails leaves the question to the next."""
        mine = False
        while self.works is None and not (mine := self._asking.acquire(timeout=_SYNC_POLL_SECONDS)):
            check_cancelled(cancel)
        try:
            yield
        finally:
            if mine:
                self._asking.release()


@dataclass(frozen=True)
class Content:
    """One file, its source, its partial file and its cancellation. `read_timeout` is in seconds; `add` gets the number
    of new bytes, negative when bytes were discarded; `proven` the hashes of a file that is as it should be.
    """

    source: Source
    file: ManifestFile
    partial: Path
    add: Callable[[int], None]
    read_timeout: float
    cancel: threading.Event
    proven: Callable[[ContentDigest], None] = lambda _: None


class FileDownload:
    """One file, opened by the first thread that needs it. Any threads download its pieces, in order; the last one to
    finish verifies the file. Without a `piece_bytes` it is one piece.
    """

    def __init__(
        self,
        content: Content,
        piece_bytes: int | None = None,
        support: RangeSupport | None = None,
        *,
        tries: int = 2,
    ) -> None:
        self._content = content
        self._source, self._file, self._partial = content.source, content.file, content.partial
        self._piece_bytes = piece_bytes or max(1, content.file.size)
        self._support = support or RangeSupport()
        self._tries = tries
        self._name = ""
        self._lock = threading.Lock()
        self._sequential = False
        # Whether the partial file is complete, and not this one's any more.
        self._done = False
        self._descriptor = -1
        # Whether the disk has failed to write some of it.
        self._unwritten = False

    def fetch(self, piece: int = 0) -> str | None:
        """Downloads one piece. The call that completes the file, verified and synced, returns its blob's name.

        Raises CORRUPT_DOWNLOAD when the content is wrong every time, and errors of the network and the disk.
        """
        with self._lock:
            if self._descriptor < 0:
                self._open()
        if self._is_whole:
            self._fetch(0)
        elif not self._sequential and self._journal.written(piece) < self._journal.pieces[piece][1]:
            with self._support.question(self._content.cancel):
                self._sequential |= self._support.works is False or not self._fetch(piece)
        with self._lock:
            self._left -= 1
            if self._left:
                return None
        return self._complete()

    def close(self) -> None:
        """Closes the files, and gives back the room that was set aside for bytes that did not come. Nothing may be
        downloaded any more.
        """
        if self._descriptor < 0:
            return
        self._end_threads()
        if not self._done:
            with suppress(OSError):
                if self._unwritten:
                    # They can be read until memory gets short, and are on no disk.
                    self._discard()
                os.ftruncate(self._descriptor, self._journal.written_end)
        os.close(self._descriptor)
        self._descriptor = -1
        self._journal.close()
        if not self._done and self._journal.bytes_written == 0:
            with suppress(OSError):
                self._partial.unlink(missing_ok=True)
                self._journal.remove()

    @property
    def _is_whole(self) -> bool:
        return len(self._journal.pieces) == 1

    def _open(self) -> None:
        self._partial.parent.mkdir(parents=True, exist_ok=True)
        counted = RangeJournal.kept_bytes(self._partial, self._file.size)
        descriptor = os.open(self._partial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            self._journal = RangeJournal.opened(self._partial, self._file.size, self._piece_bytes)
            kept = self._journal.bytes_written
            if self._is_whole:
                os.ftruncate(descriptor, kept)
                self._journal.remove()
            else:
                os.ftruncate(descriptor, self._journal.written_end)
                allocate(descriptor, self._file.size, self._partial)
        except BaseException:
            os.close(descriptor)
            raise
        self._content.add(kept - counted)
        self._left = len(self._journal.pieces)
        self._descriptor = descriptor
        self._begin_threads()

    def _begin_threads(self) -> None:
        self._end = threading.Event()
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="fetch-hash")
        self._digest = self._threads.submit(self._hash, self._end)
        self._synced = self._threads.submit(self._sync, self._end)

    def _end_threads(self) -> None:
        """Nothing is written any more; what was written is hashed to its end."""
        self._end.set()
        self._threads.shutdown()

    def _complete(self) -> str:
        if self._sequential:
            self._start_over()
            self._fetch(0)
        for left in reversed(range(self._tries)):
            self._end_threads()
            # The kernel says once that bytes could not be written: a later sync succeeds all the same.
            self._synced.result()
            self._sync_now()
            check_cancelled(self._content.cancel)
            digest = self._digest.result()
            if digest.matches(self._file):
                self._journal.remove()
                self._done = True
                self.close()
                self._content.proven(digest)
                # The hub's own hash of the content, so that its tools recognise the cache; only verified ones are used.
                verified = {digest.sha256, digest.git_sha1}
                return self._name if self._name in verified else self._file.content_key
            self._start_over()
            if left:
                self._fetch(0)
        raise damaged(self._source, self._file)

    def _sync_now(self) -> None:
        try:
            self._journal.sync(self._descriptor)
        except OSError:
            self._unwritten = True
            raise

    def _start_over(self) -> None:
        """Discards what is there. The file comes again as one piece: there are no ranges, or the hash is wrong."""
        self._end_threads()
        self._discard()
        self._begin_threads()

    def _discard(self) -> None:
        self._content.add(-self._journal.bytes_written)
        os.ftruncate(self._descriptor, 0)
        self._journal.remove()
        self._journal = RangeJournal(self._partial, self._file.size, self._file.size, 0)

    def _fetch(self, piece: int) -> bool:
        """False when the source sends no ranges, and a part of the file was asked for."""
        start, length = self._journal.pieces[piece]
        retrier, furthest = Retrier(self._content.cancel), 0
        while (have := self._journal.written(piece)) < length:
            furthest = max(furthest, have)
            end = None if self._is_whole else start + length
            with retrier.attempt(), self._source.open_range(self._file, start + have, end) as part:
                if not self._is_whole:
                    # Some servers say so, and send all of the file.
                    self._support.works = part.ranged and (part.length or 0) <= length - have
                    if not self._support.works:
                        return False
                elif have and part.start != have:
                    # The source can't resume.
                    self._start_over()
                    have = 0
                    if part.start != 0:
                        continue
                self._check_range(part, start + have)
                self._name = part.name or self._name
                received = self._receive(part, piece, retrier, furthest)
                # Some servers send ranges up to a size, and the rest when asked again.
                is_piece = part.ranged and received and received == part.length
                if self._journal.written(piece) < length and not is_piece:
                    raise self._cut_short()
                retrier.progressed()
        return True

    def _receive(self, part: FileRange, piece: int, retrier: Retrier, furthest: int) -> int:
        start, length = self._journal.pieces[piece]
        have = before = self._journal.written(piece)
        throughput = ThroughputGuard(self._content.read_timeout, self._source.timed_out)
        # Chunk by chunk: collecting them would lose some when the connection breaks.
        for chunk in part.chunks:
            if have + len(chunk) > length:
                raise self._wrong_size(f"more than {self._file.size}")
            view = memoryview(chunk)
            while view:
                count = os.pwrite(self._descriptor, view, start + have)
                have += count
                self._journal.wrote(piece, have)
                self._content.add(count)
                view = view[count:]
            if throughput.record(len(chunk)) and have > furthest:
                furthest = have
                retrier.progressed()
            check_cancelled(self._content.cancel)
        return have - before

    def _check_range(self, part: FileRange, start: int) -> None:
        if part.start != start:
            raise self._cut_short()
        if part.ranged and part.total not in {None, self._file.size}:
            raise self._wrong_size(str(part.total))
        if not part.ranged and part.length not in {None, self._file.size}:
            raise self._wrong_size(str(part.length))

    def _cut_short(self) -> Exception:
        return self._source.interrupted(f"the connection ended inside {self._file.path}")

    def _wrong_size(self, got: str) -> Exception:
        return wrong_size(self._source.place, self._source.advice, self._file, got)

    def _hash(self, end: threading.Event) -> ContentDigest:
        """Follows the writers closely, so that it reads from the page cache."""
        digest, done, buffer = ContentDigest(self._file.size, recorded=True), 0, memoryview(bytearray(CHUNK_BYTES))
        while done < self._file.size and not self._content.cancel.is_set():
            ended = end.is_set()
            room = min(CHUNK_BYTES, self._journal.written_from_start() - done)
            if room == 0:
                if ended:
                    break
                end.wait(_POLL_SECONDS)
                continue
            count = os.preadv(self._descriptor, [buffer[:room]], done)
            if not count:
                raise OSError(f"{self._partial} is shorter than it was")
            digest.update(buffer[:count])
            done += count
        return digest

    def _sync(self, end: threading.Event) -> None:
        """Syncs the partial file repeatedly while it grows, so that little is left to sync at the end.

        In a thread of its own: a writer that waited for the disk would leave its connection full of bytes that a kill
        loses.
        """
        done = self._journal.bytes_written
        while not end.wait(_SYNC_POLL_SECONDS):
            written = self._journal.bytes_written
            if written - done >= _SYNC_BYTES:
                self._sync_now()
                done = written
