"""Downloads one file sequentially into its partial file, resumes an earlier try, and verifies the hash."""

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from image_gen.model_cache.core.atomic_files import sync_file
from image_gen.model_cache.core.digest import ContentDigest, feed
from image_gen.model_cache.core.manifest import ManifestFile
from image_gen.model_cache.core.retry import Retrier, check_cancelled
from image_gen.model_cache.sources.http import ThroughputGuard
from image_gen.model_cache.sources.source import Source, damaged, wrong_size


@dataclass(frozen=True)
class Content:
    """One file, its source and its cancellation. `read_timeout` is in seconds."""

    source: Source
    file: ManifestFile
    read_timeout: float
    cancel: threading.Event

    def throughput(self) -> ThroughputGuard:
        return ThroughputGuard(self.read_timeout, self.source.timed_out)

    def cut_short(self) -> Exception:
        return self.source.interrupted(f"the connection ended inside {self.file.path}")

    def blob_name(self, digest: ContentDigest, reported: str) -> str:
        """The hub's own hash of the content, so that its tools recognise the cache; only verified hashes are used."""
        verified = {name for name in (digest.sha256, digest.git_sha1) if name}
        return reported if reported in verified else self.file.content_key


class SequentialDownload:
    """One file in progress. `add` gets the number of new bytes, negative when bytes were discarded."""

    def __init__(self, content: Content, *, partial: Path, add: Callable[[int], None], tries: int = 2) -> None:
        self._content = content
        self._source = content.source
        self._file = content.file
        self._partial = partial
        self._add = add
        self._tries = tries
        self._name = ""

    def run(self) -> str:
        """Ends with the verified content in the partial file, synced. Returns its blob's name.

        Raises CORRUPT_DOWNLOAD when the content is wrong every time, and errors of the network and the disk.
        """
        for _ in range(self._tries):
            digest = self._fill()
            if digest.matches(self._file):
                return self._content.blob_name(digest, self._name)
            self._add(-self._file.size)
            self._partial.unlink()
        raise damaged(self._source, self._file)

    def _fill(self) -> ContentDigest:
        retrier = Retrier(self._content.cancel)
        self._partial.parent.mkdir(parents=True, exist_ok=True)
        with self._partial.open("a+b", buffering=0) as stream:
            digest, have = self._kept_part(stream)
            furthest = have
            while have < self._file.size:
                with retrier.attempt(), self._source.open_range(self._file, have, None) as part:
                    if have and part.start != have:
                        # The source can't resume: the existing bytes are discarded.
                        stream.truncate(0)
                        self._add(-have)
                        digest, have = ContentDigest(self._file.size), 0
                        if part.start != 0:
                            continue
                    if part.start is None:
                        raise self._content.cut_short()
                    end = have + (part.length or 0)
                    # Some servers send ranges up to a size, and the rest when asked again.
                    is_piece = part.ranged and part.total in {None, self._file.size} and have < end < self._file.size
                    if part.length is not None and end != self._file.size and not is_piece:
                        raise self._wrong_size(str(end))
                    self._name = part.name
                    # Chunk by chunk: collecting them would lose some when the connection breaks.
                    throughput = self._content.throughput()
                    for chunk in part.chunks:
                        self._write(stream, chunk, have)
                        digest.update(chunk)
                        have += len(chunk)
                        if throughput.record(len(chunk)) and have > furthest:
                            furthest = have
                            retrier.progressed()
                        check_cancelled(self._content.cancel)
                    if have < self._file.size and not (is_piece and have == end):
                        raise self._content.cut_short()
                    retrier.progressed()
            sync_file(stream.fileno())
        return digest

    def _kept_part(self, stream: BinaryIO) -> tuple[ContentDigest, int]:
        """Hashes the bytes of an earlier try; more bytes than the file has can't be its beginning."""
        digest = ContentDigest(self._file.size)
        if os.fstat(stream.fileno()).st_size > self._file.size:
            stream.truncate(0)
            self._add(-self._file.size)
        stream.seek(0)
        return digest, feed(stream, digest)

    def _write(self, stream: BinaryIO, chunk: bytes, have: int) -> None:
        if have + len(chunk) > self._file.size:
            raise self._wrong_size(f"more than {self._file.size}")
        view = memoryview(chunk)
        while view:
            written = stream.write(view)
            self._add(written)
            view = view[written:]

    def _wrong_size(self, got: str) -> Exception:
        return wrong_size(self._source.place, self._source.advice, self._file, got)
