"""What torch's compiler made, kept in a bucket, so that a new host with the same GPU and versions need not compile it.

Comes in: the name of an archive, `<GPU and versions>/<model and options>.blocks`. Goes out: the archive from the
bucket, or into it. Must not: fail a start, read or write a file outside of its directory whatever a worker names, or
take an archive from anywhere but the address that the operator set: it holds machine code, and loading it runs it.

The object `<place>/<name>.sha256` names the archive's hash, `<place>/<hash>` is the archive: a reader finds all of it
or none. A copy that is damaged, or that no worker could load, is replaced by the next archive.
"""

import asyncio
import hashlib
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from image_gen.errors import FileMissingError, ImageGenError
from image_gen.model_cache import CacheSettings
from image_gen.model_cache.core.atomic_files import replacing
from image_gen.model_cache.core.s3_uri import S3Uri
from image_gen.model_cache.core.untrusted_files import read_regular
from image_gen.model_cache.sources.s3 import S3Bucket
from image_gen.model_cache.sources.s3_objects import S3ObjectReader, open_object_writer
from image_gen.threads import in_daemon_thread
from image_gen.worker.failures import one_line

log = logging.getLogger(__name__)
_CHUNK: Final = 1 << 20
# Blocks of SDXL take some 10 MB; this is no archive of theirs.
_MOST_BYTES: Final = 1 << 30
# No part begins with a dot: neither `..` nor what a killed process left.
_NAME: Final = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9_.+-]*/[A-Za-z0-9_+-][A-Za-z0-9_.+-]*\.blocks")
_HASH: Final = re.compile(r"[0-9a-f]{64}")


class _DamagedError(ValueError):
    """The bucket has an archive of this name that nobody can use."""


class CompileStore:
    """Archives below one address and in one directory: one object for all workers, whose calls wait for each other."""

    def __init__(self, settings: CacheSettings, address: S3Uri, directory: Path) -> None:
        self._settings, self._address, self._directory = settings, address, directory
        self._locks: dict[str, asyncio.Lock] = {}
        # Hashes of archives in the bucket that are not what their name says, and by name those that were fetched: a
        # worker that makes another archive could not load that one.
        self._damaged: set[str] = set()
        self._fetched: dict[str, str] = {}

    async def fetch(self, name: str) -> None:
        """Writes the bucket's archive of this name into the directory; without one, nothing."""
        await self._guarded("fetched from", name, self._fetch)

    async def put(self, name: str) -> None:
        """Writes the directory's archive into the bucket, unless a usable one of this name is there."""
        await self._guarded("put into", name, self._put)

    async def _guarded(self, what: str, name: str, work: Callable[[S3Bucket, str], str]) -> None:
        """One call for a name at a time: workers with a GPU each ask for the same archive."""
        if _NAME.fullmatch(name) is None:
            log.warning(
                "The worker named a file that is no archive of compiled blocks. It was neither read nor written."
            )
            return
        async with self._locks.setdefault(name, asyncio.Lock()):
            await in_daemon_thread("compiled-blocks", lambda: self._logged(what, name, work))

    def _logged(self, what: str, name: str, work: Callable[[S3Bucket, str], str]) -> None:
        archive = self._directory / name
        place = self._address / archive.parent.name
        try:
            # The worker writes to this directory, too, and could have put links there.
            if not archive.resolve().is_relative_to(self._directory.resolve()):
                raise ValueError(f"{name} is a link to a place outside of {self._directory}")
            with S3Bucket(self._settings, place) as bucket:
                line = work(bucket, name)
        except Exception as error:  # whatever it is: the worker waits for the answer, and compiles
            message = error.message if isinstance(error, ImageGenError) else one_line(error)
            log.warning("Compiled blocks could not be %s %s: %s", what, place, message)
        else:
            log.info("Compiled blocks: %s (%s)", line, place)

    def _fetch(self, bucket: S3Bucket, name: str) -> str:
        archive = self._directory / name
        if archive.exists():
            return "fetched already, for another worker"
        pointer = _pointer(bucket, archive)
        if not pointer:
            return "none yet"
        if not _HASH.fullmatch(pointer):
            raise ValueError(f"{archive.stem}.sha256 names no sha256; the next archive replaces it")
        try:
            size = _download(bucket, pointer, archive)
        except _DamagedError:
            self._damaged.add(pointer)
            raise
        self._fetched[name] = pointer
        return f"fetched {size / 1e6:.1f} MB"

    def _put(self, bucket: S3Bucket, name: str) -> str:
        archive = self._directory / name
        content = read_regular(archive)
        digest, pointer = hashlib.sha256(content).hexdigest(), _pointer(bucket, archive)
        could_not_be_loaded = pointer != digest and pointer == self._fetched.get(name)
        if not could_not_be_loaded and pointer not in self._damaged and _is_there(bucket, pointer):
            return "there already"
        for path, data in ((digest, content), (f"{archive.stem}.sha256", digest.encode())):
            with open_object_writer(bucket, path, len(data)) as stream:
                stream.write(data)
        self._damaged.discard(digest)
        return f"put {len(content) / 1e6:.1f} MB"


def _pointer(bucket: S3Bucket, archive: Path) -> str:
    """The hash that the bucket names for an archive; empty for none."""
    return (bucket.read(f"{archive.stem}.sha256") or "").strip()


def _is_there(bucket: S3Bucket, pointer: str) -> bool:
    """Whether the archive that the bucket names exists: an upload may have ended between the two."""
    try:
        return bool(_HASH.fullmatch(pointer)) and S3ObjectReader(bucket, pointer).size > 0
    except FileMissingError:
        return False


def _download(bucket: S3Bucket, digest: str, archive: Path) -> int:
    """Returns the number of bytes."""
    try:
        reader = S3ObjectReader(bucket, digest)
    except FileMissingError as error:
        raise _DamagedError(f"{digest} is named and does not exist; the next archive replaces it") from error
    if reader.size > _MOST_BYTES:
        raise _DamagedError(f"{digest} has {reader.size} bytes, which no such archive has; it is not used")
    found = hashlib.sha256()
    with replacing(archive) as fresh, fresh.open("wb") as stream:
        while chunk := reader.read(_CHUNK):
            found.update(chunk)
            stream.write(chunk)
        if found.hexdigest() != digest:
            raise _DamagedError(f"{digest} does not have that sha256; it is not used")
    return reader.size
