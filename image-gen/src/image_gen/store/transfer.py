"""Brings one content from a hub into its partial file, goes on where an earlier try ended, and proves it by hash."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from image_gen.errors import ImageGenError
from image_gen.store.body import Pace, large_chunks
from image_gen.store.digest import ContentDigest, feed
from image_gen.store.http import Attempts, HubClient, check_cancelled
from image_gen.store.manifest import Manifest, ManifestFile
from image_gen.store.settings import StoreSettings

if TYPE_CHECKING:
    import httpx2

_LONG_BYTES = 8 << 20
_ETAG = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class Source:
    """Where one content comes from, and what stops it."""

    settings: StoreSettings
    client: HubClient
    manifest: Manifest
    file: ManifestFile
    cancel: threading.Event

    def answer(self, start: int, end: int | None = None) -> AbstractContextManager[httpx2.Response]:
        """One try at the bytes from `start` on, up to but without `end`."""
        return self.client.file(self.manifest.model_id, self.manifest.revision, self.file.path, start, end)

    def wrong_size(self, got: str) -> ImageGenError:
        return ImageGenError(
            "CORRUPT_DOWNLOAD",
            f"{self.settings.endpoint} offers {self.file.path} of {self.manifest.model_id} with {got} bytes, "
            f"expected {self.file.size}. Check that HF_ENDPOINT and HTTPS_PROXY lead to a true hub.",
        )

    def blob_name(self, digest: ContentDigest, etag: str) -> str:
        """The hub's own name of the content, so that its tools recognise the cache; only proven names are used."""
        proven = {name for name in (digest.sha256, digest.git_sha1) if name}
        return etag if etag in proven else self.file.content_key


class Transfer:
    """One content under way, in order. `add` is told how many more bytes are there, or fewer when they were wrong."""

    def __init__(self, source: Source, *, partial: Path, add: Callable[[int], None], tries: int = 2) -> None:
        self._source = source
        self._settings = source.settings
        self._manifest = source.manifest
        self._file = source.file
        self._partial = partial
        self._add = add
        self._cancel = source.cancel
        self._tries = tries
        self._etag = ""

    def run(self) -> str:
        """Ends with the proven content in the partial file, on the disk. Returns the name that a blob of it bears.

        Raises CORRUPT_DOWNLOAD when the content is wrong every time, and what the network and the disk bring.
        """
        for _ in range(self._tries):
            digest = self._fill()
            if digest.matches(self._file):
                return self._source.blob_name(digest, self._etag)
            self._drop()
        raise ImageGenError(
            "CORRUPT_DOWNLOAD",
            f"{self._file.path} of {self._manifest.model_id} arrived damaged twice from {self._settings.endpoint} "
            f"(expected {self._file.content_key}, got another hash). A proxy or mirror alters it: check HTTPS_PROXY "
            "and HF_ENDPOINT. Nothing damaged was kept.",
        )

    def _fill(self) -> ContentDigest:
        attempts = Attempts(self._settings, self._cancel)
        self._partial.parent.mkdir(parents=True, exist_ok=True)
        with self._partial.open("a+b", buffering=0) as stream:
            digest, have = self._kept_part(stream)
            furthest = have
            while have < self._file.size:
                with attempts.guard(), self._source.answer(have) as answer:
                    if have and not _continues(answer, have):
                        digest, have = self._start_again(stream, have)
                        if answer.status_code != 200:
                            continue
                    self._check_size(answer, have)
                    self._etag = etag_of(answer)
                    # As the pieces come: gathering them into larger ones would lose some when the line breaks.
                    pace = Pace(self._settings.read_timeout)
                    for chunk in self._chunks(answer, self._file.size - have):
                        self._write(stream, chunk, have)
                        digest.update(chunk)
                        have += len(chunk)
                        if pace.saw(len(chunk)) and have > furthest:
                            furthest = have
                            attempts.progressed()
                        check_cancelled(self._cancel)
                    if have < self._file.size:
                        raise cut_short(self._file.path)
            os.fsync(stream.fileno())
        return digest

    def _chunks(self, answer: httpx2.Response, left: int) -> Iterator[bytes]:
        # Short bodies leave the connection open for the next file.
        return large_chunks(answer, left, self._settings.read_timeout) if left > _LONG_BYTES else answer.iter_raw()

    def _kept_part(self, stream: BinaryIO) -> tuple[ContentDigest, int]:
        """Hashes what an earlier try left; something longer than the file can't be its beginning."""
        digest = ContentDigest(self._file.size)
        if os.fstat(stream.fileno()).st_size > self._file.size:
            stream.truncate(0)
            self._add(-self._file.size)
        stream.seek(0)
        return digest, feed(stream, digest)

    def _start_again(self, stream: BinaryIO, have: int) -> tuple[ContentDigest, int]:
        """The hub can't go on in the middle: what is there is worthless."""
        stream.truncate(0)
        self._add(-have)
        return ContentDigest(self._file.size), 0

    def _write(self, stream: BinaryIO, chunk: bytes, have: int) -> None:
        if have + len(chunk) > self._file.size:
            raise self._source.wrong_size(f"more than {self._file.size}")
        view = memoryview(chunk)
        while view:
            written = stream.write(view)
            self._add(written)
            view = view[written:]

    def _check_size(self, answer: httpx2.Response, have: int) -> None:
        length = answer.headers.get("Content-Length")
        if length is not None and have + int(length) != self._file.size:
            raise self._source.wrong_size(str(have + int(length)))

    def _drop(self) -> None:
        self._add(-self._file.size)
        self._partial.unlink()


def _continues(answer: httpx2.Response, start: int) -> bool:
    return answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {start}-")


def etag_of(answer: httpx2.Response) -> str:
    """The content's name as the hub tells it; a redirect to a CDN told it before the CDN's own."""
    for response in (*answer.history, answer):
        for header in ("X-Linked-Etag", "ETag"):
            name = response.headers.get(header, "").removeprefix("W/").strip('"')
            if _ETAG.fullmatch(name):
                return str(name)
    return ""


def cut_short(path: str) -> Exception:
    import httpx2

    return httpx2.ReadError(f"the connection ended inside {path}")
