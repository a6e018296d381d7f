"""What a gateway makes of the workers' records."""

from __future__ import annotations

import time
from typing import cast

from image_gen.fleet.gateway.fleet_state import FleetState
from image_gen.fleet.job_queue import JobQueue
from image_gen.fleet.job_store import JobStore
from image_gen.fleet.worker_record import WorkerRecord


def record(worker_id: str, **changes: object) -> WorkerRecord:
    about = {"id": worker_id, "written": time.time(), "phase": "ready", "model": "m", "engines": 1, **changes}
    return WorkerRecord(**about)  # type: ignore[arg-type] # any field


def test_a_drained_worker_lives_and_is_none_that_a_request_can_wait_for() -> None:
    state = FleetState(cast(JobStore, None), cast(JobQueue, None))
    state.workers = [
        record("takes-jobs"),
        record("drained", takes_jobs=False, drained=True),
        record("failed", phase="failed"),
        record("gone", written=time.time() - 61),
    ]
    assert [each.id for each in state.living] == ["takes-jobs", "drained"]
    assert [each.id for each in state.usable] == ["takes-jobs"]
    assert state.engines == 1


def test_a_record_of_an_earlier_version_is_of_a_worker_that_takes_jobs() -> None:
    kept = record("earlier").to_json().replace(b', "takes_jobs": true, "drained": false', b"")
    assert b"takes_jobs" not in kept
    assert WorkerRecord.from_json(kept).takes_jobs
