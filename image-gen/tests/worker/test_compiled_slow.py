"""Compiling is kept on the volume: a second process finds what the first made. Where it can't be done, it is said."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from image_gen.worker.speed import compiled
from image_gen.worker.speed.compiled import cache_name, compile_blocks, save_archive

SOURCES = Path(__file__).parents[2] / "src"
STEP = """
import json, pathlib, shutil, sys, types
import torch
torch.set_num_threads(1)
from diffusers.models.attention import BasicTransformerBlock
from image_gen.worker.speed.compiled import compile_blocks, save_archive

class Part(torch.nn.Module):
    _repeated_blocks = ["BasicTransformerBlock"]

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.block = BasicTransformerBlock(8, 1, 8)

    def compile_repeated_blocks(self):
        self.block.compile()

    def forward(self, x):
        return self.block(x)

part, x = Part(), torch.ones(1, 4, 8)
with torch.inference_mode():
    plain = part(x)
    archive = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None
    fetch = lambda: shutil.copy(sys.argv[3], archive) if len(sys.argv) > 3 else None
    why_not = compile_blocks(types.SimpleNamespace(unet=part), "cpu", pathlib.Path(sys.argv[1]), archive, fetch)
    same = torch.allclose(part(x), plain, atol=1e-4)
saved = archive is not None and save_archive(archive)
from torch._dynamo.utils import counters
found = {name: counters["inductor"][f"fxgraph_cache_{name}"] for name in ("hit", "miss")}
print(json.dumps({"why_not": why_not, "same": same, "saved": saved, **found}))
"""


# CI has a compiler: without one these tests fail there, and are not left out.
needs_compiler = pytest.mark.skipif(
    not shutil.which("g++") and not os.environ.get("CI"), reason="compiling for the CPU needs g++"
)


def run(cache: Path, *archive: Path) -> dict[str, Any]:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCES), "HF_HUB_OFFLINE": "1", "HOME": str(cache)}
    command = [sys.executable, "-c", STEP, *map(str, (cache, *archive))]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**result, "output": done.stdout}


@dataclass(frozen=True)
class Compiled:
    """What the first process of all made: its cache, its archive and its report."""

    cache: Path
    archive: Path
    report: dict[str, Any]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    """Compiling takes a minute: once, for the tests that only read what it leaves."""
    folder = tmp_path_factory.mktemp("compiled")
    cache, archive = folder / "one", folder / "key.blocks"
    return Compiled(cache, archive, run(cache, archive))


@needs_compiler
def test_compile_blocks_reuses_the_artefacts_of_an_earlier_process(first: Compiled) -> None:
    report = first.report
    assert report["why_not"] is None and report["same"] and (report["hit"], report["miss"] > 0) == (0, True)
    assert [path.name for path in first.cache.iterdir() if path.name.startswith("cpu-")] == [cache_name("cpu")]
    again = run(first.cache)
    assert again["same"] and (again["hit"], again["miss"]) == (report["miss"], 0)


@needs_compiler
def test_an_archive_spares_a_new_host_the_compiling(first: Compiled, tmp_path: Path) -> None:
    archive = tmp_path / "key.blocks"
    assert first.report["saved"]
    shutil.copy(first.archive, archive)
    other = run(tmp_path / "two", archive)
    assert other["same"] and (other["hit"], other["miss"]) == (first.report["miss"], 0)
    # It is reported again, unchanged: an upload that failed is made up for.
    assert other["saved"] and archive.read_bytes() == first.archive.read_bytes()


@needs_compiler
def test_an_archive_that_cannot_be_loaded_is_replaced_by_what_the_cache_has(first: Compiled, tmp_path: Path) -> None:
    archive = tmp_path / "key.blocks"
    archive.write_bytes(b"no archive")
    shutil.copytree(first.cache, tmp_path / "one")
    made = run(tmp_path / "one", archive)
    found = (first.report["miss"], 0)
    assert (made["why_not"], made["same"], made["hit"], made["miss"], made["saved"]) == (None, True, *found, True)
    assert "The archive of compiled blocks key.blocks could not be loaded and was deleted" in made["output"]
    other = run(tmp_path / "two", archive)
    assert (other["hit"], other["miss"]) == found


@needs_compiler
def test_an_archive_that_cannot_be_loaded_is_replaced_by_the_one_that_others_offer(
    first: Compiled, tmp_path: Path
) -> None:
    archive = tmp_path / "key.blocks"
    archive.write_bytes(b"no archive")
    other = run(tmp_path / "two", archive, first.archive)
    assert (other["same"], other["hit"], other["miss"]) == (True, first.report["miss"], 0)
    assert archive.read_bytes() == first.archive.read_bytes()


class Part:
    _repeated_blocks = ("Block",)

    def compile_repeated_blocks(self) -> None:
        raise AssertionError("it must not come to this")


def test_compile_blocks_names_a_missing_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled.shutil, "which", lambda _: None)
    why = compile_blocks(SimpleNamespace(unet=Part()), "cpu", tmp_path)
    assert why == "compiling for the CPU needs g++, which no image has"
    monkeypatch.setattr(compiled.importlib.util, "find_spec", lambda _: None)
    assert "Triton" in str(compile_blocks(SimpleNamespace(unet=Part()), "cuda", tmp_path))


def test_compile_blocks_that_fail_are_a_reason_and_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled.shutil, "which", lambda _: "/usr/bin/g++")
    why = compile_blocks(SimpleNamespace(unet=Part()), "cpu", tmp_path)
    assert why == "torch's compiler can't be used: AssertionError: it must not come to this"


def test_compile_blocks_names_an_unwritable_directory_or_an_unsupported_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled.shutil, "which", lambda _: "/usr/bin/g++")
    (tmp_path / "file").write_text("x")
    assert "can't be written" in str(compile_blocks(SimpleNamespace(unet=Part()), "cpu", tmp_path / "file"))
    assert "no part" in str(compile_blocks(SimpleNamespace(unet=object()), "cpu", tmp_path))


def test_an_archive_that_cannot_be_saved_is_a_line_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    monkeypatch.setattr(torch.compiler, "save_cache_artifacts", lambda: (b"blocks", None))
    (tmp_path / "file").write_text("x")
    assert not save_archive(tmp_path / "file" / "key.blocks")
    assert "Compiled blocks could not be saved for other hosts: " in capsys.readouterr().out
    assert save_archive(tmp_path / "key.blocks") and (tmp_path / "key.blocks").read_bytes() == b"blocks"
