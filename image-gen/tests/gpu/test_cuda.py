"""What only a real GPU can show: pictures, memory that runs out, a fault of the device, GPUs by number, compiling."""

import base64
import io
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from serving.conftest import Server, StartServer, model_dir, start_server

__all__ = ["model_dir", "start_server"]  # fixtures
HERE = Path(__file__).parent
ORDER = {"prompt": "a lighthouse", "seed": 4, "steps": 2}

FILL = """
import sys, torch
kept, size = [], 1 << 30
while size >= 1 << 20:
    try:
        kept.append(torch.empty(size, dtype=torch.uint8, device="cuda"))
    except torch.OutOfMemoryError:
        size //= 2
print("full", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True, scope="module")
def gpu() -> str:
    """The GPU's name."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    if not torch.cuda.is_available():
        pytest.skip("this machine has no NVIDIA GPU that torch can use")
    return str(torch.cuda.get_device_name(0))


@pytest.fixture
def model(demo_models: Path) -> dict[str, object]:
    return {"MODEL_DIR": demo_models / "hub" / "image-gen" / "demo", "IMAGE_GEN_DEVICE": "cuda"}


@contextmanager
def memory_is_full() -> Iterator[None]:
    """Another process has all the memory that is free."""
    process = subprocess.Popen([sys.executable, "-c", FILL], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout and process.stdout.readline() == b"full\n"
        yield
    finally:
        process.kill()
        process.wait(30)


def ready(server: Server) -> None:
    assert server.wait_phase("ready", "failed", seconds=300)["phase"] == "ready", server.log


def test_pictures_are_made_on_the_gpu_and_a_seed_gives_the_same_one(
    start_server: StartServer, model: dict[str, object], gpu: str
) -> None:
    server = start_server(worker="-", **model)
    ready(server)
    assert server.state()["device"] == "cuda"
    assert gpu in server.log
    first, again = (server.post(ORDER).json["data"] for _ in range(2))
    assert first == again
    assert server.metric("image_gen_gpu_memory_peak_bytes") > 1 << 20


def test_memory_that_runs_out_fails_one_request_and_not_the_engine(
    start_server: StartServer, model: dict[str, object]
) -> None:
    server = start_server(worker="-", **model, IMAGE_GEN_MAX_SIZE="2048")
    ready(server)
    pid = server.engine_pid()
    with memory_is_full():
        answer = server.post({**ORDER, "size": "2048x2048"})
        assert answer.json["error"]["code"] == "out_of_memory", answer.json
        assert "ask for a smaller size" in answer.json["error"]["message"]
    assert server.post({**ORDER, "size": "1024x1024"}).status == 200
    assert server.engine_pid() == pid
    assert server.state()["phase"] == "ready"


def test_a_start_without_memory_says_so_and_an_asked_retry_succeeds_once_there_is_some(
    start_server: StartServer, model: dict[str, object]
) -> None:
    with memory_is_full():
        server = start_server(worker="-", **model)
        state = server.wait_phase("ready", "failed", seconds=300)
        assert state["phase"] == "failed" and state["error"]["code"] == "OUT_OF_MEMORY", server.log
    # As `imagegen up` does; by itself the service tries again after ten minutes.
    server.signal(signal.SIGHUP)
    server._wait(lambda: server.state()["phase"] == "ready", 300)


def test_after_a_fault_of_the_gpu_the_engine_is_started_again(
    start_server: StartServer, model: dict[str, object]
) -> None:
    server = start_server(worker=str(HERE / "engine_with_faults.py"), **model)
    ready(server)
    pid = server.engine_pid()
    before = server.post(ORDER).json["data"]
    answer = server.post({**ORDER, "prompt": "fault"})
    assert (answer.status, answer.json["error"]["code"]) == (503, "gpu_fault"), server.log
    server._wait(lambda: server.metric("image_gen_engine_restarts_total") == 1, 60)
    ready(server)
    assert server.engine_pid() != pid
    assert server.post(ORDER).json["data"] == before


@pytest.mark.parametrize("device", ["cuda", "auto"])
def test_a_gpu_that_is_hidden_is_an_error_and_never_the_cpu(
    start_server: StartServer, model: dict[str, object], device: str
) -> None:
    server = start_server(worker="-", **model | {"IMAGE_GEN_DEVICE": device, "CUDA_VISIBLE_DEVICES": "63"})
    state = server.wait_phase("ready", "failed", seconds=300)
    assert state["phase"] == "failed" and state["error"]["code"] in {"GPU_UNUSABLE", "NO_GPU"}, server.log
    assert "Fix: " in state["error"]["message"]


def test_a_compiled_picture_differs_by_rounding_and_the_next_start_finds_what_was_compiled(
    start_server: StartServer, model: dict[str, object], tmp_path: Path
) -> None:
    import numpy as np
    from PIL import Image

    pictures = []
    for compile_blocks in ("0", "1", "1"):
        server = start_server(worker="-", **model, IMAGE_GEN_COMPILE=compile_blocks)
        ready(server)
        png = base64.b64decode(server.post(ORDER).json["data"][0]["b64_json"])
        pictures.append(np.asarray(Image.open(io.BytesIO(png)), dtype=np.int16))
        assert "Serving uncompiled" not in server.log
        print(f"compile={compile_blocks}: {server.state()['phases']}")  # noqa: T201 - a figure
    assert np.abs(pictures[0] - pictures[1]).max() <= 8
    assert (pictures[1] == pictures[2]).all()
