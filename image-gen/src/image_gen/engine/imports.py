"""Imports and uses diffusers without torch's compiler, which no engine here needs and which is a third of the import.

Comes in: work that imports or loads. Goes out: its result, the very one of plain imports. Must not: change a library's
files, or leave anything behind in `sys.modules`.

diffusers and transformers want `torch._dynamo` for decorators that only mark functions for `torch.compile`, and for
the question whether a module is a compiled one. Meanwhile a module of that name stands in: its decorators leave
functions as they are, and nothing is compiled. Where a library asks it for anything else, all that was half imported
is forgotten, and the work is done again with the compiler.
"""

import gc
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any, Final, TypeVar

_COMPILER: Final = "torch._dynamo"
_LIBRARIES: Final = (_COMPILER, "accelerate", "diffusers", "peft", "transformers")

Result = TypeVar("Result")


def diffusers_class(name: str) -> Any:
    """A public class of diffusers, None if there is none of that name."""
    return without_compiler(lambda: getattr(importlib.import_module("diffusers"), name, None))


def without_compiler(work: Callable[[], Result]) -> Result:
    """Does `work` with the stand-in, or, where that does not do, once more without. It must not compile anything."""
    before = set(sys.modules)
    with _lean() as stand_in:
        try:
            return work()
        except Exception:
            if stand_in is None or not stand_in.lacked:
                raise
    for module in set(sys.modules) - before:
        if module.split(".")[0] in _LIBRARIES or module.startswith(_COMPILER):
            del sys.modules[module]
    return work()


class CompiledModule:
    """What a compiled module would be an instance of; there are none."""


class _StandIn(ModuleType):
    """`torch._dynamo` as far as libraries need it while they are imported; `lacked` is what else they asked for."""

    def __init__(self, path: list[str]) -> None:
        super().__init__(_COMPILER)
        self.__path__ = path
        self.lacked: list[str] = []
        self.allow_in_graph = self.assume_constant_result = self.disable = _as_it_is
        self.eval_frame = SimpleNamespace(OptimizedModule=CompiledModule)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__"):
            self.lacked.append(name)
        raise AttributeError(f"module {_COMPILER!r} has no attribute {name!r} while it is left out")


@contextmanager
def _lean() -> Iterator[_StandIn | None]:
    """Puts the stand-in in place. Garbage is not looked for either: imports leave none, and it is a fifth of their
    time.
    """
    stand_in = None if _COMPILER in sys.modules else _stand_in()
    collecting = gc.isenabled()
    gc.disable()
    if stand_in is not None:
        sys.modules[_COMPILER] = stand_in
    try:
        yield stand_in
    finally:
        if stand_in is not None and sys.modules.get(_COMPILER) is stand_in:
            del sys.modules[_COMPILER]
        if collecting:
            gc.enable()


def _stand_in() -> _StandIn | None:
    import torch  # noqa: F401 - the parent of the module that is looked for

    spec = importlib.util.find_spec(_COMPILER)
    return _StandIn(list(spec.submodule_search_locations)) if spec and spec.submodule_search_locations else None


def _as_it_is(function: Any = None, *_: object, **__: object) -> Any:
    """A decorator, with or without arguments, that changes nothing."""
    return _as_it_is if function is None else function
