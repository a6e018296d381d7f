"""Log lines on stdout, each one prefixed `[image-gen] `.

Secrets such as the hub's token are masked.
"""

import logging
import sys
from collections.abc import Iterable
from typing import Final, TextIO

PREFIX: Final = "[image-gen] "


class _OneLine(logging.Formatter):
    """Prefixes the message and takes secrets out of it; an exception's trace keeps the prefix on each of its lines."""

    def __init__(self, secrets: Iterable[str]) -> None:
        super().__init__()
        self._secrets = tuple(secret for secret in secrets if len(secret) >= 8)

    def format(self, record: logging.LogRecord) -> str:
        fingerprint = f"{record.levelname}: " if record.levelno >= logging.WARNING else ""
        text = fingerprint + super().format(record)
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return "\n".join(PREFIX + line for line in text.splitlines() or [""])


def configure(secrets: Iterable[str] = (), stream: TextIO | None = None) -> logging.Logger:
    """Sends the package's log, and uvicorn's errors, to stdout; `secrets` are never shown."""
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(_OneLine(secrets))
    for name, level in (("image_gen", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(level)
        logger.propagate = False
    return logging.getLogger("image_gen")
