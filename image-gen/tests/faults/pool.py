"""Plays seeds in several processes, each with a player of its own."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context, util
from pathlib import Path
from time import monotonic
from typing import NoReturn

from tests.faults.commands import FaultError
from tests.faults.families import all_families
from tests.faults.play import Player, player
from tests.faults.stage import LeftOutError

RIGHT, LEFT_OUT, WRONG = "right", "left out", "WRONG"
# Of a seed; its commands have limits of their own.
_LIMIT_SECONDS = 180
# A family's name, and the seed.
Seed = tuple[str, int]


@dataclass(frozen=True)
class Outcome:
    kind: str
    what: str
    seconds: float


def play_all(seeds: list[Seed], jobs: int, source: Path) -> Iterator[Outcome]:
    """How each ended, in their order."""
    with ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_prepare, initargs=(source,)) as pool:
        yield from pool.map(_play, seeds)


_exits = ExitStack()
_player: list[Player] = []


def _prepare(source: Path) -> None:
    _player.append(_exits.enter_context(player(source)))
    # What `atexit` has is not called in processes of a pool.
    util.Finalize(None, _exits.close, exitpriority=10)


def _play(seed: Seed) -> Outcome:
    began = monotonic()
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(_LIMIT_SECONDS)
    family = next(each for each in all_families() if each.name == seed[0])
    try:
        kind, what = RIGHT, _player[0].play(family, seed[1])
    except LeftOutError as error:
        kind, what = LEFT_OUT, str(error)
    except FaultError as error:
        kind, what = WRONG, str(error)
    except Exception as error:
        kind, what = WRONG, f"{type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
    return Outcome(kind, what, monotonic() - began)


def _give_up(*_: object) -> NoReturn:
    raise FaultError(f"the family did not end within {_LIMIT_SECONDS} s")
