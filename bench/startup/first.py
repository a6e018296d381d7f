"""A first start: from a hub on loopback behind a line of a given rate, into an empty cache."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from bars import STARTUP_FIRST_SECONDS, Bars
from bench_hub import serving
from contest import contest
from forecast import is_near
from models import MODEL_ID, snapshot_in


def first_start(
    model: Path, place: Path, rate: int, imports: float, planned: float | None, limits: Bars, say: Callable[[str], None]
) -> bool:
    """Prints a line; whether all weights are on the device within the imports and three seconds of the last byte, and
    the first picture is made when the plan said so (None: it was not asked).

    `model` is what `models.py` wrote, `rate` is in MB/s, all connections together; 0 is no limit.
    """
    repository = place / "repositories" / MODEL_ID
    repository.parent.mkdir(parents=True, exist_ok=True)
    repository.unlink(missing_ok=True)
    repository.symlink_to(snapshot_in(model))
    (place / "port").unlink(missing_ok=True)
    home = place / "first"
    with serving(place / "repositories", place / "port") as hub:
        hub.warm_up(MODEL_ID)
        hub.line(rate * 1_000_000 or None)
        hub.forget()
        begin = time.time()
        more = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0"}
        start = contest("ours", place, lambda: None, home, more)
        requests = hub.requests()
    shutil.rmtree(home)
    last_byte = max(entry["ended"] for entry in requests if entry.get("ended")) - begin
    after = start.seconds - last_byte
    met = after <= limits.most(imports + STARTUP_FIRST_SECONDS)
    met = met and (planned is None or is_near(start.picture_seconds, planned, limits))
    plan = "" if planned is None else f", first picture {start.picture_seconds:.1f} s, forecast {planned:.0f} s"
    line = f"{rate} MB/s" if rate else "no limit"
    say(
        f"first start, line of {line}: last byte after {last_byte:.1f} s, weights on the device {after:.1f} s later "
        f"(bar {imports + STARTUP_FIRST_SECONDS:.1f} s: imports and 3 s){plan}  {'met' if met else 'NOT MET'}"
    )
    say(f"  ours   {start}")
    return met
