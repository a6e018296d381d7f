"""The workers as one: one a GPU, with one model, one page cache and one queue.

Comes in: the model's files, as for one worker. Goes out: the service's readiness, which is that of the best worker.
Must not: choose who makes which picture; the queue does.
"""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from image_gen.serving.readiness import EngineReadiness, Readiness
from image_gen.serving.worker_process import WORKER_COMMAND
from image_gen.serving.worker_supervisor import WorkerSupervisor
from image_gen.worker.protocol import LoadRequest, PipelineReady, PrepareRequest

_CUDA_DEVICES: Final = "CUDA_VISIBLE_DEVICES"
_THREADS: Final = "OMP_NUM_THREADS"


class Engines:
    """All workers. `count` is None for one a GPU."""

    def __init__(
        self, readiness: Readiness, env: Mapping[str, str], device: str, *, count: int | None = 1,
        command: Sequence[str] = WORKER_COMMAND,
    ) -> None:  # fmt: skip
        environments = worker_environments(env, device, count, gpus(env))
        parts = EngineReadiness.parts_of(readiness, len(environments))
        self.all = [
            WorkerSupervisor(part, each, device, command=command)
            for part, each in zip(parts, environments, strict=True)
        ]

    async def supervise(self, pipeline_hint: str | None) -> None:
        """Runs until cancelled."""
        await asyncio.gather(*(engine.supervise(pipeline_hint) for engine in self.all))

    def prepare(self, request: PrepareRequest) -> None:
        """As of one worker."""
        for engine in self.all:
            engine.prepare(request)

    def file_verified(self, path: str) -> None:
        """As of one worker."""
        for engine in self.all:
            engine.file_verified(path)

    def load(self, request: LoadRequest, *, is_large: bool = False) -> None:
        """As of one worker."""
        for number, engine in enumerate(self.all):
            engine.load(request, is_large=is_large and number == 0)

    def forget_model(self) -> None:
        """As of one worker."""
        for engine in self.all:
            engine.forget_model()

    def retry(self) -> bool:
        """Whether one of those that are started again had been given up."""
        given_up = [engine.retry() for engine in self.all]
        return any(given_up)

    async def stop(self) -> None:
        """Ends all processes."""
        await asyncio.gather(*(engine.stop() for engine in self.all))

    @property
    def pipeline_info(self) -> PipelineReady | None:
        """That of a worker that is ready; all load the same."""
        return next((engine.pipeline_info for engine in self.all if engine.pipeline_info is not None), None)

    def seconds_until_ready(self) -> float | None:
        """Of the first that will be."""
        known = [seconds for engine in self.all if (seconds := engine.seconds_until_ready()) is not None]
        return None if self.pipeline_info is not None else min(known, default=None)

    @property
    def pids(self) -> list[int]:
        """Of the processes that were started."""
        return [engine.pid for engine in self.all if engine.pid is not None]

    @property
    def seconds(self) -> dict[str, float]:
        """Of the start of the first worker."""
        return self.all[0].seconds

    @property
    def gpu_bytes(self) -> int:
        """Of the worker with the most: each has a GPU of its own."""
        return max(engine.gpu_bytes for engine in self.all)

    @property
    def restarts(self) -> int:
        """Of all workers."""
        return sum(engine.restarts for engine in self.all)


def worker_environments(
    env: Mapping[str, str], device: str, count: int | None, devices: Sequence[str]
) -> list[dict[str, str]]:
    """One for each worker: with a GPU of its own where there are some, else with its part of the processor."""
    devices = [] if device in {"cpu", "mps"} else devices
    number = max(1, len(devices)) if count is None else count
    if devices and (number > 1 or len(devices) > 1):
        return [{**env, _CUDA_DEVICES: devices[index % len(devices)]} for index in range(number)]
    threads = {_THREADS: str(max(1, (os.cpu_count() or 1) // number))} if number > 1 and _THREADS not in env else {}
    return [{**env, **threads} for _ in range(number)]


def gpus(env: Mapping[str, str], nodes: Callable[[], Sequence[Path]] | None = None) -> list[str]:
    """The ids of CUDA_VISIBLE_DEVICES, else the numbers of the NVIDIA GPUs that are visible here."""
    if (given := env.get(_CUDA_DEVICES)) is not None:
        ids = [part.strip() for part in given.split(",")]
        return ids[: next((n for n, each in enumerate(ids) if not each or each.startswith("-")), len(ids))]
    found = nodes() if nodes is not None else list(Path("/dev").glob("nvidia[0-9]*"))
    return [str(number) for number in range(len(found))]
