"""A start hashes what it loads, reports that in /readyz, and repairs damaged files before the worker loads them."""

from pathlib import Path
from typing import Any

from image_gen_demo.hub import DemoHub

from .conftest import StartServer

UNET = "unet/diffusion_pytorch_model.fp16.safetensors"


def unet_in(folder: Path) -> Path:
    return next((folder / "hf" / "hub" / "models--test--model" / "snapshots").glob(f"*/{UNET}")).resolve()


def test_start_repairs_a_damaged_file_before_loading(
    start_server: StartServer, hub: DemoHub, make_repo: Any, tmp_path: Path
) -> None:
    source = make_repo()
    env = {"MODEL_ID": "test/model", "HF_ENDPOINT": hub.url}
    server = start_server(**env)
    assert "verifying" not in server.wait_phase("ready")["phases"]  # it was hashed while it was fetched
    server.signal()
    server.process.wait(60)

    blob = unet_in(tmp_path)
    content = bytearray(blob.read_bytes())
    content[1 << 20] ^= 1
    blob.write_bytes(content)
    hub.forget()
    server = start_server(**env)
    state = server.wait_phase("ready")
    assert state["phases"].keys() >= {"verifying", "fetching", "loading"}
    assert f"WARNING: {UNET} is damaged" in server.log
    assert unet_in(tmp_path).read_bytes() == (source / UNET).read_bytes()
    assert len([entry for entry in hub.requests if entry["bytes"]]) == 1


def test_start_with_damage_and_no_hub_fails_with_one_line(
    start_server: StartServer, hub: DemoHub, make_repo: Any, tmp_path: Path
) -> None:
    make_repo()
    env = {"MODEL_ID": "test/model", "HF_ENDPOINT": hub.url}
    server = start_server(**env)
    server.wait_phase("ready")
    server.signal()
    server.process.wait(60)
    blob = unet_in(tmp_path)
    blob.write_bytes(bytes(blob.stat().st_size))

    unproven = start_server(**env, HF_HUB_OFFLINE="1", IMAGE_GEN_VERIFY="size")
    unproven.wait_phase("ready")  # the operator's choice
    server = start_server(**env, HF_HUB_OFFLINE="1")
    state = server.wait_phase("failed")
    assert state["error"]["code"] == "CORRUPT_CACHE"
    assert "image-gen restore" in state["error"]["message"]
    assert "loading" not in state["phases"]


def test_invalid_verify_mode_is_rejected(start_server: StartServer) -> None:
    server = start_server(IMAGE_GEN_VERIFY="often")
    assert server.process.wait(60) == 2
    assert "IMAGE_GEN_VERIFY: expected recorded, full, changed or size, got 'often'" in server.log
