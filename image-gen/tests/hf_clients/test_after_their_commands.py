"""After each command of a client, `image-gen` lists what the client lists, and downloads what is missing."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.faults.stage import MODEL, Stage
from tests.hf_clients.agreement import check_agreement
from tests.hf_clients.clients import PRUNING, VERSIONS, Client


def downloaded(stage: Stage, client: Client) -> None:
    client.download(stage)


def downloaded_over_ours(stage: Stage, client: Client) -> None:
    stage.prefetch().succeeded()
    client.download(stage)


def one_file_downloaded(stage: Stage, client: Client) -> None:
    client.download_file(stage, "unet/diffusion_pytorch_model.safetensors")


def newer_commit_downloaded(stage: Stage, client: Client) -> None:
    stage.prefetch().succeeded()
    stage.write_model(MODEL)
    client.download(stage)


def revision_deleted(stage: Stage, client: Client) -> None:
    newer_commit_downloaded(stage, client)
    newest = stage.commit()
    client.delete(stage, *(path.name for path in (stage.cached() / "snapshots").iterdir() if path.name != newest))


def model_deleted(stage: Stage, client: Client) -> None:
    stage.prefetch().succeeded()
    client.delete(stage, stage.commit())


ALL = [downloaded, downloaded_over_ours, one_file_downloaded, newer_commit_downloaded, revision_deleted, model_deleted]


@pytest.mark.parametrize("client", VERSIONS, indirect=True)
@pytest.mark.parametrize("deed", ALL, ids=lambda each: each.__name__)
def test_status_lists_what_the_client_lists(
    deed: Callable[[Stage, Client], None], client: Client, stage: Stage
) -> None:
    deed(stage, client)
    check_agreement(stage, client)
    stage.prefetch().succeeded()
    check_agreement(stage, client)
    report = stage.run("verify", "--model", MODEL, "--json").json
    assert report["ok"], report


@pytest.mark.parametrize("client", VERSIONS, indirect=True)
def test_download_of_the_client_is_used_as_it_is(client: Client, stage: Stage) -> None:
    client.download(stage)
    stage.hub.forget()
    model = stage.run("prefetch", "--model", MODEL, "--json", env={"HF_HUB_OFFLINE": "1"}).succeeded().json
    assert (model["bytes_fetched"], model["directory"]) == (0, str(stage.snapshot()))
    assert stage.hub.requests == []
    stage.served()


@pytest.mark.parametrize("client", PRUNING, indirect=True)
def test_pruned_revision_is_listed_by_neither(client: Client, stage: Stage) -> None:
    newer_commit_downloaded(stage, client)
    client.run(stage, "hf", "cache", "prune", "--yes")
    assert [path.name for path in (stage.cached() / "snapshots").iterdir()] == [stage.commit()]
    check_agreement(stage, client)
    stage.run("prefetch", "--model", MODEL, "--revision", "main").succeeded()
    stage.served()


@pytest.mark.parametrize("client", VERSIONS, indirect=True)
def test_killed_download_of_the_client_is_completed(client: Client, stage: Stage) -> None:
    stage.hub.panel.turn({"line_bytes_per_second": 200_000})
    process = client.start_download(stage)
    while process.poll() is None and not stage.has_bytes("blobs/*.incomplete"):
        time.sleep(0.005)
    time.sleep(stage.noise.random() * 0.3)
    process.kill()
    process.communicate()
    stage.calm()
    stage.prefetch().succeeded()
    stage.served()
    assert stage.run("verify", "--json").json["ok"]
    check_agreement(stage, client)
