"""Compression of backups, and its detection: gzip for every tar program, zstd for speed."""

import gzip
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import BinaryIO, Literal

from image_gen.errors import ZstdMissingError

Compression = Literal["gzip", "zstd"]
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
# Weights hardly compress: the fastest level is best.
_LEVEL = 1


def compression_of(name: str) -> Compression | None:
    """What a file's ending asks for."""
    if name.endswith((".zst", ".tzst")):
        return "zstd"
    return "gzip" if name.endswith((".gz", ".tgz")) else None


@contextmanager
def compressed(stream: BinaryIO, how: Compression | None) -> Iterator[BinaryIO]:
    """A stream to write into; what arrives in `stream` is complete once this ends."""
    if how is None:
        yield stream
    elif how == "gzip":
        with gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=_LEVEL, mtime=0) as compressor:
            yield compressor  # type: ignore[misc] # it has all of BinaryIO that is used
    else:
        # With a checksum, so that damage is found even where no hash covers it.
        writer = _zstandard().ZstdCompressor(level=_LEVEL, write_checksum=True)
        with writer.stream_writer(stream, closefd=False) as compressor:
            yield compressor


def decompressed(stream: BinaryIO) -> BinaryIO:
    """The stream as it was before zstd, if that was used; gzip and others are tarfile's own business.

    Reading raises ValueError when the stream is damaged.
    """
    head = stream.read(len(_ZSTD_MAGIC))
    whole: BinaryIO = _Prepended(head, stream)  # type: ignore[assignment] # it can be read, and need do no more
    return _Unzstd(whole) if head == _ZSTD_MAGIC else whole  # type: ignore[return-value] # the same


class _Prepended:
    """A stream of which the first bytes were read already."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def read(self, count: int = -1) -> bytes:
        head, self._head = self._head, b""
        if 0 <= count < len(head):
            head, self._head = head[:count], head[count:]
            return head
        return head + self._rest.read(count if count < 0 else count - len(head))


class _Unzstd:
    """Takes zstd off a stream, with errors that the caller can expect."""

    def __init__(self, stream: BinaryIO) -> None:
        self._error = _zstandard().ZstdError
        self._reader = _zstandard().ZstdDecompressor().stream_reader(stream, read_across_frames=True)

    def read(self, count: int = -1) -> bytes:
        try:
            return bytes(self._reader.read(count))
        except self._error as error:
            raise ValueError(f"its zstd stream is damaged ({error})") from error


def _zstandard() -> ModuleType:
    try:
        return importlib.import_module("zstandard")
    except ModuleNotFoundError as error:
        raise ZstdMissingError(
            "zstd needs the Python package zstandard, which is not installed. Fix: install requirements.lock, or use "
            ".tar.gz."
        ) from error
