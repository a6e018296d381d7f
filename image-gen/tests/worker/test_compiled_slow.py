"""Compiling is kept on the volume: a second process finds what the first made. Where it can't be done, it is said."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from image_gen.worker import compiled
from image_gen.worker.compiled import cache_name, compile_blocks

SOURCES = Path(__file__).parents[2] / "src"
STEP = """
import json, pathlib, sys, types
import torch
torch.set_num_threads(1)
from diffusers.models.attention import BasicTransformerBlock
from image_gen.worker.compiled import compile_blocks

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
    why_not = compile_blocks(types.SimpleNamespace(unet=part), "cpu", pathlib.Path(sys.argv[1]))
    same = torch.allclose(part(x), plain, atol=1e-4)
from torch._dynamo.utils import counters
found = {name: counters["inductor"][f"fxgraph_cache_{name}"] for name in ("hit", "miss")}
print(json.dumps({"why_not": why_not, "same": same, **found}))
"""


def run(cache: Path) -> dict[str, Any]:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCES), "HF_HUB_OFFLINE": "1", "HOME": str(cache)}
    command = [sys.executable, "-c", STEP, str(cache)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.mark.skipif(not shutil.which("g++"), reason="compiling for the CPU needs g++")
def test_compile_blocks_reuses_the_artefacts_of_an_earlier_process(tmp_path: Path) -> None:
    first = run(tmp_path)
    assert first["why_not"] is None and first["same"] and (first["hit"], first["miss"] > 0) == (0, True)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("cpu-")] == [cache_name("cpu")]
    again = run(tmp_path)
    assert again["same"] and (again["hit"], again["miss"]) == (first["miss"], 0)


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
