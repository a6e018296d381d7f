"""Which pictures of a request an engine makes by one call, and what the failure of a batch changes.

Comes in: jobs, an engine, the failures of batches. Goes out: the next jobs. Must not: send anything to an engine.
"""

from collections.abc import Sequence
from typing import Final

from image_gen.errors import EngineDiedError, ImageGenError, OutOfMemoryError
from image_gen.serving.worker_supervisor import WorkerSupervisor
from image_gen.worker.protocol import ImageJob

# What memory that is too small looks like; on a CPU, the kernel ends the process.
_TOO_LARGE: Final = frozenset({OutOfMemoryError.code, EngineDiedError.code})


class Batches:
    """Holds for each engine how many pixels a batch may have, until the service ends."""

    def __init__(self) -> None:
        self._most_pixels: dict[WorkerSupervisor, int] = {}

    def next_jobs(self, jobs: Sequence[ImageJob], first: int, engine: WorkerSupervisor) -> Sequence[ImageJob]:
        """From the first on: one, or several without steps to report, and with nothing to begin from."""
        job = jobs[first]
        if job.progress or job.previews or job.pixels:
            return [job]
        pixels = job.width * job.height
        count = min(engine.most_at_once, self._most_pixels.get(engine, engine.most_at_once * pixels) // pixels)
        return jobs[first : first + max(1, count)]

    def failed(self, jobs: Sequence[ImageJob], engine: WorkerSupervisor, error: ImageGenError) -> None:
        """Later batches have half of its pixels at most, where memory may be the reason: a few failures are enough."""
        if error.code in _TOO_LARGE:
            self._most_pixels[engine] = sum(job.width * job.height for job in jobs) // 2
