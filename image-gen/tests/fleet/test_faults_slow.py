"""A thousand jobs, with killed workers, spot notices, duplicates and a store that fails: each has one result, and those
with a webhook have at least one.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from fake_s3.proxy import S3Proxy

from image_gen.fleet.fleet_job import message_of
from tests.fleet.conftest import Fleet, wait_for
from tests.serving.conftest import Server
from tests.serving.jobs.receiver import SECRET, Receiver, receiver

__all__ = ["receiver"]

JOBS, KILLS, NOTICES, DUPLICATES = 1000, 20, 20, 30
# Each so many jobs one has a webhook.
WEBHOOK_EVERY = 4
SEED = int(os.environ.get("FLEET_SEED", "1"))


def start(fleet: Fleet, store: str) -> Server:
    """With two engines, and pictures whose bytes differ from worker to worker."""
    return fleet.start(
        IMAGE_GEN_ENGINES=2, VISIBLE_AFTER=6, FAST=0.05, AWS_ENDPOINT_URL_S3=store,
        FAKE_WORKER={"step_seconds": 0.01, "salt": len(fleet.workers)}, WEBHOOKS_TAKEN_AFTER=5,
        IMAGE_GEN_WEBHOOK_SECRET=SECRET, IMAGE_GEN_WEBHOOK_PRIVATE=1,
    )  # fmt: skip


@pytest.fixture
def store(s3_server: tuple[str, int]) -> S3Proxy:
    server = S3Proxy(s3_server)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.closing.set()
    server.shutdown()
    server.server_close()


def test_no_job_is_lost_and_each_has_one_result(fleet: Fleet, store: S3Proxy, receiver: Receiver) -> None:
    chance = random.Random(SEED)
    workers = [start(fleet, store.url) for _ in range(3)]
    for worker in workers:
        worker.wait_phase("ready", seconds=120)
    receiver.statuses = [500, 204] * 100
    urls = [receiver.url if index % WEBHOOK_EVERY == 0 else None for index in range(JOBS)]
    ids = [
        fleet.send(f"job {index}", key=f"key-{index % 5}", seed=index, webhook_url=url)
        for index, url in enumerate(urls)
    ]
    faults = ["kill"] * KILLS + ["notice"] * NOTICES + ["store"] * 5
    chance.shuffle(faults)
    finals: dict[str, bytes] = {}
    for number, fault in enumerate(faults):
        time.sleep(chance.uniform(0.2, 1.0))
        if fault == "store":
            store.refusal = (503, "SlowDown")
            time.sleep(1.5)
            store.refusal = None
            continue
        index = chance.randrange(len(workers))
        workers[index].signal(signal.SIGKILL if fault == "kill" else signal.SIGTERM)
        code = workers[index].process.wait(60)
        # One that had hardly begun ends by the signal itself.
        allowed = {-signal.SIGKILL} if fault == "kill" else {0, -signal.SIGTERM}
        assert code in allowed, workers[index].log[-2000:]
        workers[index] = start(fleet, store.url)
        if number % 3 == 0:
            for job_id in chance.sample(ids, DUPLICATES // 15):
                fleet.message(message_of(job_id))
        finals.update(_final(fleet, chance.sample(ids, 5), finals))
    wait_for(lambda: len(_results(fleet)) == JOBS, 900)
    finals.update(_final(fleet, ids, finals))
    wait_for(lambda: fleet.left() == (0, 0), 120)
    wait_for(lambda: fleet.names("webhooks/") == [], 120)
    sent = [json.loads(body)["data"]["id"] for _, _, body in receiver.got]
    assert set(sent) == set(ids[::WEBHOOK_EVERY])
    assert len(sent) >= len(set(sent)) + 100
    outcomes: dict[str, int] = {}
    for job_id in ids:
        result = fleet.result(job_id)
        assert result is not None
        outcomes[result.status] = outcomes.get(result.status, 0) + 1
        if result.answer is not None:
            assert all(fleet.get(each["object"]) is not None for each in result.answer["data"])
    tally = {"jobs": JOBS, "kills": KILLS, "notices": NOTICES, "results": outcomes, "dead letters": len(fleet.buried())}
    tally |= {"webhooks": len(set(sent)), "requests for them": len(sent)}
    sys.stdout.write(f"{json.dumps(tally)}\n")
    # A job that three killed workers had may have failed; none of twenty kills makes that likely.
    assert outcomes.get("succeeded", 0) + outcomes.get("failed", 0) == JOBS
    assert tally["dead letters"] == outcomes.get("failed", 0)
    assert outcomes.get("succeeded", 0) >= JOBS - 1


def _results(fleet: Fleet) -> list[str]:
    return [name for name in fleet.names("jobs/") if name.endswith("/result.json")]


def _final(fleet: Fleet, ids: list[str], before: dict[str, bytes]) -> dict[str, bytes]:
    """The results that are there; one that was read before is still the same."""
    found = {}
    for job_id in ids:
        data = fleet.get(f"jobs/{job_id}/result.json")
        if data is not None:
            assert before.get(job_id, data) == data
            found[job_id] = data
    return found


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system, which needs root")
def test_a_full_disk_stops_no_job(fleet: Fleet, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(full)], check=True)
    try:
        with (full / "rubbish").open("wb") as stream, pytest.raises(OSError, match="No space"):
            stream.write(bytes(1 << 20))
        worker = fleet.start(IMAGE_GEN_JOBS="disk", HF_HOME=str(full / "hf"))
        worker.wait_phase("ready")
        job_id = fleet.send()
        assert wait_for(lambda: fleet.result(job_id)).status == "succeeded"
        worker.signal(signal.SIGTERM)
        assert worker.process.wait(60) == 0
    finally:
        subprocess.run(["umount", "--lazy", str(full)], check=True)
