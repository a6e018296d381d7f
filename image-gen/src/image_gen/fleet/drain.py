"""Whether workers are to take no more jobs: an object of the job store says so while it is there.

Comes in: the job store. Goes out: yes or no, as it was of late. Must not: end what is being made.
"""

import logging
import time
from typing import Final

from image_gen.errors import ImageGenError
from image_gen.fleet.job_store import JobStore

log = logging.getLogger(__name__)
# Its object, which `imagegen drain` writes and `imagegen start` deletes.
NAME: Final = "drain.json"
ASKED_EVERY_SECONDS: Final = 20.0


class Drain:
    """`is_on`: no more jobs are taken."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._asked = float("-inf")
        self.is_on = False

    async def ask(self) -> None:
        """Looks for the object, unless it did so of late. While the store fails, what it said last counts."""
        if time.monotonic() - self._asked < ASKED_EVERY_SECONDS:
            return
        self._asked = time.monotonic()
        try:
            is_on = await self._store.exists(NAME)
        except ImageGenError as error:
            log.warning("Whether the fleet is drained is not known: %s", error.message)
            return
        if is_on != self.is_on:
            log.info("The fleet is drained: this worker takes no jobs." if is_on else "This worker takes jobs again.")
        self.is_on = is_on
