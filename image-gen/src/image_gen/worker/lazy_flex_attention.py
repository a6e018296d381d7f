"""torch's flexible attention, imported only when something of it is used: with sympy, it is a tenth of the import.

Comes in: nothing. Goes out: a module that stands in for it while diffusers is imported. Must not: differ from the real
one for its users. diffusers imports it for the few models that choose it, whatever model is asked for.
"""

import importlib
import sys
from types import ModuleType
from typing import Any, Final

NAME: Final = "torch.nn.attention.flex_attention"


class LazyFlexAttention(ModuleType):
    """Has the two names that diffusers' models take from it; whatever else is asked for comes from the real module."""

    def __init__(self) -> None:
        super().__init__(NAME)
        self.BlockMask = BlockMask
        self.create_block_mask = create_block_mask

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_real(), name)


class _Type(type):
    """Nothing can be a mask before the real module is there."""

    def __instancecheck__(cls, instance: object) -> bool:
        real = sys.modules.get(NAME)
        return real is not None and not isinstance(real, LazyFlexAttention) and isinstance(instance, real.BlockMask)

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_real().BlockMask, name)

    def __call__(cls, *arguments: Any, **named: Any) -> Any:
        return _real().BlockMask(*arguments, **named)


class BlockMask(metaclass=_Type):
    """The real one, for calls, attributes and `isinstance`."""


def create_block_mask(*arguments: Any, **named: Any) -> Any:
    """The real one."""
    return _real().create_block_mask(*arguments, **named)


def _real() -> Any:
    if isinstance(sys.modules.get(NAME), LazyFlexAttention):
        del sys.modules[NAME]
    return importlib.import_module(NAME)
