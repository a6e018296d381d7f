"""Log lines on stdout, each one prefixed `[image-gen] `, or, where IMAGE_GEN_LOG_FORMAT is `json`, each one an object.

Secrets such as the hub's token are masked. Docker and journald keep the time of each line. A plain file keeps none: in
one each line begins with it, as in `docker logs --timestamps`.
"""

import json
import logging
import os
import stat
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import Final, Literal, TextIO

PREFIX: Final = "[image-gen] "
# Those whose records are shown, each from a level on. The rest of asyncio's, as of other libraries, is of no use here.
_LOGGERS: Final = (("image_gen", logging.INFO), ("uvicorn", logging.WARNING), ("asyncio", logging.ERROR))

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


# Lines of one kind in a row that a client, or a lack of something, can cause as often as it likes.
_MOST_KINDS: Final = 200
_LIMITED_SECONDS: Final = 10.0
_MOST_LIMITED: Final = 5


class _Limit(logging.Filter):
    """Passes a few lines of one kind in some seconds. The next one that passes says how many did not.

    Limited are warnings of libraries, and records with the attribute `limited`, whose value is their kind.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._kinds: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        own = record.name.startswith("image_gen")
        kind = getattr(record, "limited", None if own else f"{record.name} {record.msg}"[:200])
        if kind is None:
            return True
        now = self._clock()
        if kind not in self._kinds and len(self._kinds) > _MOST_KINDS:
            self._kinds.clear()
        began, count = self._kinds.get(kind, (now, 0))
        left_out = 0
        if now - began >= _LIMITED_SECONDS:
            left_out, began, count = max(count - _MOST_LIMITED, 0), now, 0
        self._kinds[kind] = began, count + 1
        if left_out:
            record.msg, record.args = f"{record.getMessage()} ({left_out} lines like this one were left out)", None
        return count < _MOST_LIMITED


# Of the request that is being answered: its id, and the name of its API key.
REQUEST_FACTS: ContextVar[Mapping[str, str] | None] = ContextVar("request_facts", default=None)
LogFormat = Literal["text", "json"]
FORMAT_VARIABLE: Final = "IMAGE_GEN_LOG_FORMAT"


class _Formatter(logging.Formatter):
    """Shows no secret, and of an exception only where it happened: its own text may quote what a client sent."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        self._secrets = tuple(secret for secret in secrets if len(secret) >= 8)

    def formatException(self, ei: _ExcInfo) -> str:  # noqa: N802 -- logging's name
        """The frames and the exception's class."""
        kind, _, trace = ei
        frames = traceback.extract_tb(trace)
        lines = [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
        return "\n".join([*lines, kind.__name__ if kind else "no exception"])

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


class _Json(_Formatter):
    """One object a line."""

    def format(self, record: logging.LogRecord) -> str:
        message = self._masked(record.getMessage())
        facts = {"time": _utc(record.created), "level": record.levelname.lower(), "logger": record.name}
        trace = {"trace": self._masked(self.formatException(record.exc_info))} if record.exc_info else {}
        return json.dumps({**facts, "message": message, **(REQUEST_FACTS.get() or {}), **trace}, ensure_ascii=False)


class _OneLine(_Formatter):
    """Prefixes the message; an exception's trace has the prefix on each of its lines."""

    def __init__(self, secrets: Iterable[str], *, with_time: bool) -> None:
        super().__init__(secrets)
        self._with_time = with_time

    def format(self, record: logging.LogRecord) -> str:
        fingerprint = f"{record.levelname}: " if record.levelno >= logging.WARNING else ""
        text = self._masked(fingerprint + super().format(record))
        start = f"{_utc(record.created)} {PREFIX}" if self._with_time else PREFIX
        return "\n".join(start + line for line in text.splitlines() or [""])


def _utc(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03d}Z"


def _is_plain_file(stream: TextIO) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return False


def format_in(env: Mapping[str, str]) -> LogFormat:
    """The format that an environment asks for; the settings refuse any other value."""
    return "json" if env.get(FORMAT_VARIABLE, "").strip().lower() == "json" else "text"


def configure(
    secrets: Iterable[str] = (), stream: TextIO | None = None, *, log_format: LogFormat = "text"
) -> logging.Logger:
    """Sends the package's log, and uvicorn's errors, to stdout; `secrets` are never shown."""
    stream = stream or sys.stdout
    handler = logging.StreamHandler(stream)
    as_text = _OneLine(secrets, with_time=_is_plain_file(stream))
    handler.setFormatter(_Json(secrets) if log_format == "json" else as_text)
    handler.addFilter(_Limit())
    for name, level in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False
    return logging.getLogger("image_gen")
