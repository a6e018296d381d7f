"""A first start from a hub: its phases, its lines in the log, and a hub that is not there at first."""

import re
import threading
import time
from pathlib import Path
from typing import Any

from image_gen_demo.hub import DemoHub

from .conftest import Server, StartServer


def watch(server: Server, until: str) -> list[dict[str, Any]]:
    """Every state that /readyz showed until a phase."""
    states = [server.state()]
    while states[-1]["phase"] != until:
        assert server.process.poll() is None
        time.sleep(0.02)
        states.append(server.state())
    return states


def test_first_start_shows_progress_and_the_next_makes_no_request(
    start_server: StartServer, hub: DemoHub, make_repo: Any
) -> None:
    make_repo(unet_bytes=4 << 20)
    hub.panel.turn({"rate_bytes_per_second": 3 << 20})
    env = {"MODEL_ID": "test/model", "HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_never_to_be_seen"}
    server = start_server(**env)
    server.wait_alive()
    states = watch(server, "ready")
    phases = list(dict.fromkeys(state["phase"] for state in states))
    assert phases[0] == "starting"
    assert phases[-1] == "ready"
    loader = [state for state in states if state["phase"] == "fetching"]
    done = [state["bytes_done"] for state in loader]
    assert done == sorted(done)
    assert len(set(done)) > 2
    assert any(state["eta_seconds"] is not None and state["bytes_per_second"] > 0 for state in loader)
    assert states[-1]["source"] == "download"
    assert re.fullmatch("[0-9a-f]{40}", states[-1]["revision"])
    assert server.metric("image_gen_cache_fetched_bytes_total") > 4 << 20
    for line in (
        "Loading model from Hugging Face...",
        "Downloaded unet/diffusion_pytorch_model.fp16.safetensors",
        "Model loaded, moving to device cpu...",
        "Model ready on cpu",
    ):
        assert f"[image-gen] {line}\n" in server.log
    assert re.search(r"\[image-gen\] NOTE: First run will download ~4\.\d+ MB model files", server.log)
    assert all(line.startswith("[image-gen] ") for line in server.log.splitlines())
    assert "never_to_be_seen" not in server.log
    server.signal()
    assert server.process.wait(60) == 0

    hub.forget()
    again = start_server(**env)
    state = again.wait_phase("ready")
    assert (state["source"], hub.requests) == ("volume", [])
    assert again.metric("image_gen_cache_fetched_bytes_total") == 0
    assert "NOTE" not in again.log


def test_model_loader_retries_a_failing_hub(start_server: StartServer, hub: DemoHub, make_repo: Any) -> None:
    make_repo()
    hub.panel.turn({"status": 401})
    server = start_server(MODEL_ID="test/model", HF_ENDPOINT=hub.url)
    state = server.wait_phase("failed")
    assert state["error"]["retryable"] is False
    assert server.get("/healthz").status == 200

    hub.panel.turn({"status": 500})
    server = start_server(MODEL_ID="test/model", HF_ENDPOINT=hub.url)
    state = server.wait_phase("failed", seconds=30)
    assert state["error"]["retryable"] is True
    assert "Next attempt in 5 s." in server.log
    hub.panel.turn({"status": None})
    assert server.wait_phase("ready")["error"] is None


def test_stop_during_the_download_keeps_partial_files(
    start_server: StartServer, hub: DemoHub, make_repo: Any, tmp_path: Path
) -> None:
    make_repo(unet_bytes=8 << 20)
    hub.panel.turn({"rate_bytes_per_second": 2 << 20})
    env = {"MODEL_ID": "test/model", "HF_ENDPOINT": hub.url}
    server = start_server(**env)
    server._wait(lambda: server.state()["bytes_done"] > 3 << 20, 20)
    started = time.monotonic()
    server.signal()
    assert server.process.wait(60) == 0
    assert time.monotonic() - started < 10
    hub.panel.turn({"rate_bytes_per_second": None})
    hub.forget()
    start_server(**env).wait_phase("ready")
    sent = sum(entry["bytes"] for entry in hub.requests)
    assert sent < 6 << 20


def test_healthz_answers_while_everything_else_is_still_starting(start_server: StartServer) -> None:
    server = start_server(FAKE_WORKER={"import_seconds": 3})
    seconds = server.wait_alive()
    assert server.state()["phase"] != "ready"
    slow: list[float] = []

    def probe() -> None:
        while server.state()["phase"] != "ready":
            began = time.monotonic()
            assert server.get("/healthz").status == 200
            slow.append(time.monotonic() - began)

    thread = threading.Thread(target=probe)
    thread.start()
    thread.join(60)
    print(f"/healthz after {seconds:.2f} s, slowest answer while starting {max(slow):.2f} s")  # noqa: T201 - a figure
    assert seconds < 10
    assert max(slow) < 2


def test_worker_gets_verified_files_during_the_download(
    start_server: StartServer, hub: DemoHub, make_repo: Any
) -> None:
    make_repo(unet_bytes=4 << 20)
    hub.panel.turn({"stall_after_bytes": 1 << 20})
    server = start_server(MODEL_ID="test/model", HF_ENDPOINT=hub.url, HF_HUB_DOWNLOAD_TIMEOUT="5")
    server.wait_log("may load model_index.json")
    server.wait_log("may load unet/config.json")
    assert server.log.index("prepare /") < server.log.index("may load model_index.json")
    assert server.state()["phase"] == "fetching"
    assert "may load unet/diffusion_pytorch_model" not in server.log
    hub.panel.turn({"stall_after_bytes": None})
    server.wait_phase("ready", seconds=40)
    assert server.log.count("may load unet/diffusion_pytorch_model.fp16.safetensors") >= 1
    assert server.log.count("prepare /") == 1
