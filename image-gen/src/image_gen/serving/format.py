"""Times and the guide's log lines as text."""

import math

from image_gen.model_cache import Progress
from image_gen.model_cache.core.filesystem import format_bytes

# What the guide's "5-15 minutes" for 6.94 GB means as a speed, in bytes per second.
_FAST_LINE = 25e6
_SLOW_LINE = 8e6


def duration(seconds: float) -> str:
    """45 s, 12 min 5 s, 2 h 3 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def first_run_note(missing: int) -> str:
    """The guide's note, with the bytes that are really missing and the time that they take on an ordinary line."""
    low, high = math.ceil(missing / _FAST_LINE / 60), math.ceil(missing / _SLOW_LINE / 60)
    if high <= 1:
        return f"NOTE: First run will download ~{format_bytes(missing)} model files - this takes less than a minute."
    return f"NOTE: First run will download ~{format_bytes(missing)} model files - this can take {low}-{high} minutes!"


def progress_line(progress: Progress) -> str:
    """One line of a log, not a bar."""
    share = progress.bytes_done / progress.bytes_total if progress.bytes_total else 1.0
    doing = "Downloading" if progress.phase == "fetching" else "Verifying"
    left = "" if progress.eta_seconds is None else f", {duration(progress.eta_seconds)} left"
    done, total = format_bytes(progress.bytes_done), format_bytes(progress.bytes_total)
    return f"{doing}: {share:.0%} ({done} of {total}), {format_bytes(progress.bytes_per_second)}/s{left}"
