"""Kills a fetch at random points, lets it end, and counts what the hub had to send in all."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from pathlib import Path

from bench_hub import BenchHub
from image_gen.model_cache import CacheSettings, ModelCache
from image_gen.model_cache.core.layout import RepoLayout
from image_gen.model_cache.download.downloader import cached_bytes
from runs import MODEL, environment, ours


def resume_ratio(hub: BenchHub, home: Path, kills: int, seed: int) -> float:
    """Bytes sent by the hub for files ÷ bytes of the model. Raises SystemExit when the end result is not right."""
    shutil.rmtree(home, ignore_errors=True)
    settings = CacheSettings.from_env(environment(hub, home))
    manifest = ModelCache(settings).resolve(MODEL)
    layout = RepoLayout(settings.hub_cache, MODEL)
    noise = random.Random(seed)
    points = sorted(noise.randrange(1, manifest.bytes_total) for _ in range(kills))
    hub.forget()
    done = 0
    for point in points:
        with subprocess.Popen(
            ours(), env=environment(hub, home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            while process.poll() is None and cached_bytes(layout, manifest) < point:
                time.sleep(0.005)
            if process.poll() is None:
                process.kill()
                done += 1
    subprocess.run(ours(), env=environment(hub, home), stdout=subprocess.DEVNULL, check=True)
    time.sleep(0.5)
    sent = sum(entry["bytes"] for entry in hub.requests() if "/resolve/" in entry["path"])
    report = ModelCache(settings).verify(MODEL)
    if not report.ok:
        raise SystemExit(f"bench: the model that was put together is damaged: {report.as_json()}")
    ratio = sent / manifest.bytes_total
    print(
        f"\n{done} of {kills} kills fell into the fetch; the hub sent {sent / 1e6:.1f} MB for "
        f"{manifest.bytes_total / 1e6:.1f} MB;"
        f" the end result verifies\nresume ratio {ratio:.4f}"
    )
    return ratio
