"""What goes wrong around the engine: it is said in /readyz, and retried where waiting or a restart can help."""

import json
import os
import signal
from pathlib import Path

import pytest

from .conftest import StartServer


@pytest.mark.parametrize(("prompt", "how"), [("die", "ended with exit code 3"), ("be killed", "was ended by SIGKILL")])
def test_dead_worker_is_reported_and_restarted(start_server: StartServer, prompt: str, how: str) -> None:
    server = start_server()
    server.wait_phase("ready")
    answer = server.post({"prompt": prompt})
    assert answer.status == 503  # after two engines: it may be what the others would have died of
    assert answer.json["error"]["code"] == "engine_died"
    state = server.wait_phase("failed")
    assert state["error"]["code"] == "ENGINE_DIED"
    assert state["error"]["retryable"] is True
    assert how in state["error"]["message"]
    assert server.get("/healthz").status == 200
    refused = server.post({"prompt": "x"})
    assert refused.status == 503
    assert refused.json["error"]["code"] == "not_ready"
    assert "phase failed" in refused.json["error"]["message"]
    state = server.wait_phase("ready")
    assert state["error"] is None
    assert server.post({"prompt": "x"}).status == 200
    assert server.metric("image_gen_engine_restarts_total") == 2


def test_worker_that_dies_while_idle_is_restarted(start_server: StartServer) -> None:
    server = start_server()
    server.wait_phase("ready")
    os.kill(server.engine_pid(), signal.SIGKILL)
    server.wait_phase("failed")
    server.wait_phase("ready")


def test_final_startup_error_stays_in_readyz(start_server: StartServer) -> None:
    error = {"code": "GPU_UNUSABLE", "message": "The driver is too old: update it.", "retryable": False}
    server = start_server(FAKE_WORKER={"load_error": error})
    state = server.wait_phase("failed")
    assert state["error"] == error
    assert "[image-gen] ERROR: The driver is too old: update it. (GPU_UNUSABLE)" in server.log
    answer = server.post({"prompt": "x"})
    assert answer.status == 503
    assert "The driver is too old" in answer.json["error"]["message"]
    assert server.get("/healthz").status == 200
    assert server.log.count("ERROR") == 1


def test_retryable_startup_error_restarts_the_worker(start_server: StartServer) -> None:
    error = {"code": "OUT_OF_MEMORY", "message": "Not enough memory.", "retryable": True}
    server = start_server(FAKE_WORKER={"load_error": error})
    assert server.wait_phase("failed")["error"] == error
    server.wait_log("Next attempt in 2 s.")
    assert server.log.index("Next attempt in 1 s.") < server.log.index("Next attempt in 2 s.")


def test_wrong_settings_are_reported_together(start_server: StartServer) -> None:
    server = start_server(IMAGE_GEN_DEVICE="tpu", IMAGE_GEN_QUEUE_LIMIT="many")
    assert server.process.wait(60) == 2
    assert server.log == (
        "[image-gen] ERROR: IMAGE_GEN_DEVICE: expected auto, cpu, cuda or mps, got 'tpu'; IMAGE_GEN_QUEUE_LIMIT: "
        "expected a whole number from 0 to 10000, got 'many'. Fix: correct IMAGE_GEN_DEVICE and IMAGE_GEN_QUEUE_LIMIT, "
        "or leave out what is not needed, where the service gets its environment (the shell, Compose's .env, the key "
        "`environment` of a stack), and start it again.\n"
    )


def test_port_in_use_is_reported(start_server: StartServer) -> None:
    first = start_server()
    first.wait_alive()
    second = start_server(PORT=first.port)
    assert second.process.wait(60) == 1
    line = f"Cannot listen on 127.0.0.1 port {first.port} (Address already in use). Fix: set PORT to a free one"
    assert line in second.log


def test_endless_output_line_does_not_block_the_worker(start_server: StartServer) -> None:
    server = start_server()
    server.wait_phase("ready")
    assert server.post({"prompt": "babble"}).status == 200
    server.wait_log("end of babble")
    assert len(server.log) < 10_000


def test_a_full_size_model_on_a_cpu_is_called_slow_once(start_server: StartServer, tmp_path: Path) -> None:
    index = {"_class_name": "StableDiffusionXLPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}
    (tmp_path / "big" / "unet").mkdir(parents=True)
    (tmp_path / "big" / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
    (tmp_path / "big" / "unet" / "config.json").write_text("{}", encoding="utf-8")
    with (tmp_path / "big" / "unet" / "diffusion_pytorch_model.safetensors").open("wb") as sparse:
        sparse.truncate(1_100_000_000)
    server = start_server(MODEL_DIR=tmp_path / "big")
    server.wait_phase("ready")
    server.post({"prompt": "die"})
    server.wait_phase("failed")
    server.wait_phase("ready")
    assert server.log.count("on a GPU it takes seconds") == 1


def test_invalid_model_dir_is_reported(start_server: StartServer) -> None:
    server = start_server(MODEL_DIR="/nonexistent")
    state = server.wait_phase("failed")
    assert state["error"]["code"] == "MODEL_DIR_INVALID"
    assert state["error"]["retryable"] is False
