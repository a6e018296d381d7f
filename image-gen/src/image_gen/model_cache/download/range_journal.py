"""Records which ranges of a partial file were written, so that a later process can resume.

For every piece it has the bytes written, and how many of them are synced. After a kill the first count is right, as
the kernel has the data; after a reboot only the second.
"""

import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from image_gen.model_cache.core.atomic_files import sync_file
from image_gen.model_cache.core.filesystem import status_of

_HEADER = struct.Struct("<8sQQ16s")
_FIGURES = struct.Struct("<QQ")
_FIGURE = struct.Struct("<Q")
_SYNC_POLL_SECONDS = 0.05
_MAGIC = b"ranges-1"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class RangeJournal:
    """The state of one partial file, in memory and beside it. Pieces are numbered from the file's beginning."""

    def __init__(self, path: Path, size: int, piece_bytes: int, kept: list[int], synced: list[int]) -> None:
        self._path = path
        self._size = size
        self._piece_bytes = piece_bytes
        self._written = kept
        self._synced = synced
        self._descriptor = -1

    @classmethod
    @contextmanager
    def opened(cls, partial: Path, size: int, piece_bytes: int) -> "Iterator[RangeJournal]":
        """The journal of a partial file, without entries that can't be trusted, ready to be written to."""
        journal = cls._read(partial, size) or cls._from_prefix(partial, size, piece_bytes)
        journal._create()
        try:
            yield journal
        finally:
            os.close(journal._descriptor)

    @classmethod
    def forget(cls, partial: Path) -> None:
        """Deletes a partial file that was written in ranges: one who writes it in order can't continue it."""
        if journal_path(partial).exists():
            partial.unlink(missing_ok=True)
            journal_path(partial).unlink(missing_ok=True)

    @classmethod
    def kept_bytes(cls, partial: Path, size: int) -> int:
        """How many bytes of a file an earlier try or another process has downloaded."""
        journal = cls._read(partial, size)
        return journal.bytes_written if journal else min(size, _size_of(partial))

    @classmethod
    def _read(cls, partial: Path, size: int) -> "RangeJournal | None":
        path = journal_path(partial)
        there = _size_of(partial)
        try:
            content = path.read_bytes()
            magic, of_size, piece_bytes, boot = _HEADER.unpack_from(content)
            if magic != _MAGIC or of_size != size or piece_bytes == 0 or there > size:
                return None
            figures = list(_FIGURES.iter_unpack(content[_HEADER.size :]))
        except (OSError, struct.error):
            return None
        same_boot = boot == _boot_id() != bytes(16)
        journal = cls(path, size, piece_bytes, [], [])
        if len(figures) != len(journal.pieces):
            return None
        for (written, synced), (start, length) in zip(figures, journal.pieces, strict=True):
            trusted = max(0, min(written if same_boot else synced, length, there - start))
            journal._written.append(trusted)
            journal._synced.append(min(synced, trusted))
        return journal

    @classmethod
    def _from_prefix(cls, partial: Path, size: int, piece_bytes: int) -> "RangeJournal":
        """A partial file without a journal was written from its beginning on."""
        there = _size_of(partial)
        journal = cls(journal_path(partial), size, piece_bytes, [], [])
        there = there if there <= size else 0
        journal._written = [max(0, min(length, there - start)) for start, length in journal.pieces]
        journal._synced = [0] * len(journal._written)
        return journal

    @property
    def pieces(self) -> list[tuple[int, int]]:
        """Where each piece starts, and its length."""
        step = self._piece_bytes
        return [(start, min(step, self._size - start)) for start in range(0, self._size, step)]

    @property
    def bytes_written(self) -> int:
        return sum(self._written)

    @property
    def written_end(self) -> int:
        """The end of the last byte that was written."""
        ends = (start + have for have, (start, _) in zip(self._written, self.pieces, strict=True) if have)
        return max(ends, default=0)

    def written(self, piece: int) -> int:
        return self._written[piece]

    def written_from_start(self) -> int:
        """How far the file is written without a gap."""
        total = 0
        for have, (_, length) in zip(self._written, self.pieces, strict=True):
            total += have
            if have < length:
                break
        return total

    def wrote(self, piece: int, have: int) -> None:
        """`have` bytes of a piece are written. The write is atomic: a kill leaves the old or the new value."""
        self._written[piece] = have
        os.pwrite(self._descriptor, _FIGURE.pack(have), _HEADER.size + piece * _FIGURES.size)

    def sync(self, descriptor: int) -> None:
        """Syncs the partial file, and then the journal."""
        written = list(self._written)
        sync_file(descriptor)
        for piece, have in enumerate(written):
            if have != self._synced[piece]:
                os.pwrite(self._descriptor, _FIGURE.pack(have), _HEADER.size + piece * _FIGURES.size + _FIGURE.size)
        self._synced = written
        sync_file(self._descriptor)

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)

    def _create(self) -> None:
        """Writes a new file, with the current boot id."""
        fresh = self._path.with_name(f"{self._path.name}.new")
        figures = b"".join(_FIGURES.pack(*pair) for pair in zip(self._written, self._synced, strict=True))
        with fresh.open("wb") as stream:
            stream.write(_HEADER.pack(_MAGIC, self._size, self._piece_bytes, _boot_id()) + figures)
            stream.flush()
            sync_file(stream.fileno())
        fresh.replace(self._path)
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)


class Syncer:
    """Syncs a partial file repeatedly while it grows, so that little is left to sync at the end.

    In a thread of its own: a writer that waited for the disk would leave its connection full of bytes that a kill
    loses.
    """

    def __init__(self, journal: RangeJournal, descriptor: int, step_bytes: int) -> None:
        self._journal = journal
        self._descriptor = descriptor
        self._step = step_bytes
        self._done = journal.bytes_written
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fetch-sync", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Waits for a sync in progress."""
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(_SYNC_POLL_SECONDS):
            written = self._journal.bytes_written
            if written - self._done < self._step:
                continue
            try:
                self._journal.sync(self._descriptor)
            except OSError:
                # The last sync, before the file is put in place, raises the same error.
                return
            self._done = written


def journal_path(partial: Path) -> Path:
    """Beside the partial file, and named so that the hub's own tools treat it as a partial download too."""
    return partial.with_name(f"{partial.name.removesuffix('.incomplete')}.ranges.incomplete")


def _boot_id() -> bytes:
    try:
        return bytes.fromhex(_BOOT_ID.read_text(encoding="ascii").strip().replace("-", ""))
    except (OSError, ValueError):
        return bytes(16)


def _size_of(path: Path) -> int:
    status = status_of(path)
    return status.st_size if status else 0
