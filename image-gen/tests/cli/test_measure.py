"""`image-gen measure` on the real disk, with the real libraries."""

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from image_gen.cli import measure as module
from image_gen.cli.main import main
from image_gen.cli.measure import measure_machine
from image_gen.errors import DiskFullError, EngineError, SettingInvalidError

SOURCES = str(Path(module.__file__).parents[2])
ENVIRONMENT = {**os.environ, "PYTHONPATH": SOURCES, "IMAGE_GEN_DEVICE": "cpu", "IMAGE_GEN_WARMUP_SIZE": "64"}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_BYTES", 64 << 20)
    monkeypatch.setattr(module, "_HASHED_BYTES", 16 << 20)


def test_every_rate_is_measured_and_nothing_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = tmp_path / "huggingface"
    assert main(["measure", "--json"], {**ENVIRONMENT, "HF_HOME": str(home)}) == 0
    rates = json.loads(capsys.readouterr().out)
    assert rates["device"] == "cpu" and rates["dtype"] == "float32" and rates["warmup_side"] == 64
    for name in ("import_seconds", "cores", *(name for name in rates if name.endswith("_per_second"))):
        assert rates[name] > 0, name
    assert list(home.iterdir()) == []


def test_a_slow_disk_is_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = os.preadv

    def slowly(descriptor: int, buffers: Sequence[bytearray], offset: int) -> int:
        time.sleep(0.2)
        return read(descriptor, buffers, offset)

    plain = module._file_rates(tmp_path)["read_bytes_per_second"]
    monkeypatch.setattr(module.os, "preadv", slowly)
    slow = module._file_rates(tmp_path)["read_bytes_per_second"]
    # Eight blocks in two rounds of six threads.
    assert plain is not None and slow is not None and slow < min(plain, (64 << 20) / 0.4)


def test_a_disk_without_room_is_said_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LEAST_BYTES", 1 << 60)
    with pytest.raises(DiskFullError, match=r"has no room for the .* MB that are written, read and deleted\. Fix: "):
        measure_machine(tmp_path, ENVIRONMENT)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("variable", "value"),
    [("IMAGE_GEN_DEVICE", "rubbish"), ("IMAGE_GEN_DTYPE", "float7"), ("IMAGE_GEN_WARMUP_SIZE", "x")],
)
def test_a_setting_that_is_none_is_refused_as_by_the_service(tmp_path: Path, variable: str, value: str) -> None:
    with pytest.raises(SettingInvalidError, match=f"^{variable}: expected "):
        measure_machine(tmp_path, {**ENVIRONMENT, variable: value})
    assert list(tmp_path.iterdir()) == []


def test_a_device_that_is_not_there_is_one_line_with_its_fix(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"^The engine could not be measured: IMAGE_GEN_DEVICE is mps, but .* Fix: "):
        measure_machine(tmp_path, {**ENVIRONMENT, "IMAGE_GEN_DEVICE": "mps"})


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("import sys; sys.stderr.write('no such library'); sys.exit(1)", "no such library"),
        ("import sys; sys.exit(3)", "it ended with 3"),
        ("import sys; sys.stderr.write('x' * 1_000_000 + chr(10) + 'the end'); print('no JSON')", "the end"),
    ],
)
def test_libraries_that_fail_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, reason: str
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{program.replace(chr(39), chr(34))}'\n")
    python.chmod(0o755)
    monkeypatch.setattr(module.sys, "executable", str(python))
    with pytest.raises(EngineError, match=rf"^The engine could not be measured: {reason}\. Fix: "):
        measure_machine(tmp_path / "home", ENVIRONMENT)


def test_libraries_that_never_end_are_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 60\n")
    python.chmod(0o755)
    monkeypatch.setattr(module.sys, "executable", str(python))
    monkeypatch.setattr(module, "_TIMEOUT_SECONDS", 0.5)
    with pytest.raises(EngineError, match=r"The engine was not measured in 0\.5 s\. Fix: try again"):
        measure_machine(tmp_path / "home", ENVIRONMENT)
