"""Compression of backups, and its detection: gzip for every tar program, zstd for speed."""

import bz2
import gzip
import importlib
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, BinaryIO, Literal

from image_gen.errors import ZstdMissingError

Compression = Literal["gzip", "zstd"]
# Weights hardly compress: the fastest level is best.
_LEVEL = 1
_READ_BYTES = 256 << 10


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
    """The stream as it was before gzip, zstd, xz or bzip2, if one of them was used.

    Reading raises ValueError when the stream is damaged, or ends before its last checksum.
    """
    head = b""
    while len(head) < _LONGEST_MAGIC and (more := stream.read(_LONGEST_MAGIC - len(head))):
        head += more
    whole = _Prepended(head, stream)
    found = next((kind for kind in _DECODERS if head.startswith(_DECODERS[kind][0])), None)
    return _Decompressed(found, whole) if found else whole  # type: ignore[return-value] # they only have to be read


class _Prepended:
    """A stream of which the first bytes were read already."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def read(self, count: int) -> bytes:
        head, self._head = self._head[:count], self._head[count:]
        return head or self._rest.read(count)


class _Decompressed:
    """Takes the compression off a stream, to the checksum at its very end, which tarfile never asks for."""

    def __init__(self, kind: str, stream: _Prepended) -> None:
        self._kind = kind
        self._magic, self._make = _DECODERS[kind]
        self._stream = stream
        self._decoder = self._make()
        self._ready = b""

    def read(self, count: int) -> bytes:
        """Exactly `count` bytes, or fewer at the end."""
        pieces, have = [self._ready], len(self._ready)
        while have < count and (piece := self._next()) is not None:
            pieces.append(piece)
            have += len(piece)
        joined = b"".join(pieces)
        self._ready = joined[count:]
        return joined[:count]

    def _next(self) -> bytes | None:
        chunk = self._stream.read(_READ_BYTES)
        if self._decoder.eof:
            # Zeros fill up the last block of a tape; after one compressed file may come another.
            chunk = (self._decoder.unused_data + chunk).lstrip(b"\0")
            if not chunk:
                return None
            if not chunk.startswith(self._magic):
                raise ValueError(f"something else follows its {self._kind} stream")
            self._decoder = self._make()
        elif not chunk:
            raise ValueError(f"its {self._kind} stream ends too early")
        try:
            return bytes(self._decoder.decompress(chunk))
        except Exception as error:  # each library has one of its own
            raise ValueError(f"its {self._kind} stream is damaged ({error})") from error


def _zstandard() -> ModuleType:
    try:
        return importlib.import_module("zstandard")
    except ModuleNotFoundError as error:
        raise ZstdMissingError(
            "zstd needs the Python package zstandard, which is not installed. Fix: install requirements.lock, or use "
            ".tar.gz."
        ) from error


_DECODERS: dict[str, tuple[bytes, Callable[[], Any]]] = {
    "gzip": (b"\x1f\x8b", lambda: zlib.decompressobj(wbits=31)),
    "zstd": (b"\x28\xb5\x2f\xfd", lambda: _zstandard().ZstdDecompressor().decompressobj()),
    "xz": (b"\xfd7zXZ", lzma.LZMADecompressor),
    "bzip2": (b"BZh", bz2.BZ2Decompressor),
}
_LONGEST_MAGIC = max(len(magic) for magic, _ in _DECODERS.values())
