"""Several workers: one queue, and the service is ready when the first of them is."""

import os
import signal
from pathlib import Path

from image_gen.errors import GpuUnusableError, OutOfMemoryError
from image_gen.serving.engines import gpus, worker_environments
from image_gen.serving.readiness import EngineReadiness, Readiness

from .conftest import StartServer, children_of
from .test_queue import in_background

FINAL = {"code": "GPU_UNUSABLE", "message": "This GPU is broken.", "retryable": False}


def test_two_engines_make_pictures_at_the_same_time_and_share_one_queue(start_server: StartServer) -> None:
    server = start_server(IMAGE_GEN_ENGINES=2, IMAGE_GEN_DEVICE="cpu", FAKE_WORKER={"step_seconds": 0.05}, FAST="0.2")
    server.wait_phase("ready")
    server._wait(lambda: server.metric('image_gen_engine_ready{engine="1"}') == 1, 20)
    first, second = children_of(server.process.pid, "--fd")
    asked = [in_background(lambda: server.post({"prompt": "x", "steps": 40})) for _ in range(4)]
    server._wait(lambda: server.get("/v1/queue").json["running"] == 2, 60)
    os.kill(first, signal.SIGKILL)
    server._wait(lambda: server.metric("image_gen_engine_restarts_total") == 1, 60)
    assert server.state()["phase"] == "ready"
    for thread, _ in asked:
        thread.join(30)
    assert [answers[0].status for _, answers in asked] == [200] * 4
    assert second in children_of(server.process.pid, "--fd")
    server._wait(lambda: server.metric('image_gen_engine_ready{engine="0"}') == 1, 20)


def test_an_engine_that_cannot_be_used_leaves_the_others_at_work(start_server: StartServer) -> None:
    server = start_server(
        CUDA_VISIBLE_DEVICES="0,1", FAKE_WORKER={"gpus": {"0": {"import_seconds": 0.5}, "1": {"load_error": FINAL}}}
    )
    server.wait_log("This GPU is broken. (GPU_UNUSABLE)")
    server.wait_phase("ready")
    assert [server.metric(f'image_gen_engine_ready{{engine="{n}"}}') for n in (0, 1)] == [1, 0]
    assert [server.post({"prompt": "x", "steps": 1}).status for _ in range(3)] == [200] * 3
    assert server.get("/v1/queue").json["engines_ready"] == 1


def test_the_service_has_failed_when_all_engines_have(start_server: StartServer) -> None:
    server = start_server(CUDA_VISIBLE_DEVICES="0,1", FAKE_WORKER={"load_error": FINAL})
    assert server.wait_phase("failed")["error"] == FINAL


def test_an_orderly_stop_ends_all_engines(start_server: StartServer) -> None:
    server = start_server(IMAGE_GEN_ENGINES=3, IMAGE_GEN_DEVICE="cpu")
    server.wait_phase("ready")
    pids = children_of(server.process.pid, "--fd")
    assert len(pids) == 3
    server.signal()
    assert server.process.wait(60) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_each_engine_has_its_gpu_or_its_part_of_the_processor() -> None:
    def devices(count: int | None, ids: list[str], device: str = "auto") -> list[str | None]:
        return [each.get("CUDA_VISIBLE_DEVICES") for each in worker_environments({"A": "b"}, device, count, ids)]

    assert devices(None, ["0", "1", "2"]) == ["0", "1", "2"]
    assert devices(2, ["GPU-a", "GPU-b", "GPU-c"]) == ["GPU-a", "GPU-b"]
    assert devices(3, ["0", "1"]) == ["0", "1", "0"]
    assert devices(None, ["0"]) == devices(None, []) == [None]
    assert devices(None, ["0", "1"], "cpu") == [None]
    threads = [each["OMP_NUM_THREADS"] for each in worker_environments({}, "cpu", 2, [])]
    assert threads == [str(max(1, (os.cpu_count() or 1) // 2))] * 2
    assert worker_environments({"OMP_NUM_THREADS": "7"}, "cpu", 2, [])[1] == {"OMP_NUM_THREADS": "7"}


def test_the_gpus_are_those_that_cuda_shows() -> None:
    nodes = [Path("/dev/nvidia0"), Path("/dev/nvidia1")]
    assert gpus({}, lambda: nodes) == ["0", "1"]
    assert gpus({"CUDA_VISIBLE_DEVICES": "3, GPU-x"}, lambda: nodes) == ["3", "GPU-x"]
    assert gpus({"CUDA_VISIBLE_DEVICES": "0,-1,1"}, lambda: nodes) == ["0"]
    assert gpus({"CUDA_VISIBLE_DEVICES": ""}, lambda: nodes) == gpus({}, list) == []


def test_the_service_is_as_ready_as_its_best_engine() -> None:
    service = Readiness("m", None, "1")
    one, two = EngineReadiness.parts_of(service, 2)
    one.enter("loading")
    two.fail(OutOfMemoryError("x", retryable=True))
    assert service.phase == "loading"
    one.enter("ready")
    two.enter("loading")
    assert service.phase == "ready"
    one.fail(GpuUnusableError("broken"))
    assert service.phase == "loading"
    two.fail(OutOfMemoryError("x", retryable=True))
    assert service.error is not None and (service.phase, service.error.code) == ("failed", "OUT_OF_MEMORY")
    two.fail(OutOfMemoryError("x"))
    assert service.error is not None and not service.error.retryable
    one.enter("ready")
    assert (service.phase, service.error) == ("ready", None)
