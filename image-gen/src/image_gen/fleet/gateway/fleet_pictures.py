"""Pictures that a fleet keeps for `response_format: "url"`: copies in the job store, which every gateway finds there.

Comes in: pictures of a request's job. Goes out: the same, by their names, until they expire. Must not: let a name be
guessed.
"""

import asyncio
import logging
import math
import time
from collections.abc import Sequence
from typing import Final

from image_gen.errors import ImageGenError
from image_gen.fleet.gateway.availability import Availability
from image_gen.fleet.job_store import JobStore
from image_gen.serving.jobs.picture_routes import new_picture_name

log = logging.getLogger(__name__)
_FOLDER: Final = "files/"
# A listing for each thousand pictures; what has expired is not served meanwhile.
CLEAR_SECONDS: Final = 3600.0


class FleetPictures:
    """The object of `<name>.png` is `files/<name>/<when it expires>.png`: a listing has all that is to be known."""

    def __init__(self, store: JobStore, seconds: int, availability: Availability) -> None:
        self._store, self._seconds, self._availability = store, seconds, availability

    async def keep(self, objects: Sequence[str]) -> list[str]:
        """The names of copies, one for each of the objects. Raises the errors of the store."""
        expires = math.ceil(time.time() + self._seconds)
        kinds = [each.rpartition(".")[2] for each in objects]
        names = [new_picture_name(kind) for kind in kinds]
        copies = [f"{_folder_of(name)}{expires}.{kind}" for name, kind in zip(names, kinds, strict=True)]
        await asyncio.gather(*map(self._store.copy, objects, copies))
        return names

    async def find(self, name: str, now: float) -> tuple[bytes, float] | None:
        """A picture that has not expired, and when it does. Raises JOBS_UNAVAILABLE."""
        kind = name.rpartition(".")[2]
        async with self._availability.required():
            for copy in await self._store.names(_folder_of(name)):
                expires = _expiry_of(copy)
                if copy.endswith(f".{kind}") and expires is not None and expires > now:
                    data = await self._store.read(copy)
                    return None if data is None else (data, expires)
        return None

    async def run(self) -> None:
        """Deletes those that have expired, until it is cancelled. Several gateways may do so."""
        while True:
            try:
                await self._clear(time.time())
            except ImageGenError as error:
                log.warning("Pictures that have expired are not deleted: %s", error.message)
            await asyncio.sleep(CLEAR_SECONDS)

    async def _clear(self, now: float) -> None:
        copies = await self._store.names(_FOLDER)
        expired = [copy for copy in copies if (expires := _expiry_of(copy)) is not None and expires <= now]
        await self._store.delete(expired)


def _folder_of(name: str) -> str:
    return f"{_FOLDER}{name.partition('.')[0]}/"


def _expiry_of(copy: str) -> int | None:
    seconds = copy.rpartition("/")[2].partition(".")[0]
    return int(seconds) if seconds.isascii() and seconds.isdigit() else None
