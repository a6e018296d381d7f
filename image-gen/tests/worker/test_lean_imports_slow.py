"""The lean import gives what the plain one gives, sooner, and gives up where a library wants more."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from image_gen.worker.lean_imports import without_dynamo

SOURCES = Path(__file__).parents[2] / "src"
PROGRAM = """
import hashlib, inspect, json, sys
if sys.argv[2] == "plain":
    import torch._dynamo
    from diffusers import StableDiffusionXLPipeline as found
else:
    from image_gen.worker.lean_imports import diffusers_class
    found = diffusers_class("StableDiffusionXLPipeline")
from image_gen.worker.pictures.generate import generate_image
from image_gen.worker.pipeline import load
from image_gen.worker.protocol import LoadRequest, ImageJob
import torch
torch.set_num_threads(1)
loaded = load(LoadRequest(sys.argv[1], "StableDiffusionXLPipeline", "fp16"), "cpu", "float32")
picture = generate_image(loaded, ImageJob("one", "x", 1, 2, 64, 64), lambda: False)
compiler = "torch._dynamo" in sys.modules
compiled = torch.compile(lambda x: x + 1, backend="eager")(torch.ones(1)).item()
print(json.dumps({
    "class": [f"{each.__module__}.{each.__qualname__}" for each in found.__mro__],
    "same": type(loaded.pipeline) is found,
    "call": str(inspect.signature(found.__call__)),
    "parts": {name: type(part).__module__ for name, part in loaded.pipeline.components.items()},
    "picture": hashlib.sha256(picture.data).hexdigest(),
    "compiler": compiler,
    "compiled": compiled,
}))
"""


def run(model: Path, way: str, home: Path) -> Any:
    output = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(model), way],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(SOURCES),
            "HOME": str(home),
            "HF_HUB_OFFLINE": "1",
            "OMP_WAIT_POLICY": "PASSIVE",
        },
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    return json.loads(output.splitlines()[-1])


def test_lean_imports_give_the_same_pipeline_and_image(demo_model: Path, tmp_path: Path) -> None:
    lean, plain = run(demo_model, "lean", tmp_path), run(demo_model, "plain", tmp_path)
    assert plain.pop("compiler")
    assert not lean.pop("compiler")
    assert lean.pop("compiled") == plain.pop("compiled") == 2.0  # it can be imported afterwards
    assert lean == plain
    assert lean["same"]


def test_lean_imports_fall_back_to_the_real_compiler() -> None:
    program = """
import sys
from image_gen.worker.lean_imports import without_dynamo

def work():
    import torch._dynamo
    asked.append(type(sys.modules["torch._dynamo"]).__name__)
    return torch._dynamo.explain.__name__

asked = []
print(without_dynamo(work), *asked)
"""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCES)}
    output = subprocess.run([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, check=True).stdout
    assert output.split() == [b"explain", b"_DynamoStub", b"module"]


def test_lean_imports_leave_no_part_of_the_compiler_behind(tmp_path: Path) -> None:
    """As torchvision does, where it is installed."""
    (tmp_path / "of_the_compiler.py").write_text("from torch._dynamo.utils import counters\n")
    program = """
import importlib
from image_gen.worker.lean_imports import without_dynamo

print(without_dynamo(lambda: importlib.import_module("of_the_compiler")).__name__)
import torch

print(torch.compile(lambda x: x + 1, backend="eager")(torch.ones(1)).item(), torch._dynamo.utils.__name__)
"""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{SOURCES}:{tmp_path}"}
    output = subprocess.run([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, check=True).stdout
    assert output.split() == [b"of_the_compiler", b"2.0", b"torch._dynamo.utils"]


def test_lean_imports_do_not_retry_other_errors() -> None:
    tries: list[int] = []

    def work() -> None:
        tries.append(1)
        raise ValueError("no such file")

    with pytest.raises(ValueError, match="no such file"):
        without_dynamo(work)
    assert tries == [1]


def test_lazy_flex_attention_is_the_real_module_once_used() -> None:
    program = """
import sys
from image_gen.worker.lean_imports import diffusers_class

assert diffusers_class("StableDiffusionXLPipeline").__name__ == "StableDiffusionXLPipeline"
print(*(name in sys.modules for name in ("sympy", "torch.distributed.tensor", "torch.nn.attention.flex_attention")))

from diffusers.models.attention_dispatch import flex_attention as dispatched
from diffusers.models.transformers.transformer_anyflow_far import BlockMask, create_block_mask

print(isinstance(None, BlockMask), "sympy" in sys.modules)
mask = create_block_mask(lambda b, h, q, kv: q >= kv, 1, 1, 128, 128, device="cpu")

import torch.nn.attention.flex_attention as real

print(type(mask) is real.BlockMask, isinstance(mask, BlockMask), isinstance(1, BlockMask))
print(dispatched.flex_attention is real.flex_attention, BlockMask.from_kv_blocks == real.BlockMask.from_kv_blocks)
"""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCES), "HF_HUB_OFFLINE": "1"}
    output = subprocess.run([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, check=True).stdout
    assert output.decode().split("\n")[:4] == ["False False False", "False False", "True True False", "True True"]
