"""How much memory this process may still take, on a GPU or in the machine.

Comes in: a kind of device. Goes out: bytes. Must not: fail where the kernel offers no numbers.
"""

import re
from contextlib import suppress
from pathlib import Path
from typing import Final

# A container's control group: its limit, what is used, and the file with the pages of files, which give way.
_GROUPS: Final = (
    ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory.current", "sys/fs/cgroup/memory.stat", "inactive_file"),
    (
        "sys/fs/cgroup/memory/memory.limit_in_bytes", "sys/fs/cgroup/memory/memory.usage_in_bytes",
        "sys/fs/cgroup/memory/memory.stat", "total_inactive_file",
    ),
)  # fmt: skip


def free_bytes(device: str) -> int | None:
    """None where it is unknown. Of a GPU, with what torch holds for later use."""
    if device == "cuda":
        import torch

        return free_gpu_bytes() + int(torch.cuda.memory_reserved() - torch.cuda.memory_allocated())
    return free_main_bytes() if device == "cpu" else None


def free_gpu_bytes() -> int:
    """The GPU's free memory, or less where a fraction of it was set for this process."""
    import torch

    free, total = torch.cuda.mem_get_info()
    allowed = getattr(torch.cuda, "get_per_process_memory_fraction", lambda: 1.0)()
    return int(min(free, total * allowed - torch.cuda.memory_reserved()))


def free_main_bytes(root: Path = Path("/")) -> int | None:
    """What the machine has, or the container's limit leaves, where that is less. `root`: of the file system."""
    found = []
    with suppress(OSError, TypeError, ValueError):
        found.append(1024 * _value(root / "proc/meminfo", r"MemAvailable:\s+(\d+)"))
    for limit, used, details, name in _GROUPS:
        # "max" and a file that is missing are no limit.
        with suppress(OSError, TypeError, ValueError):
            cached = _value(root / details, rf"{name} (\d+)")
            found.append(_value(root / limit, r"(\d+)") - _value(root / used, r"(\d+)") + cached)
    return max(0, min(found)) if found else None


def _value(file: Path, pattern: str) -> int:
    """Raises TypeError where the file has no such line."""
    match = re.search(rf"^{pattern}", file.read_text(encoding="ascii"), re.MULTILINE)
    return int(match[1])  # type: ignore[index] # the TypeError
