"""What a killed download leaves behind: the client must not take it for a whole file, nor may `image-gen` of the first
version's (commit 51b7e56).
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.commands import CommandServer
from tests.faults.stage import MODEL, PIECE, SOURCE, Stage
from tests.hf_clients.agreement import check_agreement
from tests.hf_clients.clients import NEWEST, VERSIONS, Client, client_of
from tests.hf_clients.conftest import MakeStage

FIRST_VERSION = "51b7e56"


def kill_prefetch(stage: Stage) -> None:
    """Kills a download when a part of a large file has arrived."""
    stage.hub.panel.turn({"line_bytes_per_second": 300_000})
    running = stage.start("prefetch", "--model", MODEL)
    while running.runs() and not stage.has_bytes("blobs/*.*"):
        time.sleep(0.005)
    time.sleep(0.2 + stage.noise.random() * 0.6)
    assert running.runs()
    running.kill()
    stage.calm()


def leftovers(stage: Stage) -> list[Path]:
    """Files of the cache that belong to no snapshot."""
    used = {path.resolve() for path in stage.cached().glob("snapshots/**/*")}
    return [path for path in stage.cached().glob("blobs/*") if path.resolve() not in used]


@pytest.mark.parametrize("pieces", [0, PIECE], ids=["whole", "in pieces"])
@pytest.mark.parametrize("client", VERSIONS, indirect=True)
def test_client_downloads_right_bytes_after_a_killed_prefetch(client: Client, pieces: int, stage: Stage) -> None:
    stage.piece_bytes = pieces
    kill_prefetch(stage)
    for name in ("unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors"):
        assert client.download_file(stage, name).read_bytes() == (stage.repo() / name).read_bytes()
    stage.same_files(stage.repo(), client.download(stage))
    stage.prefetch().succeeded()
    check_agreement(stage, client)


@pytest.fixture(scope="module")
def first_version(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandServer]:
    place, env = tmp_path_factory.mktemp("first-version"), {"PATH": os.environ["PATH"]}
    archive = ["git", "-C", str(SOURCE.parents[1]), "archive", FIRST_VERSION, "image-gen/src"]
    made = subprocess.run(archive, env=env, capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"there is no commit {FIRST_VERSION}: {made.stderr.decode().strip()}. Fix: git fetch --unshallow")
    subprocess.run(["tar", "-x", "-C", str(place)], input=made.stdout, check=True)
    server = CommandServer(place / "image-gen" / "src")
    yield server
    server.close()


@pytest.mark.parametrize("pieces", [0, PIECE], ids=["whole", "in pieces"])
def test_partials_of_the_first_version_are_resumed_or_deleted(
    pieces: int, first_version: CommandServer, make_stage: MakeStage
) -> None:
    stage = make_stage("partials")
    stage.piece_bytes = pieces
    with stage.served_by(first_version):
        kill_prefetch(stage)
    assert leftovers(stage)
    stage.prefetch().succeeded()
    stage.served()
    # What has a client's name may be a client's that is at work, until someone says that it is none.
    stage.run("clear", "--orphans", "--yes").succeeded()
    assert leftovers(stage) == []
    check_agreement(stage, client_of(NEWEST))


@pytest.mark.parametrize("client", VERSIONS, indirect=True)
def test_client_downloads_right_bytes_after_the_first_versions_partials_were_met(
    client: Client, first_version: CommandServer, stage: Stage
) -> None:
    stage.piece_bytes = PIECE
    with stage.served_by(first_version):
        kill_prefetch(stage)
    # The hub fails at once, so that only what was there before is dealt with.
    stage.hub.panel.turn({"drop_after_bytes": 0})
    stage.prefetch().failed()
    stage.calm()
    stage.same_files(stage.repo(), client.download(stage))
