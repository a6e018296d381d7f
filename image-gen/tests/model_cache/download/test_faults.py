"""A few of the seeded faults of `faults.py`; `npm run test:faults` plays two hundred."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.model_cache.download.faults import FAULTS, play


@pytest.mark.parametrize("name", FAULTS)
def test_fault_ends_in_a_verified_model_or_in_one_clear_error(name: str, tmp_path: Path) -> None:
    try:
        _, outcome = play(name, 7, tmp_path)
    except LookupError as error:
        pytest.skip(f"this machine can't make that fault: {error}")
    assert outcome == "proven" or outcome.isupper()
