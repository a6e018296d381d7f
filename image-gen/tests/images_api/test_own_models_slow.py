"""Own models by the real engine: Stable Diffusion 1.5 in small, from a hub at a revision and from a directory."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from image_gen_demo.hub import DemoHub
from tests.serving.conftest import Server, StartServer
from tests.serving.test_generations import size_of

from .test_edits import edit, encoded, halves, mask_of, post, received

MAKE = """
import sys, torch
from tests.worker.tiny_pipelines import stable_diffusion
for seed, folder in enumerate(sys.argv[1:]):
    torch.manual_seed(seed)
    stable_diffusion().save_pretrained(folder)
"""
MAKE_CHECKPOINT = """
import sys, torch
from pathlib import Path
from tests.worker.original_layout import write_checkpoint
from tests.worker.small_checkpoint import made
whole = made("stable-diffusion", "meta")
torch.manual_seed(0)
for part in whole.components.values():
    if isinstance(part, torch.nn.Module):
        part.half().to_empty(device="cpu")
        for weight in part.parameters():
            torch.nn.init.normal_(weight.data, 0, 0.02)
write_checkpoint(whole, Path(sys.argv[1]))
"""
ORDER = {"prompt": "a lighthouse", "seed": 4, "steps": 2}


def make(program: str, *places: Path) -> None:
    """In a process of its own, as this one does without torch."""
    here = Path(__file__).resolve().parents[2]
    subprocess.run(
        [sys.executable, "-c", program, *map(str, places)], cwd=here, check=True, timeout=300,
        env={"PYTHONPATH": f"{here / 'src'}:{here}", "PATH": "", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def picture(server: Server) -> str:
    answer = server.post(ORDER)
    assert answer.status == 200, answer.body
    return str(answer.json["data"][0]["b64_json"])


@pytest.fixture
def repository(hub: DemoHub, tmp_path: Path) -> Path:
    """`own/photos` at its main branch, and another version of it as the tag v2."""
    folder = tmp_path / "hub-root" / "own"
    make(MAKE, folder / "photos", folder / "photos@v2")
    return folder / "photos"


def test_stable_diffusion_from_a_hub_at_a_revision_and_from_a_directory(
    start_server: StartServer, hub: DemoHub, repository: Path
) -> None:
    v2 = repository.with_name("photos@v2")
    common = {"worker": "-", "IMAGE_GEN_DEVICE": "cpu", "HF_ENDPOINT": hub.url, "OMP_NUM_THREADS": "1"}
    server = start_server(MODEL_ID="own/photos@v2", **common)
    state = server.wait_phase("ready", seconds=300)
    assert (state["model"], state["source"]) == ("own/photos", "download")
    model = server.get("/v1/models").json["data"][0]
    assert (model["default_size"], model["id"]) == ("64x64", "own/photos")
    tagged = picture(server)
    assert size_of(tagged) == (64, 64)
    assert size_of(server.post({**ORDER, "size": "128x64"}).json["data"][0]["b64_json"]) == (128, 64)

    photo = encoded(halves())
    changed = edit(server, ("image", photo), steps="3", seed="1")
    assert changed.status == 200 and received(changed).size == (64, 64)
    masked = edit(server, ("image", photo), ("mask", encoded(mask_of())), steps="3", seed="1")
    assert received(masked).getpixel((60, 32)) == (0, 0, 255)
    variation = post(server, "/v1/images/variations", {"steps": "3"}, [("image", photo)])
    assert variation.status == 200 and received(variation).size == (64, 64)
    assert picture(server) == tagged
    server.signal()
    assert server.process.wait(60) == 0

    server = start_server(MODEL_DIR=v2, **common)
    state = server.wait_phase("ready", seconds=300)
    assert (state["model"], state["source"]) == (str(v2), "directory")
    assert picture(server) == tagged


def test_a_checkpoint_of_real_size_without_a_hub(start_server: StartServer, tmp_path: Path) -> None:
    """2.1 GB in half precision, with the configuration that ships: random weights, as there are no real ones here."""
    file = tmp_path / "models" / "my-photos.safetensors"
    make(MAKE_CHECKPOINT, file)
    nowhere = "http://127.0.0.1:1"
    server = start_server(
        worker="-", MODEL_ID=file, IMAGE_GEN_DEVICE="cpu", HF_ENDPOINT=nowhere, IMAGE_GEN_WARMUP_SIZE=64,
    )  # fmt: skip
    state = server.wait_phase("ready", "failed", seconds=300)
    assert (state["phase"], state["model"], state["source"]) == ("ready", str(file), "directory"), state["error"]
    assert "my-photos.safetensors has the sha256 " in server.log
    model = server.get("/v1/models").json["data"][0]
    assert (model["id"], model["default_size"]) == (str(file), "512x512")
    order = {**ORDER, "size": "64x64", "model": "my-photos.safetensors"}
    with contextlib.closing(server.connect(timeout=300)) as connection:
        body = json.dumps(order)
        connection.request("POST", "/v1/images/generations", body, {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
    assert size_of(answer["data"][0]["b64_json"]) == (64, 64)
    (tmp_path / "torn.safetensors").write_bytes(file.read_bytes()[:1_000_000])
    file.unlink()
    server.signal()
    assert server.process.wait(60) == 0

    refused = start_server(worker="-", MODEL_DIR=tmp_path / "torn.safetensors", IMAGE_GEN_DEVICE="cpu")
    state = refused.wait_phase("failed")
    assert state["error"]["code"] == "MODEL_DIR_INVALID" and "cut off" in state["error"]["message"]
