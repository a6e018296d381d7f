"""Brings one content from a source into its partial file, goes on where an earlier try ended, and proves it by hash."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from image_gen.model_cache.core.digest import ContentDigest, feed
from image_gen.model_cache.core.manifest import ManifestFile
from image_gen.model_cache.core.retry import Retrier, check_cancelled
from image_gen.model_cache.sources.http_body import ThroughputGuard
from image_gen.model_cache.sources.source import Part, Source, damaged, wrong_size


@dataclass(frozen=True)
class Content:
    """One content, where it comes from, and what stops it. `read_timeout` is in seconds."""

    source: Source
    file: ManifestFile
    read_timeout: float
    cancel: threading.Event

    def throughput(self) -> ThroughputGuard:
        return ThroughputGuard(self.read_timeout, self.source.silent)

    def cut_short(self) -> Exception:
        return self.source.broken(f"the connection ended inside {self.file.path}")

    def blob_name(self, digest: ContentDigest, reported: str) -> str:
        """The hub's own name of the content, so that its tools recognise the cache; only proven names are used."""
        proven = {name for name in (digest.sha256, digest.git_sha1) if name}
        return reported if reported in proven else self.file.content_key


class SequentialDownload:
    """One content under way, in order. `add` is told how many more bytes are there, or fewer when they were wrong."""

    def __init__(self, content: Content, *, partial: Path, add: Callable[[int], None], tries: int = 2) -> None:
        self._content = content
        self._source = content.source
        self._file = content.file
        self._partial = partial
        self._add = add
        self._tries = tries
        self._name = ""

    def run(self) -> str:
        """Ends with the proven content in the partial file, on the disk. Returns the name that a blob of it bears.

        Raises CORRUPT_DOWNLOAD when the content is wrong every time, and what the network and the disk bring.
        """
        for _ in range(self._tries):
            digest = self._fill()
            if digest.matches(self._file):
                return self._content.blob_name(digest, self._name)
            self._drop()
        raise damaged(self._source, self._file)

    def _fill(self) -> ContentDigest:
        retrier = Retrier(self._content.cancel)
        self._partial.parent.mkdir(parents=True, exist_ok=True)
        with self._partial.open("a+b", buffering=0) as stream:
            digest, have = self._kept_part(stream)
            furthest = have
            while have < self._file.size:
                with retrier.attempt(), self._source.part(self._file, have) as part:
                    if have and part.start != have:
                        digest, have = self._start_again(stream, have)
                        if part.start != 0:
                            continue
                    self._check_size(part, have)
                    self._name = part.name
                    # As the pieces come: gathering them into larger ones would lose some when the line breaks.
                    throughput = self._content.throughput()
                    for chunk in part.chunks:
                        self._write(stream, chunk, have)
                        digest.update(chunk)
                        have += len(chunk)
                        if throughput.record(len(chunk)) and have > furthest:
                            furthest = have
                            retrier.progressed()
                        check_cancelled(self._content.cancel)
                    if have < self._file.size:
                        raise self._content.cut_short()
            os.fsync(stream.fileno())
        return digest

    def _kept_part(self, stream: BinaryIO) -> tuple[ContentDigest, int]:
        """Hashes what an earlier try left; something longer than the file can't be its beginning."""
        digest = ContentDigest(self._file.size)
        if os.fstat(stream.fileno()).st_size > self._file.size:
            stream.truncate(0)
            self._add(-self._file.size)
        stream.seek(0)
        return digest, feed(stream, digest)

    def _start_again(self, stream: BinaryIO, have: int) -> tuple[ContentDigest, int]:
        """The source can't go on in the middle: what is there is worthless."""
        stream.truncate(0)
        self._add(-have)
        return ContentDigest(self._file.size), 0

    def _write(self, stream: BinaryIO, chunk: bytes, have: int) -> None:
        if have + len(chunk) > self._file.size:
            raise wrong_size(self._source, self._file, f"more than {self._file.size}")
        view = memoryview(chunk)
        while view:
            written = stream.write(view)
            self._add(written)
            view = view[written:]

    def _check_size(self, part: Part, have: int) -> None:
        if part.length is not None and have + part.length != self._file.size:
            raise wrong_size(self._source, self._file, str(have + part.length))

    def _drop(self) -> None:
        self._add(-self._file.size)
        self._partial.unlink()
