"""The families of faults, by subject.

A family is a function that gets a `Stage`, makes a fault whose details `stage.noise` chooses, checks the end, and
returns what it did in a few words. It raises FaultError when the end is wrong. Every module of this folder is loaded.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.stage import Stage

Play = Callable[["Stage"], str | None]


@dataclass(frozen=True)
class Family:
    """`cause`: the number of the cause in the issue that the family came from. `slow`: a seed takes more than 2 s."""

    name: str
    cause: int | None
    play: Play
    slow: bool


_registry: dict[str, Family] = {}


def family(name: str, *, cause: int | None, slow: bool = False) -> Callable[[Play], Play]:
    """Registers a function as a family of this name."""

    def register(play: Play) -> Play:
        assert name not in _registry, f"two families are named {name}"
        _registry[name] = Family(name, cause, play, slow)
        return play

    return register


def all_families() -> list[Family]:
    """Every family, in the order of causes and names."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return sorted(_registry.values(), key=lambda each: (each.cause or 0, each.name))


def quick_families() -> list[Family]:
    """One family of each cause, of those that take less than 2 s; all others are for the slow part."""
    first: dict[int | None, Family] = {}
    for each in all_families():
        if not each.slow:
            first.setdefault(each.cause, each)
    return list(first.values())
