"""Own models by the real engine: Stable Diffusion 1.5 in small, from a hub at a revision and from a directory."""

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
ORDER = {"prompt": "a lighthouse", "seed": 4, "steps": 2}


def make_models(*folders: Path) -> None:
    """Each with other weights. In a process of its own, as this one does without torch."""
    here = Path(__file__).resolve().parents[2]
    subprocess.run(
        [sys.executable, "-c", MAKE, *map(str, folders)], cwd=here, check=True, timeout=300,
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
    make_models(folder / "photos", folder / "photos@v2")
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
    assert server.process.wait(10) == 0

    server = start_server(MODEL_DIR=v2, **common)
    state = server.wait_phase("ready", seconds=300)
    assert (state["model"], state["source"]) == (str(v2), "directory")
    assert picture(server) == tagged
