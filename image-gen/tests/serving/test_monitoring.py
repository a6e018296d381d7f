"""Dashboard and alert rules in `monitoring/` name only metrics that the service has, and promtool accepts them."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .conftest import Server, StartServer

FOLDER = Path(__file__).resolve().parents[3] / "monitoring"
_METRIC = re.compile(r"\b(?:image_gen|process|up)(?:_[a-z0-9_]+)?\b(?!\"|=)")
# Set by Prometheus itself.
_PROMETHEUS = {"up"}


def expressions() -> dict[str, str]:
    """All queries, by the panel or alert that has them."""
    panels: list[dict[str, Any]] = json.loads((FOLDER / "grafana-dashboard.json").read_text("utf-8"))["panels"]
    found = {
        f"{panel['title']} {target['refId']}": target["expr"] for panel in panels for target in panel.get("targets", [])
    }
    text = (FOLDER / "prometheus-alerts.yaml").read_text("utf-8")
    alerts = re.findall(r"- alert: (\w+)\n +expr: (?:\|\n((?: {10}.*\n)+)|(.+)\n)", text)
    assert len(alerts) == text.count("- alert:") > 5
    return found | {name: block or line for name, block, line in alerts}


@pytest.fixture
def known(start_server: StartServer) -> set[str]:
    """The names of samples that a service's /metrics may show."""
    running: Server = start_server(IMAGE_GEN_USD_PER_HOUR="0.8")
    running.wait_phase("ready")
    names: set[str] = set()
    suffixes = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
    for name, kind in re.findall(r"^# TYPE (\S+) (\w+)$", running.get("/metrics").body.decode(), re.MULTILINE):
        names |= {name + suffix for suffix in suffixes[kind]}
    return names


def test_every_metric_of_the_dashboard_and_the_alerts_is_one_of_the_service(known: set[str]) -> None:
    for where, expression in expressions().items():
        used = set(_METRIC.findall(expression)) - _PROMETHEUS
        assert used or "up{" in expression, where
        assert used <= known, where


def test_every_metric_of_the_service_is_in_the_dashboard() -> None:
    written = json.loads((FOLDER.parent / "docs/reference/service.json").read_text("utf-8"))["http"]["metrics"]
    used = " ".join(expressions().values())
    assert [metric["name"] for metric in written if metric["name"] not in used] == []


def test_panels_do_not_overlap_and_have_a_unit() -> None:
    panels = json.loads((FOLDER / "grafana-dashboard.json").read_text("utf-8"))["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        assert panel["type"] == "row" or panel["fieldConfig"]["defaults"]["unit"]
    assert len({panel["id"] for panel in panels}) == len(panels)


@pytest.mark.parametrize(
    "arguments", [("check", "rules", "prometheus-alerts.yaml"), ("test", "rules", "prometheus-alerts.test.yaml"),
                  ("check", "config", "--syntax-only", "prometheus.yaml")]
)  # fmt: skip
def test_promtool_accepts_the_rules(arguments: tuple[str, ...]) -> None:
    if (promtool := shutil.which("promtool")) is None:
        pytest.skip("no promtool on PATH: apt-get install prometheus")
    done = subprocess.run([promtool, *arguments], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_accepts_the_metrics(start_server: StartServer) -> None:
    if (promtool := shutil.which("promtool")) is None:
        pytest.skip("no promtool on PATH: apt-get install prometheus")
    running = start_server()
    running.wait_phase("ready")
    running.post({"prompt": "x"})
    text = running.get("/metrics").body
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
