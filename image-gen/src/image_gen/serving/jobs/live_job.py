"""A job of this process that is not done: how far it is."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from image_gen.serving.jobs.job import Job
from image_gen.serving.queue.request import Listener
from image_gen.serving.worker_supervisor import GeneratedImage
from image_gen.worker.protocol import ImageJob


@dataclass(eq=False)
class LiveJob(Listener):
    """Listens to the queue."""

    job: Job
    on_begin: Callable[["LiveJob"], None]
    task: "asyncio.Task[None] | None" = None
    steps: int = 0
    step: int = 0
    images: int = 0
    images_done: int = 0

    def on_turn(self) -> None:
        self.on_begin(self)

    def on_step(self, job: ImageJob, step: int, preview: bytes) -> None:  # noqa: ARG002 - a listener's
        self.steps, self.step = job.steps, step

    def on_image(self, job: ImageJob, image: GeneratedImage) -> None:  # noqa: ARG002 - a listener's
        self.images_done, self.step = self.images_done + 1, 0
