"""Measures how fast this machine is at what a start does, for the forecast of `imagegen plan --measure`.

Comes in: the directory of the cache, and the environment of the service. Goes out: `MachineRates`. Must not: touch a
model, or leave a file behind.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from blake3 import blake3

from image_gen import reader
from image_gen.errors import DiskFullError, EngineError
from image_gen.model_cache.core.filesystem import translate_os_errors
from image_gen.model_cache.core.report import Report
from image_gen.model_cache.download.page_cache import BLOCK_BYTES, THREADS
from image_gen.settings import Settings

_MOST_BYTES: Final = 512 << 20
_LEAST_BYTES: Final = 64 << 20
_HASHED_BYTES: Final = 256 << 20
_TIMEOUT_SECONDS: Final = 300


@dataclass(frozen=True)
class MachineRates(Report):
    """Rates in bytes a second, of files in half precision. Hashes are those of one core; `import_seconds` is with the
    libraries in the page cache; `load` turns bytes of files into weights on the device, `pass` is what one pass of the
    denoiser uses for the warm-up's picture, `prompt` what a text encoder uses for one prompt. `read` is None where the
    page cache can't be left out.
    """

    at: str
    cores: int
    import_seconds: float
    read_bytes_per_second: float | None
    blake3_bytes_per_second: float
    sha256_bytes_per_second: float
    load_bytes_per_second: float
    pass_bytes_per_second: float
    prompt_bytes_per_second: float
    device: str
    dtype: str
    warmup_side: int


def measure_machine(directory: Path, env: Mapping[str, str]) -> MachineRates:
    """Takes about half a minute. Raises DISK_FULL, ENGINE_ERROR, SETTING_INVALID, and what the directory may."""
    settings = Settings.from_env(env)
    with translate_os_errors(directory, "measuring the disk"):
        rates = _file_rates(directory)
    # What is imported for the first time comes from the disk.
    _engine(settings, env)
    engine = _engine(settings, env)
    return MachineRates(
        at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        **rates,
        **engine,
    )


def _file_rates(directory: Path) -> dict[str, Any]:
    """Of a file of random bytes: large reads by a few threads from the disk, as a start reads, and then a hash of what
    is read from the page cache by one.
    """
    directory.mkdir(parents=True, exist_ok=True)
    status = os.statvfs(directory)
    size = min(_MOST_BYTES, status.f_bavail * status.f_frsize // 4) // BLOCK_BYTES * BLOCK_BYTES
    if size < _LEAST_BYTES:
        needed = f"{_LEAST_BYTES >> 20} MB that are written, read and deleted"
        raise DiskFullError(f"{directory} has no room for the {needed}. Fix: free disk space.")
    # Without a name, so that nothing is left of it.
    with tempfile.TemporaryFile(dir=directory) as file:
        for _ in range(size // BLOCK_BYTES):
            file.write(os.urandom(BLOCK_BYTES))
        file.flush()
        os.fsync(file.fileno())
        read = _read_rate(file.fileno(), size) if _forget(file.fileno()) else None
        hashes = {
            f"{name}_bytes_per_second": _hash_rate(file.fileno(), min(size, _HASHED_BYTES), digest.update)
            for name, digest in (("blake3", blake3()), ("sha256", hashlib.sha256()))
        }
    return {"read_bytes_per_second": read, **hashes}


def _forget(descriptor: int) -> bool:
    """Takes a file out of the page cache, where the system can."""
    if not hasattr(os, "posix_fadvise"):
        return False
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    return True


def _read_rate(descriptor: int, size: int) -> float:
    buffers = threading.local()

    def prepare() -> None:
        buffers.own = bytearray(BLOCK_BYTES)

    def read(offset: int) -> int:
        return os.preadv(descriptor, [buffers.own], offset)

    with ThreadPoolExecutor(THREADS, initializer=prepare) as threads:
        begin = time.perf_counter()
        done = sum(threads.map(read, range(0, size, BLOCK_BYTES)))
        return round(done / (time.perf_counter() - begin))


def _hash_rate(descriptor: int, size: int, update: Callable[[bytearray], object]) -> float:
    buffer = bytearray(BLOCK_BYTES)
    begin = time.perf_counter()
    for offset in range(0, size, BLOCK_BYTES):
        os.preadv(descriptor, [buffer], offset)
        update(buffer)
    return round(size / (time.perf_counter() - begin))


def _engine(settings: Settings, env: Mapping[str, str]) -> dict[str, Any]:
    """What `image_gen.worker.speed.measure` says, with how long its libraries took."""
    size = str(settings.warmup_size)
    arguments = [repr(time.monotonic()), settings.device, settings.dtype, size]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "image_gen.worker.speed.measure", *arguments],
            env=dict(env), capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False,
        )  # fmt: skip
        rates: dict[str, Any] = json.loads(done.stdout.strip().rpartition("\n")[2])
    except subprocess.TimeoutExpired:
        fix = "try again while less runs here"
        raise EngineError(f"The engine was not measured in {_TIMEOUT_SECONDS} s. Fix: {fix}.") from None
    except ValueError:
        reason = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
        raise EngineError(
            f"The engine could not be measured: {reason}. Fix: `{reader.cache_command('doctor')}`."
        ) from None
    if message := rates.get("error"):
        raise EngineError(f"The engine could not be measured: {message}")
    return rates
