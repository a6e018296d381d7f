"""A local directory as a source of models, for hosts without access to a hub. It is only read."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, Self

from image_gen.errors import CorruptDownloadError, FileMissingError
from image_gen.model_cache.core.digest import CHUNK_BYTES
from image_gen.model_cache.core.manifest import Manifest, ManifestFile
from image_gen.model_cache.core.retry import SourceError
from image_gen.model_cache.sources.source import FileRange, Source, wrong_size

_ADVICE = "Copy it there again."


class LocalDirectory:
    """A mirror in a directory."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.place = str(root)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def read(self, path: str) -> str | None:
        """A small text, or None when there is none."""
        try:
            return (self._root / path).read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except UnicodeDecodeError:
            return ""

    def folders(self, path: str) -> list[str]:
        return sorted(each.name for each in (self._root / path).glob("*") if each.is_dir())

    def holds(self, path: str, _manifest: Manifest) -> bool:
        return (self._root / path).is_dir()

    def source(self, path: str) -> Source:
        place = self._root / path
        return Source(str(place), _ADVICE, partial(_open_range, place), *[partial(_corrupt, place)] * 2)


@contextmanager
def _open_range(root: Path, file: ManifestFile, start: int, end: int | None) -> Iterator[FileRange]:
    try:
        stream = (root / file.path).open("rb")
    except OSError as error:
        raise FileMissingError(f"{root} has no {file.path} to read ({error.strerror or error}).") from error
    with stream:
        size = os.fstat(stream.fileno()).st_size
        if size != file.size:
            raise wrong_size(str(root), _ADVICE, file, str(size))
        stream.seek(start)
        length = (size if end is None else end) - start
        yield FileRange(start, True, length, size, "", _chunks(root, file, stream, length))


def _corrupt(root: Path, why: str) -> SourceError:
    return SourceError(CorruptDownloadError(f"{root}: {why}."), retryable=False)


def _chunks(root: Path, file: ManifestFile, stream: BinaryIO, length: int) -> Iterator[bytes]:
    try:
        while length > 0 and (chunk := stream.read(min(CHUNK_BYTES, length))):
            length -= len(chunk)
            yield chunk
    except OSError as error:
        raise _corrupt(root, f"{file.path} can't be read ({error.strerror or error})") from error
