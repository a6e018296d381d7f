"""Processes die in the middle, and start at the same time."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import UNET, MakeCache, MakeRepo

from image_gen_demo.hub import DemoHub
from image_gen_demo.knobs import Knobs


def partial_bytes(home: Path) -> int:
    sizes = [0]
    for path in home.glob("hub/*/blobs/*.part"):
        # It may be complete and renamed by now.
        with suppress(FileNotFoundError):
            sizes.append(path.stat().st_size)
    return max(sizes)


def wait_for(process: subprocess.Popen[str], home: Path, count: int) -> None:
    deadline = time.monotonic() + 20
    while partial_bytes(home) < count:
        assert process.poll() is None and time.monotonic() < deadline, "the download did not get under way"
        time.sleep(0.01)


def test_kill_9_loses_no_written_bytes(
    hub: DemoHub,
    make_repo: MakeRepo,
    make_cache: MakeCache,
    command: list[str],
    command_env: dict[str, str],
) -> None:
    repo = make_repo(unet_bytes=8 << 20)
    hub.panel.turn({"rate_bytes_per_second": 4_000_000})
    home = Path(command_env["HF_HOME"])
    with subprocess.Popen([*command, "prefetch", "--model", "test/model"], env=command_env, text=True) as process:
        wait_for(process, home, 3 << 20)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    kept = partial_bytes(home)
    hub.panel.turn({"rate_bytes_per_second": None})
    hub.forget()
    assert make_cache().locate("test/model") is None
    model = make_cache().ensure("test/model")
    assert (model.directory / UNET).read_bytes() == (repo / UNET).read_bytes()
    asked = [entry for entry in hub.requests if entry["path"].endswith(UNET)]
    assert [entry["range"] for entry in asked] == [f"bytes={kept}-"]
    assert asked[0]["bytes"] == (8 << 20) - kept
    assert not list(home.glob("hub/*/blobs/*.part"))


def test_sigterm_ends_prefetch_with_one_line(
    hub: DemoHub, make_repo: MakeRepo, command: list[str], command_env: dict[str, str]
) -> None:
    make_repo(unet_bytes=8 << 20)
    hub.panel.turn({"rate_bytes_per_second": 1_000_000})
    with subprocess.Popen(
        [*command, "prefetch", "--model", "test/model"],
        env=command_env, text=True, stderr=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        wait_for(process, Path(command_env["HF_HOME"]), 100_000)
        process.terminate()
        _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert err.strip().splitlines()[-1] == "image-gen: Interrupted; what has arrived is kept."
    assert "Traceback" not in err


def test_two_processes_download_a_model_once(
    hub: DemoHub, make_repo: MakeRepo, command: list[str], command_env: dict[str, str]
) -> None:
    make_repo()
    hub.panel.turn({"rate_bytes_per_second": 3_000_000})
    run = [*command, "prefetch", "--model", "test/model", "--json"]
    both = [subprocess.Popen(run, env=command_env, text=True, stdout=subprocess.PIPE) for _ in range(2)]
    models = [json.loads(process.communicate(timeout=30)[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(model["source"] for model in models) == ["download", "volume"]
    files = [entry["path"] for entry in hub.requests if "/resolve/" in entry["path"]]
    # The index is read once more, to resolve the model.
    assert sorted(files) == sorted([*set(files), *(path for path in set(files) if path.endswith("model_index.json"))])


def test_deleting_the_cache_during_a_download_is_reported(
    hub: DemoHub,
    make_repo: MakeRepo,
    command: list[str],
    command_env: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_repo()
    asked, deleted, spoils = threading.Event(), threading.Event(), hub.panel.spoils

    def hold_until_deleted(path: str, length: int) -> Knobs:
        if path == UNET:
            asked.set()
            deleted.wait(60)
        return spoils(path, length)

    monkeypatch.setattr(hub.panel, "spoils", hold_until_deleted)
    env = command_env | {"HF_HUB_DOWNLOAD_TIMEOUT": "60"}
    with subprocess.Popen(
        [*command, "prefetch", "--model", "test/model", "--json"],
        env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert asked.wait(60)
        clear = [*command, "clear", "--all", "--yes", "--json"]
        busy = subprocess.run(clear, env=env, capture_output=True, text=True, check=False)
        assert json.loads(busy.stdout)["error"]["code"] == "CACHE_BUSY"
        subprocess.run(["rm", "-rf", str(Path(env["HF_HOME"]) / "hub")], check=True)
        deleted.set()
        out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert json.loads(out)["error"]["code"] == "CACHE_CHANGED", out + err
    assert json.loads(out)["error"]["retryable"] is True
