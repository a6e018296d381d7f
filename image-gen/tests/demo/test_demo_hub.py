"""The demonstration hub answers Hugging Face's own client as the real one does, and misbehaves on request."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from conftest import SOURCES, UNET, MakeRepo

from image_gen_demo.hub import DemoHub

# Runs in a process of its own, as the client reads its environment once.
CLIENT = """
import sys
from huggingface_hub import HfApi, hf_hub_download, snapshot_download, get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError, EntryNotFoundError
info = HfApi().model_info("test/model")
assert info.sha and "license:mit" in info.tags and info.gated is False
place = snapshot_download("test/model")
assert place.endswith(info.sha)
assert snapshot_download("test/model", revision=info.sha) == place
about = get_hf_file_metadata(hf_hub_url("test/model", sys.argv[1]))
assert about.size == 3 << 20 and len(about.etag) == 64 and about.commit_hash == info.sha
assert [each.size for each in HfApi().get_paths_info("test/model", [sys.argv[1]])] == [3 << 20]
for call, error in (
    (lambda: snapshot_download("no/model"), RepositoryNotFoundError),
    (lambda: snapshot_download("test/model", revision="nope"), RevisionNotFoundError),
    (lambda: hf_hub_download("test/model", "nope.txt"), EntryNotFoundError),
):
    try:
        call()
    except error:
        continue
    raise SystemExit(f"{error.__name__} was expected")
print(place)
"""


def get(url: str, method: str = "GET", body: object = None, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_demo_hub_serves_the_hugging_face_client(hub: DemoHub, make_repo: MakeRepo, tmp_path: Path) -> None:
    repo = make_repo()
    env = {"PATH": os.environ["PATH"], "HF_HOME": str(tmp_path / "hf"), "HF_ENDPOINT": hub.url}
    run = subprocess.run(
        [sys.executable, "-c", CLIENT, UNET], env=env, capture_output=True, text=True, check=False, timeout=60
    )
    assert run.returncode == 0, run.stderr
    assert (Path(run.stdout.strip().splitlines()[-1]) / UNET).read_bytes() == (repo / UNET).read_bytes()


def test_demo_hub_commit_depends_on_the_content(hub: DemoHub, make_repo: MakeRepo) -> None:
    repo = make_repo()
    first = hub.repositories.find("test/model", "main")
    assert first and hub.repositories.find("test/model", first.commit) == first
    (repo / "vae/config.json").write_text("{}")
    second = hub.repositories.find("test/model", "main")
    assert second and second.commit != first.commit
    assert hub.repositories.find("test/model", first.commit) is None


def test_demo_hub_knobs_and_log_over_http(hub: DemoHub, make_repo: MakeRepo) -> None:
    make_repo()
    file = f"{hub.url}/test/model/resolve/main/{UNET}"
    assert get(file, headers={"Range": "bytes=10-19"})[0] == 206
    for _ in range(100):
        status, log = get(f"{hub.url}/_log")
        (entry,) = json.loads(log)
        if entry["status"]:
            break
        time.sleep(0.05)  # the hub notes the end of an answer after its last byte
    assert status == 200 and (entry["range"], entry["status"], entry["bytes"]) == ("bytes=10-19", 206, 10)
    assert get(f"{hub.url}/_knobs", "POST", {"status": 403})[0] == 200
    assert get(file)[0] == 403
    assert get(f"{hub.url}/_knobs", "POST", {"status": None, "speed": 1})[0] == 400
    assert get(f"{hub.url}/_knobs", "POST", {"status": None})[0] == 200
    assert get(f"{hub.url}/_log", "DELETE") == (200, b"[]")
    assert get(f"{hub.url}/_log") == (200, b"[]")
    assert get(file, headers={"Range": f"bytes={3 << 20}-"})[0] == 416


@pytest.mark.parametrize("path", ["/test/model/resolve/main/..%2F..%2Fetc%2Fpasswd", "/", "/api/models/a/b/c/d", "/x"])
def test_demo_hub_serves_nothing_else(hub: DemoHub, make_repo: MakeRepo, path: str) -> None:
    make_repo()
    assert get(f"{hub.url}{path}")[0] == 404


def test_demo_hub_keeps_a_rate(hub: DemoHub, make_repo: MakeRepo) -> None:
    make_repo()
    hub.panel.turn({"rate_bytes_per_second": 6 << 20})
    began = time.monotonic()
    assert len(get(f"{hub.url}/test/model/resolve/main/{UNET}")[1]) == 3 << 20
    assert time.monotonic() - began >= 0.45


def test_the_module_serves_until_its_parent_is_gone(make_repo: MakeRepo, tmp_path: Path) -> None:
    make_repo()
    port, log = tmp_path / "port", tmp_path / "log"
    command = [sys.executable, "-m", "image_gen_demo.hub", "--root", str(tmp_path / "hub-root"), "--with-parent"]
    options = ["--port-file", str(port), "--log", str(log), "--knob", "page_size=2", "--knob", "corrupt=*.bin"]
    with subprocess.Popen([*command, *options], env={"PYTHONPATH": str(SOURCES)}, stdin=subprocess.PIPE) as process:
        deadline = time.monotonic() + 30
        while not port.exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        url = f"http://127.0.0.1:{port.read_text()}/api/models/test/model"
        commit = json.loads(get(url)[1])["sha"]
        assert len(json.loads(get(f"{url}/tree/{commit}?recursive=true")[1])) == 2
        # A request is written down once it is answered, which its asker may know first.
        while log.read_text().count("\n") < 2:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert process.stdin
        process.stdin.close()
        assert process.wait(timeout=5) == 0
    assert [json.loads(line)["status"] for line in log.read_text().splitlines()] == [200, 200]
