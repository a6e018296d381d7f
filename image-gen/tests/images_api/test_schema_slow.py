"""The document of the API is true: schemathesis sends what it allows and what it forbids, with all of its checks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving.conftest import Server, StartServer

HOOKS = "tests.images_api.schemathesis_hooks"


def run(server: Server, folder: Path, *options: str) -> str:
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{server.port}/openapi.json",
        "--checks", "all",
        "--no-color", "--generation-deterministic", *options,
    ]  # fmt: skip
    env = {**os.environ, "SCHEMATHESIS_HOOKS": HOOKS, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False, cwd=folder)
    assert done.returncode == 0, f"{done.stdout[-8000:]}\n{done.stderr[-2000:]}"
    return done.stdout


@pytest.mark.parametrize(
    ("key", "keys"),
    [("", ""), ("a-key", "a-key"), ("its-key", {"admin": {"key": "its-key", "permissions": ["cache"]}})],
    ids=["no-key", "key", "key-for-the-cache"],
)
def test_what_the_document_says_is_so(start_server: StartServer, tmp_path: Path, key: str, keys: object) -> None:
    # Offline: a model that nobody has is not asked for on the internet.
    server = start_server(IMAGE_GEN_API_KEY=keys, IMAGE_GEN_MAX_SIZE=128, IMAGE_GEN_MAX_IMAGES=2, HF_HUB_OFFLINE=1)
    server.wait_phase("ready")
    # A request "without Authorization" carries that of --header all the same; `ignored_auth` tries one without it.
    options = ["--header", f"Authorization: Bearer {key}", "--exclude-checks", "missing_required_header"] if key else []
    print(run(server, tmp_path, "--max-examples", "15", *options)[-600:])  # noqa: T201 - a figure
    assert "Traceback" not in server.log
