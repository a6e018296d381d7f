"""One seed of one family of each cause; `npm run test:faults` plays hundreds of all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.families import Family, quick_families
from tests.faults.play import Player, player
from tests.faults.stage import SOURCE, LeftOutError


@pytest.fixture(scope="module")
def source_player() -> Iterator[Player]:
    with player(SOURCE) as made:
        yield made


@pytest.mark.parametrize("family", quick_families(), ids=lambda each: each.name)
def test_fault_ends_right(family: Family, source_player: Player) -> None:
    try:
        source_player.play(family, seed=7)
    except LeftOutError as error:
        pytest.skip(f"this machine can't make that fault: {error}")
