"""Hashes of files, as hubs name contents: sha256 for large files, git's sha1 for small ones; and BLAKE3, which is
faster, for what was proven by one of these before.
"""

import hashlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO, Protocol

from blake3 import blake3

from image_gen.model_cache.core.manifest import ManifestFile

CHUNK_BYTES = 1 << 20
# So large that two threads seldom wait for each other, on a machine with other work as well.
_COPY_BYTES = 4 << 20
# Hubs keep larger files as LFS objects, which are named by sha256 alone; a second hash of gigabytes would cost seconds.
_GIT_LIMIT_BYTES = 64 << 20


class Digest(Protocol):
    """Takes a file's bytes in order, and says whether they are those that were expected. A hash that is not computed is
    empty.
    """

    def update(self, chunk: bytes | memoryview) -> None: ...

    def matches(self, file: ManifestFile) -> bool: ...

    @property
    def sha256(self) -> str: ...

    @property
    def blake3(self) -> str: ...


class RecordedDigest:
    """Compares a file with the BLAKE3 that was computed when its content was proven."""

    sha256 = ""

    def __init__(self, expected: str) -> None:
        self._expected, self._blake3 = expected, blake3()

    def update(self, chunk: bytes | memoryview) -> None:
        self._blake3.update(chunk)

    def matches(self, file: ManifestFile) -> bool:  # noqa: ARG002 - the record is the file's
        return self.blake3 == self._expected

    @property
    def blake3(self) -> str:
        return self._blake3.hexdigest()


class ContentDigest:
    """Computes both hashes of a file; `recorded`: and BLAKE3, for the record."""

    def __init__(self, size: int, *, recorded: bool = False) -> None:
        self._blake3 = blake3() if recorded else None
        self._sha256 = hashlib.sha256()
        # Not for security: git's object name, which hubs list for small files.
        self._git = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False) if size <= _GIT_LIMIT_BYTES else None

    def update(self, chunk: bytes | memoryview) -> None:
        self._sha256.update(chunk)
        if self._git:
            self._git.update(chunk)
        if self._blake3:
            self._blake3.update(chunk)

    @property
    def blake3(self) -> str:
        return self._blake3.hexdigest() if self._blake3 else ""

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    @property
    def git_sha1(self) -> str | None:
        """Git's name of the content; None for a file that is too large to be kept in git."""
        return self._git.hexdigest() if self._git else None

    @property
    def names(self) -> set[str | None]:
        """What the blob with this content may be called."""
        return {self.sha256, self.git_sha1}

    def matches(self, file: ManifestFile) -> bool:
        """Whether the content is that of the manifest's file."""
        return self.sha256 == file.sha256 if file.sha256 else self.git_sha1 == file.git_sha1


def feed(
    stream: IO[bytes], digest: ContentDigest, write: Callable[[bytes], object] = lambda _: None, most: int | None = None
) -> int:
    """Hashes the rest of a stream, or `most` bytes of it, and writes them elsewhere; returns how many there were.

    A second thread hashes one chunk while the next is read and written.
    """
    total = 0
    with ThreadPoolExecutor(1, thread_name_prefix="hash") as hasher:
        hashing: Future[None] | None = None
        while chunk := _read(stream, _COPY_BYTES if most is None else min(_COPY_BYTES, most - total)):
            if hashing:
                hashing.result()
            hashing = hasher.submit(digest.update, chunk)
            write(chunk)
            total += len(chunk)
    return total


def _read(stream: IO[bytes], count: int) -> bytes:
    try:
        return stream.read(count)
    except OSError as error:
        # Without it, an error of the source would be taken for one of the place that is written to.
        error.filename = error.filename or getattr(stream, "name", None)
        raise
