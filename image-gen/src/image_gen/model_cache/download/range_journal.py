"""Records which ranges of a partial file were written, so that a later process can resume.

For every piece it has the bytes written, and how many of them are synced. After a kill the first count is right, as
the kernel has the data; after a reboot only the second. A file of one piece is written from its beginning on: its
length says it all, and it has no journal.
"""

import os
import struct
from contextlib import suppress
from pathlib import Path

from image_gen.model_cache.core.atomic_files import sync_file
from image_gen.model_cache.core.filesystem import status_of

_HEADER = struct.Struct("<8sQQ16s")
_FIGURES = struct.Struct("<QQ")
_FIGURE = struct.Struct("<Q")
_MAGIC = b"ranges-1"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class RangeJournal:
    """The state of one partial file, in memory and beside it. Pieces are numbered from the file's beginning."""

    def __init__(self, partial: Path, size: int, piece_bytes: int, there: int) -> None:
        """Of a partial file that has the first `there` bytes."""
        self._path = journal_path(partial)
        self._size = size
        self._piece_bytes = max(1, piece_bytes)
        self._written = [max(0, min(length, there - start)) for start, length in self.pieces]
        self._synced = [0] * len(self._written)
        self._descriptor = -1

    @classmethod
    def opened(cls, partial: Path, size: int, piece_bytes: int) -> "RangeJournal":
        """The journal of a partial file, without entries that can't be trusted, ready to be written to."""
        found = cls._read(partial, size)
        if found is None or found._piece_bytes != piece_bytes:
            there = found.written_from_start() if found else _length(partial, size)
            found = cls(partial, size, piece_bytes, there)
        if len(found.pieces) > 1:
            found._create()
        return found

    @classmethod
    def kept_bytes(cls, partial: Path, size: int) -> int:
        """How many bytes of a file an earlier try or another process has downloaded."""
        journal = cls._read(partial, size)
        return journal.bytes_written if journal else _length(partial, size)

    @classmethod
    def _read(cls, partial: Path, size: int) -> "RangeJournal | None":
        there = _length(partial, size)
        try:
            content = journal_path(partial).read_bytes()
            magic, of_size, piece_bytes, boot = _HEADER.unpack_from(content)
            figures = list(_FIGURES.iter_unpack(content[_HEADER.size :]))
        except (OSError, struct.error):
            return None
        if magic != _MAGIC or of_size != size or piece_bytes == 0 or len(figures) != -(-size // piece_bytes):
            return None
        same_boot = boot == _boot_id() != bytes(16)
        journal = cls(partial, size, piece_bytes, 0)
        for piece, ((written, synced), (start, length)) in enumerate(zip(figures, journal.pieces, strict=True)):
            journal._written[piece] = max(0, min(written if same_boot else synced, length, there - start))
            journal._synced[piece] = min(synced, journal._written[piece])
        return journal

    @property
    def pieces(self) -> list[tuple[int, int]]:
        """Where each piece starts, and its length."""
        step = self._piece_bytes
        return [(start, min(step, self._size - start)) for start in range(0, self._size or 1, step)]

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
        if self._descriptor >= 0:
            os.pwrite(self._descriptor, _FIGURE.pack(have), _HEADER.size + piece * _FIGURES.size)

    def sync(self, descriptor: int) -> None:
        """Syncs the partial file, and then the journal."""
        written = list(self._written)
        sync_file(descriptor)
        if self._descriptor < 0:
            return
        for piece, have in enumerate(written):
            if have != self._synced[piece]:
                os.pwrite(self._descriptor, _FIGURE.pack(have), _HEADER.size + piece * _FIGURES.size + _FIGURE.size)
        self._synced = written
        sync_file(self._descriptor)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def remove(self) -> None:
        self.close()
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


def journal_path(partial: Path) -> Path:
    """Beside the partial file."""
    return partial.with_suffix(".ranges")


def adopt_older(partial: Path) -> None:
    """Takes over a download that an earlier version left under a name of the hub's own clients, some of which take it
    for complete. Without a journal it may be theirs, and stays.
    """
    older = partial.with_name(f"{partial.name.partition('.')[0]}.incomplete")
    journal = older.with_suffix(".ranges.incomplete")
    if journal.exists():
        # In this order, so that a kill leaves nothing of full length under the old name.
        for was, now in ((older, partial), (journal, journal_path(partial))):
            with suppress(FileNotFoundError):
                was.replace(now)


def _boot_id() -> bytes:
    try:
        return bytes.fromhex(_BOOT_ID.read_text(encoding="ascii").strip().replace("-", ""))
    except (OSError, ValueError):
        return bytes(16)


def _length(partial: Path, size: int) -> int:
    """The bytes of a partial file; more than the file has can't be its beginning."""
    status = status_of(partial)
    return status.st_size if status and status.st_size <= size else 0
