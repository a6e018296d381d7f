"""Files of a directory as a source of models: a mirror for hosts without access to a hub, or another cache. It is only
read.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Self

from image_gen.errors import CorruptDownloadError, FileMissingError, ManifestInvalidError
from image_gen.model_cache.core.digest import CHUNK_BYTES
from image_gen.model_cache.core.filesystem import ABSENT
from image_gen.model_cache.core.manifest import Manifest, ManifestFile
from image_gen.model_cache.core.retry import SourceError
from image_gen.model_cache.core.untrusted_files import open_regular, read_regular
from image_gen.model_cache.sources.source import FileRange, Source, wrong_size


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
            return read_regular(self._root / path).decode("utf-8", "replace")
        except OSError as error:
            if error.errno in ABSENT:
                return None
            raise ManifestInvalidError(f"{self._root / path} can't be read ({error.strerror}).") from error

    def folders(self, path: str) -> list[str]:
        return sorted(each.name for each in (self._root / path).glob("*") if each.is_dir())

    def holds(self, path: str, _manifest: Manifest) -> bool:
        return (self._root / path).is_dir()

    def source(self, path: str) -> Source:
        place = self._root / path
        return file_source(str(place), "Copy it there again.", lambda file: place / file.path)


def file_source(place: str, advice: str, path_of: Callable[[ManifestFile], Path]) -> Source:
    """A source whose files are at hand; what can't be read there is not tried again."""

    def corrupt(why: str) -> SourceError:
        return SourceError(CorruptDownloadError(f"{place}: {why}."), retryable=False)

    @contextmanager
    def open_range(file: ManifestFile, start: int, end: int | None) -> Iterator[FileRange]:
        try:
            stream = open_regular(path_of(file))
        except OSError as error:
            raise FileMissingError(f"{place} has no {file.path} to read ({error.strerror or error}).") from error
        with stream:
            size = os.fstat(stream.fileno()).st_size
            if size != file.size:
                raise wrong_size(place, advice, file, str(size))
            stream.seek(start)
            length = (size if end is None else end) - start
            yield FileRange(start, True, length, size, "", chunks(file, stream, length))

    def chunks(file: ManifestFile, stream: BinaryIO, length: int) -> Iterator[bytes]:
        try:
            while length > 0 and (chunk := stream.read(min(CHUNK_BYTES, length))):
                length -= len(chunk)
                yield chunk
        except OSError as error:
            raise corrupt(f"{file.path} can't be read ({error.strerror or error})") from error

    return Source(place, advice, open_range, corrupt, corrupt)
