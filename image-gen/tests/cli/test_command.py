"""The command `image-gen`: results on stdout, one line for every trouble, exit codes that scripts can trust."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import UNET, MakeRepo

from image_gen.cli.main import main
from image_gen_demo.hub import DemoHub


class Run:
    """Runs the command in this process, which is quicker, and keeps what it printed."""

    def __init__(self, env: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
        self._env = env
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, *arguments: str) -> int:
        code = main(arguments, self._env)
        self.out, self.err = self._capsys.readouterr()
        assert "Traceback" not in self.err
        return code

    def json(self, *arguments: str) -> dict[str, Any]:
        self(*arguments, "--json")
        result = json.loads(self.out)
        assert isinstance(result, dict)
        return result


@pytest.fixture
def run(
    command_env: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    make_repo: MakeRepo,
) -> Run:
    monkeypatch.setattr("signal.signal", lambda *_: None)
    make_repo()
    return Run(command_env, capsys)


def damage(home: str) -> None:
    with next(Path(home).glob(f"hub/*/snapshots/*/{UNET}")).open("r+b") as stream:
        stream.write(b"damage")


def test_commands_over_the_life_of_a_cache(run: Run, command_env: dict[str, str], tmp_path: Path) -> None:
    home = command_env["HF_HOME"]
    assert run("status") == 0 and "No model is cached." in run.out
    assert run("prefetch", "--model", "test/model") == 0 and "is complete" in run.out
    status = run.json("status")
    line = status["models"][0]
    assert set(status) == {"hf_home", "hub_cache", "mount", "models", "bytes", "host_cache"}
    assert set(status["mount"]) == {"path", "is_mount", "filesystem", "bytes_total", "bytes_free"}
    assert line["id"] == "test/model" and line["complete"] is True and line["missing"] == []
    assert run("verify") == 0
    assert run("backup", "--output", str(tmp_path / "b.tar.gz")) == 0 and (tmp_path / "b.tar.gz").is_file()
    damage(home)
    assert run("verify") == 3 and f"damaged: {UNET}" in run.out and "--repair" in run.out
    assert run("backup", "--output", str(tmp_path / "c.tar")) == 3
    assert run("restore", "--input", str(tmp_path / "b.tar.gz")) == 0 and "verified" in run.out
    assert run("verify", "--model", "test/model") == 0
    damage(home)
    assert run("verify", "--repair") == 3 and run("verify") == 3 and f"missing: {UNET}" in run.out
    assert run.json("prefetch", "--model", "test/model")["bytes_fetched"] == 3 << 20
    assert run("verify") == 0


def test_clear_command_requires_yes(run: Run) -> None:
    run("prefetch", "--model", "test/model")
    assert run("clear", "--all") == 4 and "would remove test/model" in run.out and "--yes" in run.err
    assert run("clear", "--model", "test/model", "--dry-run") == 0
    assert run.json("status")["models"] != []
    report = run.json("clear", "--model", "test/model", "--yes")
    assert report["removed"] == [{"id": "test/model", "bytes": report["bytes"]}]
    assert run.json("status")["models"] == []
    assert run("clear", "--model", "test/model", "--yes") == 1
    with pytest.raises(SystemExit) as caught:
        run("clear", "--yes")
    assert caught.value.code == 2


def test_command_error_is_one_line_or_json(run: Run, hub: DemoHub) -> None:
    assert run("prefetch", "--model", "no/model") == 1
    assert run.out == "" and run.err.startswith("image-gen: ") and run.err.count("\n") == 1
    error = run.json("prefetch", "--model", "no/model")["error"]
    assert error == {
        "code": "MODEL_NOT_FOUND",
        "message": run.err.removeprefix("image-gen: ").strip(),
        "retryable": False,
    }


def test_commands_use_model_id_of_the_environment(run: Run, command_env: dict[str, str]) -> None:
    command_env |= {"MODEL_ID": "test/model", "MODEL_REVISION": ""}
    assert run.json("prefetch")["id"] == "test/model"
    assert run("resolve") == 0 and json.loads(run.out)["pipeline"] == "StableDiffusionXLPipeline"
    assert run("resolve", "--model", "runwayml/stable-diffusion-v1-5") == 0
    assert json.loads(run.out)["id"] == "stable-diffusion-v1-5/stable-diffusion-v1-5"


def test_bake_command_writes_to_output(run: Run, command_env: dict[str, str], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    arguments = ("bake", "--model", "test/model", "--revision", "", "--output", str(tmp_path / "out"))
    assert run(*arguments, "--cache", str(cache)) == 0
    assert (tmp_path / "out" / "test--model" / "manifest.json").is_file() and (cache / "hub").is_dir()
    assert not Path(command_env["HF_HOME"]).exists()


def test_command_help_and_usage_errors(run: Run) -> None:
    for arguments, code in ((["--help"], 0), (["clear", "--help"], 0), ([], 2), (["explode"], 2), (["bake"], 2)):
        with pytest.raises(SystemExit) as caught:
            run(*arguments)
        assert caught.value.code == code
    command = {"HF_ENDPOINT": "nonsense"}
    assert main(["status"], command) == 1


def test_backup_and_restore_commands_use_pipes(
    run: Run, command: list[str], command_env: dict[str, str], hub: DemoHub
) -> None:
    run("prefetch", "--model", "test/model")
    made = subprocess.run([*command, "backup", "--json"], env=command_env, capture_output=True, check=True)
    assert json.loads(made.stderr)["models"] == ["test/model"]
    run("clear", "--all", "--yes")
    subprocess.run([*command, "restore"], env=command_env, input=made.stdout, capture_output=True, check=True)
    hub.forget()
    assert run("prefetch", "--model", "test/model") == 0 and hub.requests == []


def test_closed_stdout_causes_no_traceback(run: Run, command: list[str], command_env: dict[str, str]) -> None:
    run("prefetch", "--model", "test/model")
    shell = subprocess.run(
        ["bash", "-c", 'set -o pipefail; "$@" backup | head -c 100 >/dev/null', "-", *command],
        env=command_env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert shell.returncode == 1 and "Traceback" not in shell.stderr
