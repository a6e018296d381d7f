"""Each option of the engine: seconds with it by seconds without it, pair by pair, and what it changes and takes.

One process loads the same model twice with the service's own code, once without any option. They make the same pictures
in turn, the order changing with each pair. An option that can't be measured here has the reason in its row.
"""

from __future__ import annotations

import base64
import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bars
from contestants import prefer
from environment import environment
from figures import Ratio, paired_median
from image_gen.worker.speed.options import DEFAULTS
from models import snapshot_in
from pixels import unlike

HERE = Path(__file__).resolve().parent
_AT_ONCE = 4
_TILE_SIDE = 768


@dataclass(frozen=True)
class Option:
    """`asked` is for `engine.py`; `why_not`: why it is not measured on this device."""

    name: str
    asked: dict[str, Any]
    pictures: int = 1
    sizes: tuple[int, ...] = ()
    steps: int = 0
    rounds: int = 0
    why_not: str = ""
    # Each picture has the prompt of the one before.
    same_prompt: bool = False


@dataclass(frozen=True)
class Row:
    """Seconds are medians; `difference` is of 255; bytes are weights, and on a GPU the peak of a picture."""

    option: str
    is_default: bool
    size: str = ""
    pairs: int = 0
    seconds: float = 0.0
    baseline_seconds: float = 0.0
    ratio: Ratio | None = None
    difference: int = 0
    bytes: int = 0
    baseline_bytes: int = 0
    bar: str = ""
    missed: list[str] = field(default_factory=list)
    why_not: str = ""

    def __str__(self) -> str:
        used = "yes" if self.is_default else "no"
        if self.ratio is None:
            return f"| {self.option} | {used} | — | — | — | not measured here: {self.why_not} | — | — | — |"
        ratio = f"{self.ratio.median:.3f} ({self.ratio.low:.3f} to {self.ratio.high:.3f})"
        memory = f"{(self.bytes - self.baseline_bytes) / 1e6:+.1f}"
        return (
            f"| {self.option} | {used} | {self.size} | {self.baseline_seconds:.3f} | {self.seconds:.3f} | {ratio} "
            f"| {self.difference} | {memory} | {self.bar or '—'} |"
        )


HEAD = (
    "| option | in `auto` | size | without, s | with, s | ratio (95 % interval) | difference | memory, MB | bar |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def options_of(device: str, place: Path) -> list[Option]:
    """All ten. On a CPU some of them have nothing to do."""
    cpu = device == "cpu"
    vae = place / "vae16"
    return [
        Option("prompt-cache", {"options": ["prompt-cache"]}, same_prompt=True),
        Option("batches", {"options": ["batches"]}, pictures=_AT_ONCE),
        Option("channels-last", {"options": ["channels-last"]}),
        Option("fused-projections", {"options": ["fused-projections"]}),
        Option("compile", {"compile": str(place / "compiled")}, sizes=(64 if cpu else 1024,)),
        Option("tiles", {"tiles": True}, sizes=(_TILE_SIDE if cpu else 1024,), steps=1, rounds=4),
        Option("VAE in 16 bits", {"vae": str(vae)}, why_not="a CPU works in 32 bits" if cpu else ""),
        Option("text encoders in main memory", {}, why_not="`IMAGE_GEN_OFFLOAD=encoders` needs a small GPU"),
        Option("non-blocking copies at load", {}, why_not="diffusers always makes them, and only to a GPU"),
        Option(
            "few-step LoRA",
            {},
            why_not="another picture by design (`IMAGE_GEN_FEW_STEPS`); its time is that of its steps",
        ),
    ]


def measure(home: Path, place: Path, options: Any, say: Callable[[str], None]) -> tuple[list[Row], dict[str, Any]]:
    """A row for each option and size, printed when it is there; and what the engine says of itself."""
    rows: list[Row] = []
    _write_vae(snapshot_in(home), place / "vae16")
    chosen = [each for each in options_of(options.device, place) if options.only in {None, each.name}]
    about: dict[str, Any] = {}
    for option in chosen:
        if option.why_not:
            default = option.name in DEFAULTS[options.device] or option.name.startswith("non-blocking")
            rows.append(Row(option.name, default, why_not=option.why_not))
            say(str(rows[-1]))
            continue
        engine = _Engine(home, options.device, option.asked, place / "engine.log")
        about = about or engine.about
        try:
            why_not = engine.about["why_not"]
            for size in () if why_not else option.sizes or options.sizes:
                rows.append(_row(option, size, engine, options))
                say(str(rows[-1]))
            if why_not:
                rows.append(Row(option.name, option.name in DEFAULTS[options.device], why_not=why_not))
                say(str(rows[-1]))
        finally:
            engine.end()
    return rows, about


def _row(option: Option, size: int, engine: _Engine, options: Any) -> Row:
    ours: list[float] = []
    plain: list[float] = []
    difference = 0
    for number in range((option.rounds or options.rounds) + 1):
        seeds = [number * 10 + each for each in range(option.pictures)]
        order = {
            "prompt": f"a lighthouse at night, {'oil' if option.same_prompt else number}", "seeds": seeds,
            "width": size, "height": size, "steps": option.steps or options.steps,
        }  # fmt: skip
        turns = [True, False] if number % 2 else [False, True]
        made = {is_with: engine.make(order | {"is_with": is_with}) for is_with in turns}
        own, other = made[True], made[False]
        if number:  # the first pair warms up
            ours.append(own["seconds"])
            plain.append(other["seconds"])
        for one, another in zip(own["pictures"], other["pictures"], strict=True):
            difference = max(difference, unlike(base64.b64decode(one), base64.b64decode(another)))
    ratio = paired_median(ours, plain)
    is_default = option.name in DEFAULTS[options.device]
    bar, missed = _judged(option.name, size, ratio, difference, options, is_default=is_default)
    return Row(
        option.name, is_default, f"{f'{option.pictures} of ' if option.pictures > 1 else ''}{size}x{size}", len(ours),
        statistics.median(ours), statistics.median(plain), ratio, difference, own["bytes"], other["bytes"], bar, missed,
    )  # fmt: skip


def _judged(
    name: str, size: int, ratio: Ratio, difference: int, options: Any, *, is_default: bool
) -> tuple[str, list[str]]:
    """The bar, in words, and each that was missed."""
    limits: Any = options.bars
    words, missed = [], []
    if name == "batches" and size == bars.BATCH_SIDE and options.model == "tiny" and options.device == "cpu":
        words.append(f"{bars.BATCH} ×")
        if ratio.median > limits.most(bars.BATCH):
            missed.append(f"{name} at {size}: {ratio.median:.3f} of the time of one by one > {bars.BATCH}")
    if is_default:
        words.append(f"{bars.AUTO_DIFFERENCE} of 255")
        if difference > limits.most(bars.AUTO_DIFFERENCE):
            missed.append(f"{name} at {size}: a difference of {difference} of 255 > {bars.AUTO_DIFFERENCE}")
        if ratio.low > limits.most(bars.AUTO_LOW):
            missed.append(f"{name} at {size}: slower, {ratio.low:.3f} > {bars.AUTO_LOW}")
    return ", ".join(words), missed


class _Engine:
    """`engine.py` in a process of its own."""

    def __init__(self, home: Path, device: str, asked: dict[str, Any], log: Path) -> None:
        env = environment() | {
            "BENCH_DEVICE": device, "BENCH_MODEL": str(snapshot_in(home)), "BENCH_ENGINE": json.dumps(asked),
            "HF_HOME": str(home),
        }  # fmt: skip
        self._log = log
        with log.open("wb") as output:
            command = [sys.executable, str(HERE / "engine.py")]
            self._process = subprocess.Popen(
                command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output, text=True
            )
        self.about = self._line()
        prefer(self._process.pid)

    def make(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._line()

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the engine ended:\n{self._log.read_text(errors='replace')[-3000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        self._process.kill()
        self._process.wait(30)


def _write_vae(snapshot: Path, vae: Path) -> None:
    """The model's own VAE, which this time is not converted to 32 bits: what the fixed one is spared."""
    shutil.copytree(snapshot / "vae", vae, dirs_exist_ok=True)
    for weights in vae.glob("*.fp16.safetensors"):
        weights.rename(weights.with_name("diffusion_pytorch_model.safetensors"))
    config = vae / "config.json"
    values = json.loads(config.read_text(encoding="utf-8")) | {"force_upcast": False}
    config.unlink()
    config.write_text(json.dumps(values), encoding="utf-8")
