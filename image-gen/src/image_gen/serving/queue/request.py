"""A request in the queue, and the listener that each of its events is passed to.

Comes in: jobs of one client. Goes out: their pictures, by a future. Must not: decide when it has its turn.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from image_gen.serving.worker_supervisor import GeneratedImage
from image_gen.worker.protocol import ImageJob


class Listener:
    """What happens to a request in the queue. Each method does nothing here."""

    def on_place(self) -> None:
        """It has a place in the queue, or its turn."""

    def on_turn(self) -> None:
        """The waiting is over."""

    def on_step(self, job: ImageJob, step: int, preview: bytes) -> None:
        """A step of a job that asks for progress or previews is done."""

    def on_image(self, job: ImageJob, image: GeneratedImage) -> None:
        """A picture of several is done."""


class ForwardingListener(Listener):
    """Passes everything on."""

    def __init__(self, to: Listener) -> None:
        self._to = to

    def on_place(self) -> None:
        self._to.on_place()

    def on_turn(self) -> None:
        self._to.on_turn()

    def on_step(self, job: ImageJob, step: int, preview: bytes) -> None:
        self._to.on_step(job, step, preview)

    def on_image(self, job: ImageJob, image: GeneratedImage) -> None:
        self._to.on_image(job, image)


@dataclass(eq=False)
class Request:
    """Its pictures so far are the first of its jobs'."""

    jobs: Sequence[ImageJob]
    listener: Listener
    key: str
    is_job: bool
    done: asyncio.Future[list[GeneratedImage]]
    images: list[GeneratedImage] = field(default_factory=list)
    wanted: bool = True
    begun: bool = False
    # What the engine makes now.
    current: Sequence[ImageJob] = ()
    # Whether a batch of its pictures has failed.
    one_by_one: bool = False
    # How many engines have ended during the present picture.
    engines_lost: int = 0

    @property
    def picture(self) -> ImageJob:
        return self.jobs[len(self.images)]
