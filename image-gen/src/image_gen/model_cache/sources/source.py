"""Where the bytes of a model come from. The downloader reads a hub, a bucket and a directory through this alone."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from image_gen.errors import CorruptDownloadError
from image_gen.model_cache.core.manifest import ManifestFile
from image_gen.model_cache.core.retry import SourceError


@dataclass(frozen=True)
class FileRange:
    """What a source sends when it is asked for a range of a file.

    The bytes begin at `start` of the file; None when that range can't be sent. `ranged` is False for a complete file,
    from a source without ranges. `length` bytes are announced, of `total` in the file; None where that is unknown.
    `name` is the source's own hash of the content, if it has one.
    """

    start: int | None
    ranged: bool
    length: int | None
    total: int | None
    name: str
    chunks: Iterator[bytes]


@dataclass(frozen=True)
class Source:
    """The files of one model at one revision.

    `open_range` is one try at the bytes from `start` up to but without `end`; the caller repeats it, as it knows what
    has arrived. It raises SourceError for what may succeed later, and FILE_NOT_FOUND. `place` names the source in
    messages, `advice` says what to check when it sends something wrong. `interrupted` and `timed_out` make errors for
    a connection that ended too early, and for one that sends nothing, or next to nothing.
    """

    place: str
    advice: str
    open_range: Callable[[ManifestFile, int, int | None], AbstractContextManager[FileRange]]
    interrupted: Callable[[str], SourceError]
    timed_out: Callable[[str], SourceError]


def wrong_size(place: str, advice: str, file: ManifestFile, got: str) -> CorruptDownloadError:
    return CorruptDownloadError(f"{place} offers {file.path} with {got} bytes, expected {file.size}. {advice}")


def damaged(source: Source, file: ManifestFile) -> CorruptDownloadError:
    return CorruptDownloadError(
        f"{file.path} arrived damaged from {source.place} (expected {file.content_key}, got another hash). "
        f"{source.advice} Nothing damaged was kept."
    )
