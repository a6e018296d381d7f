"""What is kept of a job when several things happen to it at once, without a server."""

import asyncio
import contextlib
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from image_gen.errors import JobsStorageFullError
from image_gen.serving.jobs import job_runner
from image_gen.serving.jobs.job import Job
from image_gen.serving.jobs.job_database import JobDatabase
from image_gen.serving.jobs.job_runner import JobRunner
from image_gen.serving.jobs.live_job import LiveJob
from image_gen.serving.worker_supervisor import GeneratedImage
from image_gen.settings import Settings
from image_gen.worker.protocol import ImageJob, PipelineReady


def runner_of(database: JobDatabase, **parts: Any) -> JobRunner:
    others: Any = SimpleNamespace(pipeline_info=None, is_closed=False, **parts)
    runner = JobRunner(Settings(), None, others, others, metrics=others, generations=others)
    runner._database = database
    runner._tried.set()
    return runner


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (1_500_000_000, "The pictures may take 1500 MB, and IMAGE_GEN_JOBS_MAX_MB is 1000"),
        (600_000_000, "The jobs and"),
    ],
)
def test_pictures_that_never_have_room_do_not_wait_for_jobs_to_expire(size: int, message: str) -> None:
    async def add() -> None:
        runner = runner_of(JobDatabase(None))
        assert runner._database is not None
        runner._database.add(Job("job_0", "", "{}", 1.0, 600_000_000))
        await runner.add(Job("job_1", "", "{}", 1.0, size))

    with pytest.raises(JobsStorageFullError, match=message) as caught:
        asyncio.run(add())
    assert ("expire" in caught.value.message) == (size < 1_000_000_000)


def test_a_jobs_png_names_the_model_as_a_requests_does() -> None:
    asked: list[ImageJob] = []

    async def run(jobs: Sequence[ImageJob], *_: object, **__: object) -> list[GeneratedImage]:
        asked.extend(jobs)
        return [GeneratedImage(b"png", 1.0, 1.0) for _ in jobs]

    async def made() -> Job | None:
        database = JobDatabase(None)
        runner = runner_of(database, run=run, model_id="org/name", require_model=lambda _: None, made=lambda *_: None)
        runner._pipeline = PipelineReady("FakePipeline", 64, 64, ["prompt"], 0.1, 0)
        job = Job("job_1", "", '{"prompt": "x", "seed": 7, "metadata": true}', 1.0, 10)
        database.add(job)
        await runner._make(LiveJob(job, runner._on_begin))
        return database.get("job_1")

    found = asyncio.run(made())
    assert found is not None
    assert found.status == "succeeded"
    assert [job.metadata for job in asked] == ["x\nSteps: 30, Seed: 7, Size: 64x64, Model: org/name"]


def test_a_job_that_is_deleted_while_others_are_written_late_does_not_end_the_housekeeping(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(job_runner, "HOUSEKEEPING_SECONDS", 0.0)

    async def run() -> tuple[bool, list[str]]:
        database = JobDatabase(None)
        runner = runner_of(database)
        for name in ("job_1", "job_2", "job_3"):
            job = Job(name, "", "{}", 1.0, 10, status="succeeded", ended=2.0)
            database.add(job)
            runner._unsaved[name] = job
        original, saved = database.save, []

        def save(job: Job) -> None:
            original(job)
            saved.append(job.id)
            if job.id == "job_1":  # As a request to delete it does, which comes between the two.
                database.delete("job_2")
                runner._unsaved.pop("job_2")

        monkeypatch.setattr(JobDatabase, "save", lambda _, job: save(job))
        monkeypatch.setattr(runner, "_is_open", lambda: asyncio.sleep(0, True))
        housekeeping = asyncio.create_task(runner.run())
        async with asyncio.timeout(10):
            while runner._unsaved and not housekeeping.done():
                await asyncio.sleep(0.01)
        ended = housekeeping.done()
        housekeeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await housekeeping
        return ended, saved

    assert asyncio.run(run()) == (False, ["job_1", "job_3"])
