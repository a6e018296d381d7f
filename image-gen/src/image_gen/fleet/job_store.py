"""The job store: objects below one address in S3, or in a store that speaks its protocol.

Comes in: small JSON, uploads, pictures. Goes out: the same. An object that is created only where there is none is how
two writers agree: the first one's stays.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from image_gen.errors import FileMissingError
from image_gen.fleet.settings import FleetSettings
from image_gen.model_cache import CacheSettings
from image_gen.model_cache.sources.s3 import S3Bucket


class JobStore:
    """Names are relative to the store's address. Each method raises the errors of `S3Bucket`."""

    def __init__(self, settings: FleetSettings, cache_settings: CacheSettings) -> None:
        self._bucket = S3Bucket(cache_settings, settings.job_store)

    async def read(self, name: str) -> bytes | None:
        """An object's bytes; None where there is no such object."""
        import obstore

        try:
            async with self._mapped(name, "s3:GetObject"):
                answer = await obstore.get_async(self._bucket.s3_client, name)
                return bytes(await answer.bytes_async())
        except FileMissingError:
            return None

    async def exists(self, name: str) -> bool:
        """Whether there is an object of this name."""
        import obstore

        try:
            async with self._mapped(name, "s3:GetObject"):
                await obstore.head_async(self._bucket.s3_client, name)
        except FileMissingError:
            return False
        return True

    async def write(self, name: str, data: bytes) -> None:
        """Replaces an object of this name."""
        import obstore

        async with self._mapped(name, "s3:PutObject"):
            await obstore.put_async(self._bucket.s3_client, name, data, use_multipart=False)

    async def create(self, name: str, data: bytes) -> bool:
        """Whether it was written: not where an object of this name is there, which stays as it is."""
        import obstore
        from obstore.exceptions import AlreadyExistsError

        async with self._mapped(name, "s3:PutObject"):
            try:
                await obstore.put_async(self._bucket.s3_client, name, data, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return False
        return True

    async def copy(self, name: str, to: str) -> None:
        """Makes another object of the same bytes, which do not pass through here. Raises FILE_MISSING where there is
        no such object.
        """
        import obstore

        async with self._mapped(name, "s3:GetObject and s3:PutObject"):
            await obstore.copy_async(self._bucket.s3_client, name, to)

    async def delete(self, names: list[str]) -> None:
        """Those that are there."""
        import obstore

        if names:
            async with self._mapped(names[0], "s3:DeleteObject"):
                await obstore.delete_async(self._bucket.s3_client, names)

    async def names(self, folder: str) -> list[str]:
        """The names that begin with `folder`, which ends with a slash."""
        return list(await self.times(folder))

    async def times(self, folder: str) -> dict[str, float]:
        """When each object was written whose name begins with `folder`, which ends with a slash."""
        import obstore

        found: dict[str, float] = {}
        async with self._mapped(folder, "s3:ListBucket"):
            async for page in obstore.list(self._bucket.s3_client, folder):
                found |= {each["path"]: each["last_modified"].timestamp() for each in page}
        return found

    @asynccontextmanager
    async def _mapped(self, name: str, permission: str) -> AsyncIterator[None]:
        with self._bucket.map_errors(name, permission):
            yield
