"""A bench that misses a bar exits with 1, by its own decisions, and one that meets them all with 0."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

BENCHES = Path(__file__).resolve().parents[3] / "bench"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """The bench of a name as a module, with its own modules beside it; they are forgotten afterwards."""
    before = set(sys.modules)

    def load(name: str) -> Any:
        for folder in (BENCHES / "common", BENCHES / name):
            monkeypatch.syspath_prepend(str(folder))
        spec = importlib.util.spec_from_file_location(f"bench_{name}", BENCHES / name / "__main__.py")
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    yield load
    for name in set(sys.modules) - before:
        if str(BENCHES) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def exit_code(module: Any, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["bench", *arguments])
    code: int = module.main()
    return code


@pytest.mark.parametrize(
    ("seconds", "theirs", "memory", "bars", "code"),
    [
        (0.2, 0.25, 100_000_000, "1", 0),
        (0.3, 0.35, 100_000_000, "1", 1),  # less than the line's rate
        (0.2, 0.19, 100_000_000, "1", 1),  # slower than theirs
        (0.2, 0.25, 400_000_000, "1", 1),  # more memory
        (0.2, 0.25, 100_000_000, "0", 1),
    ],
)
def test_fetch_exits_with_1_below_the_rate_of_the_line_or_of_theirs_or_above_the_memory(
    bench: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, *, seconds: float, theirs: float, memory: int,
    bars: str, code: int,
) -> None:  # fmt: skip
    module = bench("fetch")

    @contextmanager
    def serving(*_: Path) -> Iterator[Any]:
        yield SimpleNamespace(warm_up=lambda _: None, line=lambda _: None)

    def timed(_hub: Any, command: list[str], home: Path) -> Any:
        home.mkdir()
        took = seconds if command == module.ours() else theirs
        return module.Run(took, took, memory)

    monkeypatch.setattr(module, "write_model", lambda *_: 10_000_000)
    monkeypatch.setattr(module, "serving", serving)
    monkeypatch.setattr(module, "timed", timed)
    arguments = ("--rates", "50", "--rounds", "1", "--kills", "0", "--bars", bars)
    assert exit_code(module, monkeypatch, *arguments) == code


class FakeDisk:
    """A disk on which nothing is read."""

    why_plain = "a fake"

    def __init__(self, place: Path, _size: int) -> None:
        self.mount = place / "mount"

    def __enter__(self) -> FakeDisk:
        self.mount.mkdir()
        return self

    def __exit__(self, *_: object) -> None: ...

    def enter(self) -> None: ...

    def forget(self) -> None: ...

    def warm(self) -> None: ...

    def throttle(self, _rate: int) -> None: ...

    def read_rate(self, _paths: list[Path]) -> float:
        return 1.0


@pytest.mark.parametrize(
    ("copy", "picture", "bars", "code"),
    [(5.0, 6.0, "1", 0), (9.5, 9.6, "1", 1), (5.0, 20.0, "1", 1), (5.0, 6.0, "0", 1)],
)
def test_startup_exits_with_1_where_its_copy_or_first_picture_is_later_than_a_bar(
    bench: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, copy: float, picture: float,
    bars: str, code: int,
) -> None:  # fmt: skip
    module = bench("startup")

    def contest(who: str, _place: Path, _enter: object, home: Path, *_: object) -> Any:
        if who == "ours":
            _record(home)
        ours = (("copy", copy), ("first picture", picture))
        return module.Start((("copy", 9.0), ("first picture", 10.0)) if who == "guide" else ours, 1)

    monkeypatch.setattr(module, "Disk", FakeDisk)
    monkeypatch.setattr(module, "own_memory", lambda _: nullcontext())
    monkeypatch.setattr(module, "contest", contest)
    monkeypatch.setattr(module.models, "bake", lambda home: home)
    monkeypatch.setattr(module.Bench, "_measure_imports", lambda _: None)
    monkeypatch.setattr(module.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=b"1e9"))
    arguments = ("--sizes", "tiny", "--caches", "cold", "--out", str(tmp_path / "out"), "--bars", bars)
    assert exit_code(module, monkeypatch, *arguments) == code
    assert "first picture" in (tmp_path / "out" / "startup.svg").read_text()


@pytest.mark.parametrize(
    ("picture", "forecast", "scale", "is_met"),
    [
        (24.9, 20.0, 1.0, True),
        (25.1, 20.0, 1.0, False),
        (15.1, 20.0, 1.0, True),
        (14.9, 20.0, 1.0, False),
        (24.9, 20.0, 0.9, False),
        (99.0, None, 1.0, True),
    ],
)
def test_a_start_is_met_within_a_quarter_of_its_forecast(
    bench: Callable[[str], Any], *, picture: float, forecast: float | None, scale: float, is_met: bool
) -> None:
    module = bench("startup")
    ours = module.Start((("copy", 5.0), ("first picture", picture)), 1)
    guide = module.Start((("copy", 50.0), ("first picture", 200.0)), 1)
    row = module.Row("full", "cold", 0, 10.0, module.bars.Bars(scale), forecast, {"guide": [guide], "ours": [ours]})
    assert row.is_met is is_met


def test_startup_measures_nothing_of_a_service_that_records_no_hashes(
    bench: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module = bench("startup")
    monkeypatch.setattr(module, "contest", lambda *_: None)
    measured = module.Bench(SimpleNamespace(rounds=1, bars=module.bars.Bars()), tmp_path)
    with pytest.raises(SystemExit, match="the service recorded no hashes"):
        measured._record(SimpleNamespace(enter=None), tmp_path)
    _record(tmp_path)
    measured._record(SimpleNamespace(enter=None), tmp_path)


def _record(home: Path) -> None:
    """What a start leaves that has proven a model."""
    records = home / "image-gen" / "stamps"
    records.mkdir(parents=True, exist_ok=True)
    (records / "model.json").write_text("{}")


def test_imports_that_take_as_long_as_plain_ones_are_missed(
    bench: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = bench("startup")
    clock = iter(range(0, 100, 5))
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(module.subprocess, "run", lambda *_, **__: None)
    measured = module.Bench(SimpleNamespace(rounds=1, bars=module.bars.Bars()), Path())
    measured._measure_imports()
    assert measured.missed == ["imports"]


@pytest.mark.parametrize(
    ("seconds", "scale", "is_met"),
    [
        (13.9, 1.0, True),  # 3.9 s after the last byte, with imports of 1 s
        (14.1, 1.0, False),
        (13.9, 0.9, False),
    ],
)
def test_a_first_start_is_met_within_imports_and_three_seconds_of_its_last_byte(
    bench: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, seconds: float, scale: float,
    is_met: bool,
) -> None:  # fmt: skip
    module = bench("startup")
    first = sys.modules["first"]
    hub = SimpleNamespace(
        url="http://hub", warm_up=lambda _: None, line=lambda _: None, forget=lambda: None,
        requests=lambda: [{"ended": 1007.0}, {"ended": 1010.0}, {}],
    )  # fmt: skip

    def contest(_who: str, _place: Path, _forget: Any, home: Path, _more: Any) -> Any:
        home.mkdir()
        return module.Start((("copy", seconds), ("first picture", seconds + 1)), 1)

    monkeypatch.setattr(first, "serving", lambda *_: nullcontext(hub))
    monkeypatch.setattr(first, "contest", contest)
    monkeypatch.setattr(first, "snapshot_in", lambda model: model)
    monkeypatch.setattr(first, "time", SimpleNamespace(time=lambda: 1000.0))
    limits = module.bars.Bars(scale)
    assert module.first_start(tmp_path, tmp_path, 50, 1.0, None, limits, lambda _: None) is is_met
    # The first picture a second after the weights, and the forecast of `imagegen plan`.
    for planned, is_near in ((seconds + 1, is_met), (2 * seconds, False)):
        assert module.first_start(tmp_path, tmp_path, 50, 1.0, planned, limits, lambda _: None) is is_near


@pytest.mark.parametrize(("ours", "bars", "code"), [(95.0, "1", 0), (80.0, "1", 1), (95.0, "0", 1)])
def test_verify_exits_with_1_below_the_rate_of_disk_and_cores(
    bench: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, ours: float, bars: str, code: int
) -> None:
    module = bench("verify")
    monkeypatch.setattr(module, "own_memory", lambda _: nullcontext())
    monkeypatch.setattr(module.Bench, "run", lambda _: [module.Row("x", 100.0, 200.0, 150.0, ours, (10, 10))])
    assert exit_code(module, monkeypatch, "--bars", bars) == code


@pytest.mark.parametrize(("backup", "bars", "code"), [(1.4, "1", 0), (1.6, "1", 1), (1.4, "0", 1)])
def test_backup_exits_with_1_where_it_takes_longer_than_1_5_times_tar(
    bench: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, backup: float, bars: str, code: int
) -> None:
    module = bench("backup")

    class Measured:
        def __init__(self, *_: object) -> None: ...

        def run(self, _pairs: int) -> dict[str, Any]:
            one = [(1.0, 1.0)]
            return {"backup": [(backup, 1.0)], "tar c": one, "restore": one, "tar x": one}

    monkeypatch.setattr(module, "Bench", Measured)
    monkeypatch.setattr(module, "_hash_rate", lambda: 1.0)
    monkeypatch.setattr(module.os, "geteuid", lambda: 0)
    assert exit_code(module, monkeypatch, "--size", "0.001", "--bars", bars) == code


@pytest.mark.parametrize(("ratio", "bars", "code"), [(0.9, "1", 0), (0.7, "1", 1), (0.9, "0", 1)])
def test_workers_exits_with_1_where_many_make_too_little_more_than_one(
    bench: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, ratio: float, bars: str, code: int
) -> None:
    module = bench("workers")
    times = {1: 2.0, 2: 2.0 / 1.95, 8: 2.0 / (8 * ratio)}
    monkeypatch.setattr(module, "seconds_per_job", lambda count, _options, **_: times[count])
    assert exit_code(module, monkeypatch, "--bars", bars) == code


PICTURE = {"size": "64x64", "ratio": {"median": 1.0, "low": 0.98, "high": 1.019}}
SLOW = {"size": "64x64", "ratio": {"median": 1.01, "low": 0.98, "high": 1.03}}


@pytest.mark.parametrize(
    ("figures", "bars", "code"),
    [
        ({"rows": [PICTURE]}, "1", 0),
        ({"rows": [SLOW]}, "1", 1),
        ({"rows": [PICTURE]}, "0", 1),
        ({"rows": [SLOW], "device": "cuda"}, "1", 0),  # the bar is that of the tiny model on a CPU
        ({"costs": [{"name": "the service", "limit": "5 ms", "is_within": False}]}, "1", 1),
        ({"options": [{"missed": []}]}, "1", 0),
        ({"options": [{"missed": ["batches at 64: too slow"]}]}, "1", 1),
    ],
)
def test_pictures_exits_with_1_for_a_slow_picture_a_cost_or_an_option_that_misses_its_bar(
    bench: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, figures: dict[str, Any], bars: str,
    code: int,
) -> None:  # fmt: skip
    module = bench("pictures")
    report = {"model": "tiny", "device": "cpu", "environment": {}, **figures}
    monkeypatch.setattr(module, "run", lambda *_: report)
    out = tmp_path / "figures.json"
    assert exit_code(module, monkeypatch, "--out", str(out), "--bars", bars) == code
    assert json.loads(out.read_text()) == report


@pytest.mark.parametrize(
    ("name", "size", "median", "low", "difference", "count"),
    [
        ("batches", 64, 0.79, 0.7, 1, 0),
        ("batches", 64, 0.81, 0.7, 1, 1),
        ("batches", 256, 0.9, 0.8, 1, 0),  # only printed
        ("batches", 64, 0.79, 0.7, 3, 1),
        ("prompt-cache", 64, 1.05, 1.03, 0, 1),
        ("fused-projections", 64, 1.5, 1.4, 9, 0),  # not in `auto`
    ],
)
def test_an_option_of_auto_that_is_slower_or_changes_a_picture_is_missed(
    bench: Callable[[str], Any], *, name: str, size: int, median: float, low: float, difference: int, count: int
) -> None:
    module = bench("pictures")
    options = SimpleNamespace(model="tiny", device="cpu", bars=module.bars.Bars())
    ratio = module.Ratio(median, low, 2.0)
    is_default = name in module.engine_options.DEFAULTS["cpu"]
    _, missed = module.engine_options._judged(name, size, ratio, difference, options, is_default=is_default)
    assert len(missed) == count


@pytest.mark.parametrize(("ours", "is_within"), [(1.01, True), (1.03, False)])
def test_a_cost_over_its_limit_is_not_within_it(bench: Callable[[str], Any], ours: float, is_within: bool) -> None:
    module = bench("pictures")
    make = [lambda _, seconds=seconds: module.costs.Made(seconds, b"") for seconds in (ours, 1.0)]
    limits = module.bars.Bars()
    cost = module.costs._cost("x", module.Job(64, 64, 1, 0), 20, *make, limits, None, 1.02)
    assert asdict(cost)["is_within"] is is_within
