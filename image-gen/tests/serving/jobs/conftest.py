"""Jobs of a real server with an engine that paints without torch."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.serving.conftest import HttpResult, Server, model_dir, start_server

__all__ = ["model_dir", "start_server"]


def post_job(server: Server, body: object, headers: Mapping[str, str] | None = None) -> HttpResult:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return server._ask("POST", "/v1/jobs", data, {"Content-Type": "application/json", **(headers or {})})


def new_job(server: Server, **fields: object) -> str:
    answer = post_job(server, {"prompt": "x", "steps": 2, **fields})
    assert answer.status == 202, answer.body
    return str(answer.json["id"])


def job_of(server: Server, job_id: str) -> Any:
    answer = server.get(f"/v1/jobs/{job_id}")
    assert answer.status == 200, answer.body
    return answer.json


def wait_status(server: Server, job_id: str, *statuses: str, seconds: float = 30) -> Any:
    end = time.monotonic() + seconds
    while (job := job_of(server, job_id))["status"] not in statuses:
        assert time.monotonic() < end, (job, server.log)
        time.sleep(0.05)
    return job


def folder_of(server: Server) -> Path:
    return server.log_file.parent / "image-gen-jobs"
