"""Brings one content from a hub into its partial file, goes on where an earlier try ended, and proves it by hash."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from image_gen.errors import ImageGenError
from image_gen.store.digest import ContentDigest, feed
from image_gen.store.http import Attempts, HubClient, check_cancelled
from image_gen.store.manifest import Manifest, ManifestFile
from image_gen.store.settings import StoreSettings

if TYPE_CHECKING:
    import httpx2

_ETAG = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class Transfer:
    """One content under way. `add` is told how many more bytes are there, or fewer when they proved to be wrong."""

    def __init__(
        self,
        settings: StoreSettings,
        client: HubClient,
        manifest: Manifest,
        file: ManifestFile,
        *,
        partial: Path,
        add: Callable[[int], None],
        cancel: threading.Event,
    ) -> None:
        self._settings = settings
        self._client = client
        self._manifest = manifest
        self._file = file
        self._partial = partial
        self._add = add
        self._cancel = cancel
        self._etag = ""

    def run(self) -> str:
        """Ends with the proven content in the partial file, on the disk. Returns the name that a blob of it bears.

        Raises CORRUPT_DOWNLOAD when the content is wrong twice, and what the network and the disk bring.
        """
        for _ in range(2):
            digest = self._fill()
            if digest.matches(self._file):
                return self._blob_name(digest)
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
                with (
                    attempts.guard(),
                    self._client.file(
                        self._manifest.model_id, self._manifest.revision, self._file.path, have
                    ) as answer,
                ):
                    if have and not _continues(answer, have):
                        digest, have = self._start_again(stream, have)
                        if answer.status_code != 200:
                            continue
                    self._check_size(answer, have)
                    self._etag = _etag(answer)
                    # As the pieces come: gathering them into larger ones would lose some when the line breaks.
                    for chunk in answer.iter_raw():
                        self._write(stream, chunk, have)
                        digest.update(chunk)
                        have += len(chunk)
                        if have > furthest:
                            furthest = have
                            attempts.progressed()
                        check_cancelled(self._cancel)
                    if have < self._file.size:
                        raise _cut_short(self._file.path)
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
        """The hub can't go on in the middle: what is there is worthless."""
        stream.truncate(0)
        self._add(-have)
        return ContentDigest(self._file.size), 0

    def _write(self, stream: BinaryIO, chunk: bytes, have: int) -> None:
        if have + len(chunk) > self._file.size:
            raise self._wrong_size(f"more than {self._file.size}")
        view = memoryview(chunk)
        while view:
            written = stream.write(view)
            self._add(written)
            view = view[written:]

    def _check_size(self, answer: httpx2.Response, have: int) -> None:
        length = answer.headers.get("Content-Length")
        if length is not None and have + int(length) != self._file.size:
            raise self._wrong_size(str(have + int(length)))

    def _wrong_size(self, got: str) -> ImageGenError:
        return ImageGenError(
            "CORRUPT_DOWNLOAD",
            f"{self._settings.endpoint} offers {self._file.path} of {self._manifest.model_id} with {got} bytes, "
            f"expected {self._file.size}. Check that HF_ENDPOINT and HTTPS_PROXY lead to a true hub.",
        )

    def _drop(self) -> None:
        self._add(-self._file.size)
        self._partial.unlink()

    def _blob_name(self, digest: ContentDigest) -> str:
        """The hub's own name of the content, so that its tools recognise the cache; only proven names are used."""
        proven = {name for name in (digest.sha256, digest.git_sha1) if name}
        return self._etag if self._etag in proven else self._file.content_key


def _continues(answer: httpx2.Response, start: int) -> bool:
    return answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {start}-")


def _etag(answer: httpx2.Response) -> str:
    """The content's name as the hub tells it; a redirect to a CDN told it before the CDN's own."""
    for response in (*answer.history, answer):
        for header in ("X-Linked-Etag", "ETag"):
            name = response.headers.get(header, "").removeprefix("W/").strip('"')
            if _ETAG.fullmatch(name):
                return str(name)
    return ""


def _cut_short(path: str) -> Exception:
    import httpx2

    return httpx2.ReadError(f"the connection ended inside {path}")
