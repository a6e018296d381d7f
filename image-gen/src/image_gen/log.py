"""Log lines on stdout, each one prefixed `[image-gen] `.

Secrets such as the hub's token are masked. Docker and journald keep the time of each line. A plain file keeps none: in
one each line begins with it, as in `docker logs --timestamps`.
"""

import logging
import os
import stat
import sys
import time
import traceback
from collections.abc import Iterable
from types import TracebackType
from typing import Final, TextIO

PREFIX: Final = "[image-gen] "
# Those whose records are shown, each from a level on. The rest of asyncio's, as of other libraries, is of no use here.
_LOGGERS: Final = (("image_gen", logging.INFO), ("uvicorn", logging.WARNING), ("asyncio", logging.ERROR))

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class _OneLine(logging.Formatter):
    """Prefixes the message and takes secrets out of it; an exception's trace keeps the prefix on each of its lines."""

    def __init__(self, secrets: Iterable[str], *, with_time: bool) -> None:
        super().__init__()
        self._secrets = tuple(secret for secret in secrets if len(secret) >= 8)
        self._with_time = with_time

    def format(self, record: logging.LogRecord) -> str:
        fingerprint = f"{record.levelname}: " if record.levelno >= logging.WARNING else ""
        text = fingerprint + super().format(record)
        for secret in self._secrets:
            text = text.replace(secret, "***")
        start = f"{_utc(record.created)} {PREFIX}" if self._with_time else PREFIX
        return "\n".join(start + line for line in text.splitlines() or [""])

    def formatException(self, ei: _ExcInfo) -> str:  # noqa: N802 -- logging's name
        """Where it happened, without the exception's own text: that may quote what a client sent."""
        kind, _, trace = ei
        frames = traceback.extract_tb(trace)
        lines = [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
        return "\n".join([*lines, kind.__name__ if kind else "no exception"])


def _utc(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03d}Z"


def _is_plain_file(stream: TextIO) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return False


def configure(secrets: Iterable[str] = (), stream: TextIO | None = None) -> logging.Logger:
    """Sends the package's log, and uvicorn's errors, to stdout; `secrets` are never shown."""
    stream = stream or sys.stdout
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_OneLine(secrets, with_time=_is_plain_file(stream)))
    for name, level in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False
    return logging.getLogger("image_gen")
