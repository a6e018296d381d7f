"""One seed of each family that the quick part leaves out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.families import Family, all_families, quick_families
from tests.faults.play import Player, player
from tests.faults.stage import SOURCE, LeftOutError


@pytest.fixture(scope="module")
def source_player() -> Iterator[Player]:
    with player(SOURCE) as made:
        yield made


_OTHERS = [each for each in all_families() if each not in quick_families()]


@pytest.mark.parametrize("family", _OTHERS, ids=lambda each: each.name)
def test_fault_ends_right(family: Family, source_player: Player) -> None:
    try:
        source_player.play(family, seed=7)
    except LeftOutError as error:
        pytest.skip(f"this machine can't make that fault: {error}")
