"""Jobs that a service of each version left on its volume are continued by this one, and their results are kept."""

from __future__ import annotations

import base64
import shutil
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from tests.serving.conftest import Server, StartServer, model_dir, start_server
from tests.serving.jobs.conftest import folder_of, job_of, post_job, wait_status
from tests.versions.kept import VERSIONS, folder

__all__ = ["model_dir", "start_server"]


def rows(version: str, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{folder(version) / 'jobs.sqlite'}?mode=ro&immutable=1", uri=True)) as database:
        return database.execute(statement).fetchall()


@pytest.mark.parametrize("version", VERSIONS)
def test_jobs_are_continued_and_results_are_kept(version: str, start_server: StartServer) -> None:
    kept = {status: job for job, status in rows(version, "select id, status from jobs order by number desc")}
    unfinished = [job for (job,) in rows(version, "select id from jobs where status = 'queued' order by number")]
    assert (kept.keys(), len(unfinished)) == ({"succeeded", "queued"}, 2)
    server = _start_on(version, start_server)
    server.wait_log("2 jobs of an earlier run are continued.")
    assert job_of(server, kept["succeeded"])["result"]["data"][0]["seed"] == 7
    done = [wait_status(server, job, "succeeded") for job in unfinished]
    assert done[0]["result"]["data"][0]["seed"] == 3
    assert base64.b64decode(done[1]["result"]["data"][0]["b64_json"]).startswith(b"\x89PNG")
    body = {"prompt": "x", "steps": 2, "negative_prompt": "y", "guidance_scale": 5.5, "size": "64x64"}
    again = post_job(server, body, {"Idempotency-Key": "again"})
    assert (again.status, again.json["id"], again.headers["idempotent-replayed"]) == (202, unfinished[1], "true")


@pytest.mark.parametrize("version", VERSIONS)
def test_pictures_are_found_under_their_addresses(version: str, start_server: StartServer) -> None:
    server = _start_on(version, start_server)
    ((name, body),) = rows(version, "select name, body from pictures")
    server.wait_phase("ready")
    assert server.get(f"/v1/files/{name}").body == body


def _start_on(version: str, start_server: StartServer) -> Server:
    first = start_server(FAKE_WORKER={}, IMAGE_GEN_PICTURE_URL_SECONDS=60, IMAGE_GEN_JOBS="none")
    first.process.kill()
    first.process.wait(60)
    place = folder_of(first)
    place.mkdir()
    shutil.copy(folder(version) / "jobs.sqlite", place)
    return start_server(FAKE_WORKER={}, IMAGE_GEN_PICTURE_URL_SECONDS=60)
