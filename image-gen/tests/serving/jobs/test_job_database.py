"""The file of the jobs without a server."""

import sqlite3
from pathlib import Path

import pytest

from image_gen.errors import JobsStorageFullError
from image_gen.serving.jobs.job import Job
from image_gen.serving.jobs.job_database import JobDatabase


def test_what_was_saved_is_read_again_and_running_jobs_wait_again(tmp_path: Path) -> None:
    database = JobDatabase(tmp_path)
    job = Job("job_1", "key", "{}", 1.0, 10, "idem", "print", "https://x", runs=1)
    database.add(job)
    job.status, job.started = "running", 2.0
    database.save(job)
    database.close()
    again = JobDatabase(tmp_path)
    (found,) = again.unfinished()
    assert (found.status, found.runs, found.webhook_url) == ("queued", 1, "https://x")
    found.status, found.result, found.expires = "succeeded", b"{}", 5.0
    again.save(found)
    assert again.get("job_1") == found
    assert again.counts() == (0, 10)
    assert again.next_expiry() == 5.0
    assert (again.delete_expired(4.0), again.delete_expired(5.0)) == (0, 1)
    assert again.get("job_1") is None


def test_a_full_disk_is_an_error_of_its_own_and_what_was_there_stays(tmp_path: Path) -> None:
    database = JobDatabase(tmp_path)
    database.add(Job("job_1", "", "{}", 1.0, 10))
    pages = database._connection.execute("pragma page_count").fetchone()[0]
    database._connection.execute(f"pragma max_page_count = {pages}")
    with pytest.raises(JobsStorageFullError):
        database.add(Job("job_2", "", "x" * 100_000, 1.0, 10))
    assert [job.id for job in database.unfinished()] == ["job_1"]


def test_each_commit_is_synced(tmp_path: Path) -> None:
    database = JobDatabase(tmp_path)
    settings = {
        name: database._connection.execute(f"pragma {name}").fetchone()[0] for name in ("synchronous", "journal_mode")
    }
    assert settings == {"synchronous": 2, "journal_mode": "wal"}
    assert sqlite3.threadsafety in {1, 3}
