"""Files that others wrote: whatever is wrong with JSON is one error, and what is no regular file never blocks."""

import errno
import json
import math
import os
import stat
from pathlib import Path
from typing import Any, BinaryIO, cast


def open_regular(path: Path) -> BinaryIO:
    """Opens a file to read. Opening a FIFO would wait for a writer, for ever, and a device may have no end."""
    stream = cast("BinaryIO", open(path, "rb", buffering=0, opener=_without_waiting))  # noqa: SIM115 -- the caller closes it
    kind = os.fstat(stream.fileno()).st_mode
    if not stat.S_ISREG(kind):
        stream.close()
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return stream


def read_regular(path: Path) -> bytes:
    """All bytes of a small file."""
    with open_regular(path) as stream:
        return stream.read()


def read_json(path: Path) -> Any:
    """Raises OSError, and ValueError for a file that is damaged in any way."""
    return parse_json(read_regular(path))


def parse_json(content: bytes | str) -> Any:
    """Raises ValueError for everything else: cut, not UTF-8, nested without end, with a number that is none."""
    try:
        return json.loads(content, parse_float=_finite, parse_constant=_finite)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _finite(text: str) -> float:
    if math.isfinite(number := float(text)):
        return number
    raise ValueError(f"it has the number {text[:20]}")


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
