"""S3 objects as streams: written in parts, and read with resumption after interruptions.

Both hold a few parts in memory, whatever the size of the object.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO, cast

from image_gen.model_cache.core.retry import Retrier, check_cancelled
from image_gen.model_cache.sources.http import ThroughputGuard
from image_gen.model_cache.sources.s3 import S3Bucket

if TYPE_CHECKING:
    from obstore import WritableFile

_PART_BYTES = 16 << 20
# S3 takes 10,000 parts; a few stay free, as an estimate may be short.
_MOST_PARTS = 9_000
_PARTS_AT_ONCE = 4


@contextmanager
def open_object_writer(bucket: S3Bucket, path: str, expected_bytes: int) -> Iterator[BinaryIO]:
    """An object to write into. It appears when all of it is there; after an error, or a kill, there is none, and an
    earlier one of that name stays.
    """
    import obstore
    from obstore.exceptions import BaseError

    size = max(_PART_BYTES, expected_bytes // _MOST_PARTS + 1)
    with bucket.map_errors(path, "s3:PutObject"):
        writer = obstore.open_writer(bucket.s3_client, path, buffer_size=size, max_concurrency=_PARTS_AT_ONCE)
        opened = writer.__enter__()
    try:
        yield cast("BinaryIO", _ObjectWriter(bucket, path, opened))
    except BaseException as error:
        # It takes back the parts that were sent, if it can.
        with suppress(BaseError, OSError):
            writer.__exit__(type(error), error, error.__traceback__)
        raise
    with bucket.map_errors(path, "s3:PutObject"):
        writer.close()


class _ObjectWriter:
    """Translates errors of the bucket, and not those of the code that writes."""

    def __init__(self, bucket: S3Bucket, path: str, writer: "WritableFile") -> None:
        self._bucket = bucket
        self._path = path
        self._writer = writer

    def write(self, chunk: bytes) -> int:
        check_cancelled(self._bucket.cancel)
        with self._bucket.map_errors(self._path, "s3:PutObject"):
            return self._writer.write(chunk)

    def flush(self) -> None:
        """Parts are sent when they are full."""


class S3ObjectReader:
    """An object to read from its beginning. `size` is in bytes."""

    def __init__(self, bucket: S3Bucket, path: str) -> None:
        self._bucket = bucket
        self._path = path
        self.size = 0
        self._chunks = self._all()
        # The first response has the size, and shows that the object exists.
        self._rest = memoryview(next(self._chunks, b""))

    def read(self, count: int = -1) -> bytes:
        """Exactly `count` bytes, or fewer at the end."""
        pieces, wanted = [], count if count >= 0 else self.size
        while wanted > 0:
            if not self._rest and not (fresh := next(self._chunks, b"")):
                break
            self._rest = self._rest or memoryview(fresh)
            pieces.append(self._rest[:wanted])
            wanted -= len(pieces[-1])
            self._rest = self._rest[len(pieces[-1]) :]
        return b"".join(pieces)

    def close(self) -> None:
        self._chunks.close()

    def _all(self) -> Generator[bytes]:
        done, bucket, retrier = 0, self._bucket, Retrier(self._bucket.cancel)
        while not self.size or done < self.size:
            with retrier.attempt(), bucket.open_range(self._path, done) as part:
                whole = part.total or part.length or 0
                if part.start != done or (self.size and part.ranged and whole != self.size):
                    raise bucket.interrupted("the object changed meanwhile")
                self.size = self.size or whole
                throughput = ThroughputGuard(bucket.read_timeout, bucket.timed_out)
                for chunk in part.chunks:
                    done += len(chunk)
                    yield chunk
                    if throughput.record(len(chunk)):
                        retrier.progressed()
                if done < self.size:
                    raise bucket.interrupted(f"the connection ended inside {self._path}")
                if not self.size:
                    return
