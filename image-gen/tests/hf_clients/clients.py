"""A version of huggingface_hub, as a library and as a command."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.stage import MODEL, Stage

_ROOT = Path(__file__).resolve().parents[3]
_VENVS = _ROOT / ".imagegen" / "hf-clients"
# Each with a day on which it was the newest. They differ in their command (`huggingface-cli scan-cache`, `hf cache
# scan`, `hf cache ls`, and `verify` since 1.1), in the library for HTTP, in the names of partial downloads (fixed, and
# resumed, before 1.18), and in the cache (listings since 1.22, contents shared between models since 1.32).
OLDER = {
    "0.25.2": "2024-11-01",
    "0.36.2": "2026-03-01",
    "1.0.1": "2025-11-15",
    "1.12.2": "2026-05-15",
    "1.32.0": "2026-09-18",
}
NEWEST = "newest"
VERSIONS = [*OLDER, NEWEST]
PRUNING = [each for each in VERSIONS if not each.startswith("0.")]
VERIFYING = [each for each in PRUNING if each != "1.0.1"]

# One line of JSON: every revision with its files, and what the client calls corrupted.
_SCAN = """
import json, sys
from huggingface_hub import scan_cache_dir
info = scan_cache_dir(sys.argv[1])
print(json.dumps({"problems": [str(each) for each in info.warnings], "revisions": [
    [repo.repo_id, revision.commit_hash, revision.size_on_disk, sorted(revision.refs), {
        str(file.file_path.relative_to(revision.snapshot_path)): file.size_on_disk for file in revision.files
    }] for repo in info.repos for revision in repo.revisions
]}))
"""
_DOWNLOAD = "import sys; from huggingface_hub import snapshot_download; print(snapshot_download(sys.argv[1]))"
_DOWNLOAD_FILE = "import sys; from huggingface_hub import hf_hub_download; print(hf_hub_download(*sys.argv[1:]))"
_DELETE = """
import sys
from huggingface_hub import scan_cache_dir
scan_cache_dir(sys.argv[1]).delete_revisions(*sys.argv[2:]).execute()
"""


@dataclass(frozen=True)
class Revision:
    """A revision as a client lists it. `size` counts each content once."""

    size: int
    refs: tuple[str, ...]
    files: dict[str, int]


@dataclass(frozen=True)
class Scan:
    """What a client finds in a cache, by model and commit."""

    revisions: dict[tuple[str, str], Revision]
    problems: list[str]


@dataclass(frozen=True)
class Client:
    """`programs` is the folder of its Python."""

    version: str
    programs: Path

    @property
    def number(self) -> tuple[int, ...]:
        return (99,) if self.version == NEWEST else tuple(map(int, self.version.split(".")))

    def run(self, stage: Stage, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Runs a program of the client on the stage's cache and hub, and raises unless it succeeds."""
        ended = self.start(stage, *command, **env)
        output, error = ended.communicate(timeout=60)
        assert ended.returncode == 0, f"{self.version}: {' '.join(command)[:300]}\n{output}\n{error}"
        return subprocess.CompletedProcess(command, 0, output, error)

    def start(self, stage: Stage, *command: str, **env: str) -> subprocess.Popen[str]:
        known = {
            "PATH": os.environ["PATH"],
            "HOME": stage.env["HOME"],
            "HF_HOME": str(stage.home),
            "HF_ENDPOINT": stage.hub.url,
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "COLUMNS": "400",
        }
        program = str(self.programs / command[0])
        pipe = subprocess.PIPE
        return subprocess.Popen([program, *command[1:]], env=known | env, stdout=pipe, stderr=pipe, text=True)

    def python(self, stage: Stage, code: str, *arguments: str, **env: str) -> str:
        return self.run(stage, "python", "-c", code, *arguments, **env).stdout.strip()

    def scan(self, stage: Stage) -> Scan:
        """What the library finds."""
        found = json.loads(self.python(stage, _SCAN, str(stage.home / "hub")))
        revisions = {
            (model_id, commit): Revision(size, tuple(refs), files)
            for model_id, commit, size, refs, files in found["revisions"]
        }
        return Scan(revisions, found["problems"])

    def listed(self, stage: Stage) -> set[tuple[str, str]]:
        """What the command lists: models and commits."""
        if self.number < (1,):
            command = ["hf", "cache", "scan"] if self.number >= (0, 34) else ["huggingface-cli", "scan-cache"]
            return set(re.findall(r"^(\S+)\s+model\s+([0-9a-f]{40}) ", self.run(stage, *command, "-v").stdout, re.M))
        listed = self.run(stage, "hf", "cache", "ls", "--revisions", "--format", "json").stdout
        return {(each["repo_id"], each["revision"]) for each in json.loads(listed or "[]")}

    def download(self, stage: Stage, model_id: str = MODEL, **env: str) -> Path:
        """Downloads a model as users do; returns its folder."""
        return Path(self.python(stage, _DOWNLOAD, model_id, **env))

    def start_download(self, stage: Stage) -> subprocess.Popen[str]:
        return self.start(stage, "python", "-c", _DOWNLOAD, MODEL)

    def download_file(self, stage: Stage, name: str) -> Path:
        return Path(self.python(stage, _DOWNLOAD_FILE, MODEL, name))

    def delete(self, stage: Stage, *commits: str) -> None:
        """Deletes revisions: with the command, where it takes them as arguments and does not ask for them."""
        if self.number < (1,):
            self.python(stage, _DELETE, str(stage.home / "hub"), *commits)
        else:
            self.run(stage, "hf", "cache", "rm", *commits, "--yes")


def client_of(version: str) -> Client:
    """Installs an older version once. The newest is the one that the service itself has."""
    if version == NEWEST:
        return Client(NEWEST, Path(sys.executable).parent)
    venv = _VENVS / version
    _VENVS.mkdir(parents=True, exist_ok=True)
    # Tests in other processes want it, too.
    with (_VENVS / f"{version}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (venv / "installed").exists():
            shutil.rmtree(venv, ignore_errors=True)
            _install(version, venv)
            (venv / "installed").touch()
    return Client(version, venv / "bin")


def _install(version: str, venv: Path) -> None:
    uv = shutil.which("uv") or str(_ROOT / ".imagegen" / "tools" / "bin" / "uv")
    # A test's environment says nothing of certificates.
    env = dict(os.environ) | {"UV_SYSTEM_CERTS": "true", "UV_NATIVE_TLS": "true"}
    day = ["--exclude-newer", OLDER[version]]
    install = ["pip", "install", "--python", str(venv / "bin" / "python"), f"huggingface_hub=={version}", *day]
    try:
        for step in (["venv", "--python", sys.executable, str(venv)], install):
            subprocess.run([uv, *step], env=env, check=True, capture_output=True, text=True, timeout=300)
    except FileNotFoundError:
        pytest.skip("there is no uv. Fix: npm run check, which installs it")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"huggingface_hub {version} can't be installed: {error.stderr.strip().splitlines()[-1]}")
