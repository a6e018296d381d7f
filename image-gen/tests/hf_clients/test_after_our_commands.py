"""After each command of `image-gen`, the client lists what `image-gen status` lists, and calls nothing corrupted."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.faults.stage import BYSTANDER, MODEL, PIECE, Stage
from tests.hf_clients.agreement import check_agreement
from tests.hf_clients.clients import PRUNING, VERIFYING, VERSIONS, Client
from tests.hf_clients.conftest import State

StageAfter = Callable[[State], Stage]


def prefetched(stage: Stage) -> None:
    stage.prefetch().succeeded()


def two_revisions(stage: Stage) -> None:
    stage.prefetch().succeeded()
    stage.write_model(f"{MODEL}@v2")
    stage.prefetch("test/model", env={"MODEL_REVISION": "v2"}).succeeded()


def damaged_and_repaired(stage: Stage) -> None:
    stage.prefetch().succeeded()
    stage.weights().write_bytes(b"damaged")
    stage.run("verify", "--repair").failed(3)
    stage.prefetch().succeeded()


def backed_up(stage: Stage) -> None:
    stage.prefetch().succeeded()
    stage.run("backup", "--output", "backup.tar").succeeded()


def restored(stage: Stage) -> None:
    backed_up(stage)
    stage.run("clear", "--all", "--yes").succeeded()
    stage.run("restore", "--input", "backup.tar").succeeded()


def cleared(stage: Stage) -> None:
    stage.prefetch().succeeded()
    stage.run("clear", "--model", MODEL, "--yes").succeeded()


def collected(stage: Stage) -> None:
    stage.prefetch().succeeded()
    stage.run("gc", "--older-than", "0m", env={"MODEL_ID": BYSTANDER}).succeeded()


def interrupted_prefetch(stage: Stage) -> None:
    stage.piece_bytes = stage.noise.choice([0, PIECE])
    stage.hub.panel.turn({"line_bytes_per_second": 300_000})
    running = stage.start("prefetch", "--model", MODEL)
    while running.runs() and not list((stage.cached() / "blobs").glob("*")):
        time.sleep(0.005)
    time.sleep(stage.noise.random() * 0.8)
    running.kill()
    stage.calm()


def interrupted_restore(stage: Stage) -> None:
    backed_up(stage)
    stage.run("clear", "--model", MODEL, "--yes").succeeded()
    running = stage.start("restore", "--input", "backup.tar")
    time.sleep(stage.noise.random() * 0.1)
    running.kill()


def filled_from_a_mirror(stage: Stage) -> None:
    mirror = stage.folder / "mirror"
    stage.run("mirror", "--model", MODEL, "--output", str(mirror)).succeeded()
    stage.run("clear", "--model", MODEL, "--yes").succeeded()
    stage.prefetch(env={"IMAGE_GEN_MIRROR": mirror.as_uri(), "HF_HUB_OFFLINE": "1"}).succeeded()


STATES = [
    prefetched, two_revisions, damaged_and_repaired, backed_up, restored, cleared, collected, interrupted_prefetch,
    interrupted_restore, filled_from_a_mirror,
]  # fmt: skip


@pytest.mark.parametrize("client", VERSIONS, indirect=True)
@pytest.mark.parametrize("state", STATES, ids=lambda each: each.__name__)
def test_client_lists_what_status_lists(state: State, client: Client, stage_after: StageAfter) -> None:
    check_agreement(stage_after(state), client, changed=False)


@pytest.mark.parametrize("client", VERSIONS, indirect=True)
def test_command_lists_what_the_library_lists(client: Client, stage_after: StageAfter) -> None:
    stage = stage_after(two_revisions)
    assert client.listed(stage) == client.scan(stage).revisions.keys()
    assert len(client.listed(stage)) == 3


@pytest.mark.parametrize("client", VERIFYING, indirect=True)
@pytest.mark.parametrize("state", [damaged_and_repaired, restored], ids=lambda each: each.__name__)
def test_client_verifies_what_is_complete(state: State, client: Client, stage_after: StageAfter) -> None:
    client.run(stage_after(state), "hf", "cache", "verify", MODEL, "--fail-on-extra-files")


@pytest.mark.parametrize("client", VERSIONS, indirect=True)
def test_client_loads_offline_what_was_downloaded(client: Client, stage_after: StageAfter) -> None:
    stage = stage_after(prefetched)
    stage.hub.forget()
    assert client.download(stage, HF_HUB_OFFLINE="1") == stage.snapshot()
    assert stage.hub.requests == []


@pytest.mark.parametrize("client", PRUNING, indirect=True)
def test_client_prunes_nothing_of_what_was_downloaded(client: Client, stage_after: StageAfter) -> None:
    stage = stage_after(prefetched)
    client.run(stage, "hf", "cache", "prune", "--yes")
    check_agreement(stage, client)
    stage.served()
