"""Pictures that are kept for `response_format: "url"`, in the file of the jobs and within its limits.

Comes in: pictures. Goes out: the same, by their names, until they expire. Must not: let a name be guessed.
"""

import time
from collections.abc import Sequence

from image_gen.serving.jobs.job_runner import JobRunner
from image_gen.serving.jobs.picture_routes import new_picture_name
from image_gen.serving.worker_supervisor import GeneratedImage
from image_gen.settings import Settings


class KeptPictures:
    """What `images.picture_urls.PictureKeeper` says, and what `PictureRoutes` needs."""

    def __init__(self, settings: Settings, runner: JobRunner) -> None:
        self._seconds, self._runner = settings.picture_url_seconds, runner

    async def require_room(self, size: int) -> None:
        """Raises JOBS_STORAGE_FULL and JOBS_UNAVAILABLE."""
        await self._runner.in_database(lambda database: self._runner.require_room(database, size))

    async def keep(self, pictures: Sequence[GeneratedImage], kind: str) -> list[str]:
        """Their names, once they are on disk. Raises JOBS_STORAGE_FULL and JOBS_UNAVAILABLE."""
        kept = {new_picture_name(kind): picture.data for picture in pictures}
        expires = time.time() + self._seconds
        await self._runner.in_database(lambda database: database.add_pictures(kept, expires))
        return list(kept)

    async def find(self, name: str, now: float) -> tuple[bytes, float] | None:
        """A picture that has not expired, and when it does. Raises JOBS_UNAVAILABLE."""
        return await self._runner.in_database(lambda database: database.picture(name, now))
