"""How long `image-gen backup` and `restore` take, against `tar` with the same tree on the same disk.

npm run bench:backup -- [--size 6.94] [--pairs 5] [--place DIR]

Ours hash every byte, and tar hashes none. Each run begins with a cold page cache and ends with `sync -f`; the two take
turns, and the order changes with each pair. Nothing is shared by reflinks or hard links. The size is in GB; a small one
says less, as a disk's cache takes more of it. Needs root, to empty the page cache, and five times the size of room.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import bars
from environment import environment

_MODEL, _REVISION = "bench/backup", "c" * 40
# The shares of SDXL's large files, and as many small ones.
_SHARES = {"unet": 0.740, "text_encoder_2": 0.200, "text_encoder": 0.036, "vae": 0.024}
_SMALL_FILES = 14
_COPY = 64 << 20

Figures = tuple[float, float]


class Bench:
    """One tree, its archives and its copies, below one directory."""

    def __init__(self, place: Path, size: int) -> None:
        self._place = place
        self._home = place / "data/huggingface"
        self._write_tree(size)

    def run(self, pairs: int) -> dict[str, list[Figures]]:
        """Seconds, and CPU seconds, of each run of each program."""
        ours, theirs = self._place / "ours.tar", self._place / "tar.tar"
        runs: dict[str, tuple[list[str], Callable[[], None]]] = {
            "backup": (self._image_gen("backup", "--output", str(ours)), lambda: ours.unlink(missing_ok=True)),
            "tar c": (
                ["tar", "cf", str(theirs), "-C", str(self._place), "data/huggingface"],
                lambda: theirs.unlink(missing_ok=True),
            ),
            "restore": (self._image_gen("restore", "--input", str(ours), home="restored"), self._forget("restored")),
            "tar x": (["tar", "xf", str(theirs), "-C", str(self._place / "untarred")], self._forget("untarred")),
        }
        figures: dict[str, list[Figures]] = {name: [] for name in runs}
        for order in (("backup", "tar c"), ("restore", "tar x")):
            for number in range(pairs):
                for name in order if number % 2 == 0 else reversed(order):
                    command, clean = runs[name]
                    clean()
                    figures[name].append(self._timed(command))
                    sys.stderr.write(f"{name}: {figures[name][-1][0]:.1f} s\n")
            for name in order:
                if name in {"restore", "tar x"}:
                    runs[name][1]()
        return figures

    def _timed(self, command: list[str]) -> Figures:
        os.sync()
        Path("/proc/sys/vm/drop_caches").write_text("3", encoding="ascii")
        before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(command, env=self._environment("data/huggingface"), check=True, stdout=subprocess.DEVNULL)
        self._sync()
        seconds, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
        return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def _sync(self) -> None:
        """Every byte, as Python's `os.sync` does, but of this file system alone."""
        subprocess.run([shutil.which("sync") or "sync", "-f", str(self._place)], check=True)

    def _image_gen(self, *arguments: str, home: str = "data/huggingface") -> list[str]:
        return ["env", f"HF_HOME={self._place / home}", sys.executable, "-m", "image_gen", *arguments]

    def _environment(self, home: str) -> dict[str, str]:
        return environment() | {"HF_HOME": str(self._place / home)}

    def _forget(self, name: str) -> Callable[[], None]:
        def forget() -> None:
            shutil.rmtree(self._place / name, ignore_errors=True)
            (self._place / name).mkdir()

        return forget

    def _write_tree(self, size: int) -> None:
        root, files = self._home / "hub" / f"models--{_MODEL.replace('/', '--')}", []
        snapshot = root / "snapshots" / _REVISION
        (root / "blobs").mkdir(parents=True)
        noise = os.urandom(_COPY)
        index = {"_class_name": "StableDiffusionXLPipeline"} | {name: ["diffusers", "Model"] for name in _SHARES}
        small = {"model_index.json": json.dumps(index).encode()}
        small |= {f"tokenizer/{number}.json": noise[number : number + 40_000] for number in range(_SMALL_FILES)}
        large = {f"{name}/model.fp16.safetensors": int(share * size) for name, share in _SHARES.items()}
        for path, length in ({name: len(content) for name, content in small.items()} | large).items():
            digest, blob = hashlib.sha256(), root / "blobs" / "new"
            with blob.open("wb") as stream:
                for at in range(0, length, _COPY):
                    chunk = small.get(path, noise)[: length - at]
                    # So that no two pieces are the same.
                    chunk = at.to_bytes(8, "big") + chunk[8:] if path in large else chunk
                    digest.update(chunk)
                    stream.write(chunk)
            blob.replace(blob.with_name(digest.hexdigest()))
            (snapshot / path).parent.mkdir(parents=True, exist_ok=True)
            (snapshot / path).symlink_to(os.path.relpath(blob.with_name(digest.hexdigest()), (snapshot / path).parent))
            files.append({"path": path, "bytes": length, "sha256": digest.hexdigest()})
        (root / "refs").mkdir()
        (root / "refs/main").write_text(_REVISION, encoding="ascii")
        manifest = {
            "schema": 1, "id": _MODEL, "aliases": [], "revision": _REVISION, "pipeline": "StableDiffusionXLPipeline",
            "variant": "fp16", "licence": None, "gated": False, "load": {}, "files": files,
        }  # fmt: skip
        kept = self._home / "image-gen/manifests"
        kept.mkdir(parents=True)
        (kept / f"{_MODEL.replace('/', '--')}.json").write_text(json.dumps(manifest), encoding="utf-8")


def _hash_rate() -> float:
    """Bytes a second of sha256 on one core: what no copy that is hashed can beat."""
    chunk, digest, begin = bytes(_COPY), hashlib.sha256(), time.perf_counter()
    for _ in range(8):
        digest.update(chunk)
    return 8 * _COPY / (time.perf_counter() - begin)


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{name}, {'with' if 'sha_ni' in flags or 'sha2' in flags else 'without'} instructions for sha256"


def main() -> int:
    parser = argparse.ArgumentParser(description="How long a backup and a restore take, against tar.")
    parser.add_argument("--size", type=float, default=6.94, metavar="GB")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--place", default=tempfile.gettempdir(), help="a directory of the disk to be measured")
    bars.add_bars(parser)
    options = parser.parse_args()
    if os.geteuid():
        raise SystemExit("bench:backup: only root can empty the page cache. Fix: run it as root.")
    with tempfile.TemporaryDirectory(dir=options.place, prefix="image-gen-bench-") as place:
        figures = Bench(Path(place), int(options.size * 1e9)).run(options.pairs)
        df = [shutil.which("df") or "df", "--output=fstype,source", place]
        disk = subprocess.run(df, check=True, stdout=subprocess.PIPE, text=True)
    medians = {name: [statistics.median(each) for each in zip(*runs, strict=True)] for name, runs in figures.items()}
    fine = True
    for ours, theirs in (("backup", "tar c"), ("restore", "tar x")):
        ratio, cpu = (medians[ours][which] / medians[theirs][which] for which in (0, 1))
        within = ratio <= options.bars.most(bars.BACKUP)
        fine = fine and within
        print(
            f"{ours:8} {medians[ours][0]:6.1f} s ({medians[ours][1]:.1f} s CPU)   {theirs} {medians[theirs][0]:6.1f} s "
            f"({medians[theirs][1]:.1f} s CPU)   {ratio:.2f} x tar, {cpu:.1f} x its CPU   "
            f"{'ok' if within else 'ABOVE THE BAR'}"
        )
    print(f"{options.size:g} GB, medians of {options.pairs} pairs; bar: {bars.BACKUP} x tar's time.")
    print(f"{_processor()}, {os.cpu_count()} cores; sha256 {_hash_rate() / 1e6:.0f} MB/s on one of them.")
    print(f"Disk: {' '.join(disk.stdout.split()[2:])}. Load at the end: {os.getloadavg()[0]:.1f}.")
    return 0 if fine else 1


if __name__ == "__main__":
    raise SystemExit(main())
