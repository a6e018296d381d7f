"""Keeps a virtual machine's memory its own while the bench runs, and counts that of processes.

Such a machine may give free pages back to its host at once ("free page reporting"); the next use of each then costs as
much as reading it from a disk does, and the bench would measure the host. Both contestants are spared that.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_ORDER = Path("/sys/module/page_reporting/parameters/page_reporting_order")
# One more than the largest block of pages that Linux keeps: none is given back.
_NEVER = "11"
_SPARED_BYTES = 3 << 30


@contextmanager
def own_memory(say: Callable[[str], None]) -> Iterator[None]:
    """Does nothing on a machine that keeps its memory anyway, or where that can't be changed."""
    try:
        before = _ORDER.read_text(encoding="ascii").strip()
        _ORDER.write_text(_NEVER, encoding="ascii")
    except OSError:
        yield
        return
    try:
        _touch(_available() - _SPARED_BYTES)
        say("this machine gives free memory back to its host; not so while the bench runs, for both contestants")
        yield
    finally:
        _ORDER.write_text(before, encoding="ascii")


def _available() -> int:
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))


def _touch(count: int) -> None:
    """Uses so many bytes once, and frees them."""
    if count <= 0:
        return
    with mmap.mmap(-1, count, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        for offset in range(0, count, mmap.PAGESIZE):
            memory[offset] = 1


def own_bytes(pid: int) -> int:
    """Memory of its own (no page cache, no mapped files) of a process and all below it, at this moment."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return 0
    own = re.search(r"^RssAnon:\s+(\d+) kB", status, re.MULTILINE)
    return (int(own[1]) * 1024 if own else 0) + sum(own_bytes(int(child)) for child in children)
