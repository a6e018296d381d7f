"""The fake of S3, and what the tests of the command need."""

import pytest
from fake_s3.fixtures import aws, proxy, s3_server

__all__ = ["aws", "proxy", "s3_server"]


@pytest.fixture
def as_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command's signal handlers are left out: they are for a process of its own."""
    monkeypatch.setattr("signal.signal", lambda *_: None)
