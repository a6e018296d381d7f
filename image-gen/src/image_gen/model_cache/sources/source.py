"""Where the bytes of a model come from. A hub, a bucket and a directory are read by one fetch, through this alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from image_gen.errors import ImageGenError
from image_gen.model_cache.core.manifest import ManifestFile
from image_gen.model_cache.core.retry import SourceError


@dataclass(frozen=True)
class Part:
    """What a source sends when it is asked for a part of a file.

    The bytes begin at `start` of the file; None when that part can't be sent. `ranged` tells that it is a part, and not
    the whole because the source knows no parts. `length` bytes are announced, of `total` in the file; None where that
    is not told. `name` is the source's own hash of the content, if it tells one.
    """

    start: int | None
    ranged: bool
    length: int | None
    total: int | None
    name: str
    chunks: Iterator[bytes]


class Source(Protocol):
    """The files of one model at one revision.

    `part` is one try; the caller repeats it, as it knows what has arrived. It raises SourceError for what may pass, and
    ImageGenError FILE_NOT_FOUND. `place` names the source, `advice` says what to check when it sends something wrong.
    """

    @property
    def place(self) -> str: ...

    @property
    def advice(self) -> str: ...

    def part(self, file: ManifestFile, start: int, end: int | None = None) -> AbstractContextManager[Part]:
        """The bytes from `start` on, up to but without `end`."""

    def broken(self, why: str) -> SourceError:
        """The connection ended too early."""

    def silent(self, why: str) -> SourceError:
        """Nothing comes any more, or hardly anything."""


def wrong_size(source: Source, file: ManifestFile, got: str) -> ImageGenError:
    return ImageGenError(
        "CORRUPT_DOWNLOAD", f"{source.place} offers {file.path} with {got} bytes, expected {file.size}. {source.advice}"
    )


def damaged(source: Source, file: ManifestFile) -> ImageGenError:
    return ImageGenError(
        "CORRUPT_DOWNLOAD",
        f"{file.path} arrived damaged from {source.place} (expected {file.content_key}, got another hash). "
        f"{source.advice} Nothing damaged was kept.",
    )
