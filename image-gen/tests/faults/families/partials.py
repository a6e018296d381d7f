"""Partial downloads in a cache that other programs read and write, too."""

from __future__ import annotations

import fcntl
import hashlib
import struct
import time
from pathlib import Path

from tests.faults.commands import FaultError
from tests.faults.families import family
from tests.faults.stage import PIECE, Stage

UNET = "unet/diffusion_pytorch_model.safetensors"


def _killed(stage: Stage) -> None:
    """A download of several pieces that was killed in the middle."""
    stage.piece_bytes = PIECE
    stage.hub.panel.turn({"line_bytes_per_second": 500_000})
    running = stage.start("prefetch")
    enough, until = stage.noise.randrange(120_000, 250_000), time.monotonic() + 20
    while sum(each["bytes"] for each in stage.hub.requests) < enough and time.monotonic() < until:
        time.sleep(0.01)
    running.kill()
    stage.calm()


def _older_client(stage: Stage) -> None:
    """What huggingface_hub 0.25 to 1.12 do: continue `<etag>.incomplete` at its length, and check no hash."""
    for path in sorted(stage.repo().rglob("*.safetensors")):
        content = path.read_bytes()
        blob = stage.cached() / "blobs" / hashlib.sha256(content).hexdigest()
        partial = blob.with_name(f"{blob.name}.incomplete")
        if not blob.exists():
            have = partial.stat().st_size if partial.exists() else 0
            with partial.open("ab") as stream:
                stream.write(content[have:])
            partial.replace(blob)


def _wrong_blobs(stage: Stage) -> None:
    for blob in (stage.cached() / "blobs").iterdir():
        if len(blob.name) == 64 and hashlib.sha256(blob.read_bytes()).hexdigest() != blob.name:
            raise FaultError(f"an older client took {blob.stat().st_size} bytes for all of {blob.name[:8]}")


@family("killed download, then an older hub client", cause=4)
def older_client(stage: Stage) -> None:
    _killed(stage)
    _older_client(stage)
    _wrong_blobs(stage)


@family("partial download that an earlier version left", cause=4)
def earlier_version(stage: Stage) -> str:
    stage.prefetch().succeeded()
    blob = (stage.snapshot() / UNET).resolve()
    content = blob.read_bytes()
    pieces = -(-len(content) // PIECE)
    have = [min(PIECE, len(content) - PIECE * piece) * stage.noise.randrange(2) for piece in range(pieces)]
    boot = bytes.fromhex(Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", ""))
    journal = struct.pack("<8sQQ16s", b"ranges-1", len(content), PIECE, boot)
    journal += b"".join(struct.pack("<QQ", each, each) for each in have)
    partial = b"".join(content[n * PIECE :][: have[n]] + bytes(PIECE - have[n]) for n in range(pieces))
    blob.with_name(f"{blob.name}.incomplete").write_bytes(partial[: len(content)])
    blob.with_name(f"{blob.name}.ranges.incomplete").write_bytes(journal)
    blob.unlink()
    stage.piece_bytes = PIECE
    stage.impatient()
    stage.hub.panel.turn({"silent": True})
    stage.start("prefetch").wait().failed()
    _older_client(stage)
    _wrong_blobs(stage)
    return f"{sum(have)} of {len(content)} bytes were there"


@family("partial download of a hub client at work", cause=4)
def theirs(stage: Stage) -> None:
    content = (stage.repo() / UNET).read_bytes()
    key = hashlib.sha256(content).hexdigest()
    partial, lock = stage.cached() / "blobs" / f"{key}.incomplete", stage.home / "hub" / ".locks"
    lock = lock / stage.cached().name / f"{key}.lock"
    for place in (partial, lock):
        place.parent.mkdir(parents=True)
    written = content[: stage.noise.randrange(len(content))]
    with lock.open("w") as held, partial.open("wb") as stream:
        fcntl.flock(held, fcntl.LOCK_EX)
        stream.write(written)
        stream.flush()
        stage.piece_bytes = stage.noise.choice([0, PIECE])
        stage.prefetch().succeeded()
        if not partial.exists() or partial.read_bytes() != written:
            raise FaultError("the partial download of a hub client was touched")
    stage.served()
