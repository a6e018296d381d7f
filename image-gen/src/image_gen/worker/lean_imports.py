"""Imports and uses diffusers without what no engine here needs: torch's compiler, its tensors that are spread over
processes, its flexible attention. Together they are more than a third of the import.

Comes in: work that imports or loads. Goes out: its result, the very one of plain imports. Must not: change a library's
files, or leave anything behind in `sys.modules`.

diffusers and transformers want `torch._dynamo` for decorators that only mark functions for `torch.compile`, and for
the question whether a module is a compiled one. Meanwhile a module of that name stands in: its decorators leave
functions as they are, and nothing is compiled. Where a library asks it for anything else, all that was half imported
is forgotten, and the work is done again with the compiler. So it is where one imports a module below it (torchvision
does): such a module would stay, and the compiler's own import would later fail halfway.

transformers asks whether torch has the other two, and works without: the answer is no, as a worker is one process and
uses neither. diffusers gets flexible attention when it uses it (see `lazy_flex_attention`).
"""

import gc
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any, Final, TypeVar

from image_gen.worker import lazy_flex_attention

_COMPILER: Final = "torch._dynamo"
# What may be imported below the stand-in: it needs nothing of the package that it is in.
_INDEPENDENT: Final = frozenset({f"{_COMPILER}._trace_wrapped_higher_order_op"})
_NOT_NEEDED: Final = ("is_torch_distributed_available", "is_torch_flex_attn_available")
_LIBRARIES: Final = (_COMPILER, "accelerate", "diffusers", "peft", "transformers")

Result = TypeVar("Result")


def diffusers_class(name: str) -> Any:
    """A public class of diffusers, None if there is none of that name."""

    def work() -> Any:
        _spare_transformers()
        return getattr(importlib.import_module("diffusers"), name, None)

    return without_dynamo(work)


def _spare_transformers() -> None:
    """Answers its questions before the modules that ask them are imported. Questions that it has not are left out."""
    importlib.import_module("transformers")
    for module in map(importlib.import_module, ("transformers.utils.import_utils", "transformers.utils")):
        for question in _NOT_NEEDED:
            if hasattr(module, question):
                setattr(module, question, lambda: False)


def without_dynamo(work: Callable[[], Result]) -> Result:
    """Does `work` with the stand-in, or, where that does not do, once more without. It must not compile anything."""
    before = set(sys.modules)
    with _stub_dynamo() as stand_in:
        try:
            result = work()
            if stand_in is None or not stand_in.refused:
                return result
        except Exception:
            if stand_in is None or not (stand_in.lacked or stand_in.refused):
                raise
    for module in set(sys.modules) - before:
        if module.split(".")[0] in _LIBRARIES or module.startswith(_COMPILER):
            del sys.modules[module]
    return work()


class CompiledModule:
    """What a compiled module would be an instance of; there are none."""


class _DynamoStub(ModuleType):
    """`torch._dynamo` as far as libraries need it while they are imported; `lacked` is what else they asked it for,
    `refused` which modules below it they tried to import. It is the finder (PEP 451) that refuses them.
    """

    def __init__(self, path: list[str]) -> None:
        super().__init__(_COMPILER)
        self.__path__ = path
        self.lacked: list[str] = []
        self.refused: list[str] = []
        self.allow_in_graph = self.assume_constant_result = self.disable = _as_it_is
        self.eval_frame = SimpleNamespace(OptimizedModule=CompiledModule)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__"):
            self.lacked.append(name)
        raise AttributeError(f"module {_COMPILER!r} has no attribute {name!r} while it is left out")

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
        if name.startswith(f"{_COMPILER}.") and name not in _INDEPENDENT:
            self.refused.append(name)
            raise ModuleNotFoundError(f"No module named {name!r} while {_COMPILER} is left out", name=name)


@contextmanager
def _stub_dynamo() -> Iterator[_DynamoStub | None]:
    """Puts the stand-in in place. Garbage is not looked for either: imports leave none, and it is a fifth of their
    time.
    """
    stand_in = None if _COMPILER in sys.modules else _dynamo_stub()
    later = None if lazy_flex_attention.NAME in sys.modules else lazy_flex_attention.LazyFlexAttention()
    collecting = gc.isenabled()
    gc.disable()
    if stand_in is not None:
        sys.modules[_COMPILER] = stand_in
        sys.meta_path.insert(0, stand_in)
    if later is not None:
        sys.modules[lazy_flex_attention.NAME] = later
    try:
        yield stand_in
    finally:
        if stand_in is not None:
            sys.meta_path.remove(stand_in)
        if stand_in is not None and sys.modules.get(_COMPILER) is stand_in:
            del sys.modules[_COMPILER]
        if later is not None and sys.modules.get(lazy_flex_attention.NAME) is later:
            del sys.modules[lazy_flex_attention.NAME]
        if collecting:
            gc.enable()


def _dynamo_stub() -> _DynamoStub | None:
    import torch  # noqa: F401 - the parent of the module that is looked for

    spec = importlib.util.find_spec(_COMPILER)
    return _DynamoStub(list(spec.submodule_search_locations)) if spec and spec.submodule_search_locations else None


def _as_it_is(function: Any = None, *_: object, **__: object) -> Any:
    """A decorator, with or without arguments, that changes nothing."""
    return _as_it_is if function is None else function
