"""Starts the command of the source that is tested, and waits for it, but never for ever."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from json import dumps, loads
from pathlib import Path
from typing import Any

# Of a command. None of them takes a second; this is for machines that have much else to do.
LIMIT_SECONDS = 30.0


class FaultError(AssertionError):
    """What must hold does not."""


@dataclass(frozen=True)
class Ended:
    """A command that has ended. `code` is negative where a signal ended it."""

    line: str
    code: int
    output: bytes = field(repr=False)
    error: str
    seconds: float

    @cached_property
    def text(self) -> str:
        return self.output.decode(errors="replace")

    @cached_property
    def json(self) -> Any:
        """What it printed because of `--json`."""
        try:
            return loads(self.text)
        except ValueError:
            raise FaultError(f"{self} printed no JSON: {self.text[:200]!r} {self.error[-300:]!r}") from None

    def __str__(self) -> str:
        return f"`{self.line}` ended with {self.code}"

    def succeeded(self) -> Ended:
        """Raises unless the exit code is 0."""
        if self.code:
            raise FaultError(f"{self}: {(self.error or self.text).strip()[-400:]}")
        return self

    def failed(self, *codes: int) -> Ended:
        """Raises unless the exit code is one of these; without any, unless it isn't 0."""
        if self.code not in codes if codes else self.code == 0:
            raise FaultError(f"{self}, not with {' or '.join(map(str, codes)) or 'a failure'}: {self.text[-300:]}")
        return self

    def check(self) -> Ended:
        """Raises unless a failure says in one line what happened and what to do."""
        if "Traceback (most recent call last)" in self.error:
            raise FaultError(f"{self} and a traceback: {self.error.strip().splitlines()[-1][:300]}")
        if self.code < 0 and self.code != -signal.SIGKILL:
            raise FaultError(f"{self}, by a signal")
        if self.code in {0, 2, 130, -signal.SIGKILL}:
            return self
        errors = [line for line in self.error.splitlines() if re.match(r"\S*image-gen(?: \w+)?: ", line)]
        in_json = self.text.startswith("{") and not errors
        if not in_json and not re.search("Fix[:,]", self.error + self.text):
            raise FaultError(f"{self} and no fix: {(self.error or self.text).strip()[-300:]}")
        if len(errors) > 1 or (errors and self.error.rstrip().splitlines()[-1] != errors[0]):
            raise FaultError(f"{self} and more than one line: {self.error[-400:]!r}")
        if any("Errno" in line or len(line) < 40 for line in errors):
            raise FaultError(f"{self} and no clear line: {errors[0]}")
        return self


class Running:
    """A command that runs. It is ended with the stage at the latest."""

    def __init__(self, line: str, pipe: int, output: Path, error: Path) -> None:
        self.line = line
        self._pipe, self._output, self._error = pipe, output, error
        self._began = time.monotonic()
        self._status: int | None = None
        self._buffer = b""
        self.pid = int(self._read_line(LIMIT_SECONDS) or 0)

    def signal(self, number: int) -> None:
        if self._status is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number) if number == signal.SIGKILL else os.kill(self.pid, number)

    def kill(self) -> Ended:
        """Ends it, and all its processes, without a warning."""
        self.signal(signal.SIGKILL)
        return self.wait()

    def runs(self) -> bool:
        """Whether it has not ended yet."""
        if self._status is None and (line := self._read_line(0)) is not None:
            self._end(int(line))
        return self._status is None

    def wait(self, limit: float = LIMIT_SECONDS) -> Ended:
        """Its end. Raises when that doesn't come in time."""
        if self._status is None:
            line = self._read_line(limit)
            if line is None:
                self.signal(signal.SIGKILL)
                self._end(int(self._read_line(LIMIT_SECONDS) or -9))
                raise FaultError(
                    f"`{self.line}` hung: it had not ended after {limit:.0f} s. {self.error_text()[-300:]}"
                )
            self._end(int(line))
        assert self._status is not None
        return Ended(
            self.line,
            self._status,
            self._output.read_bytes() if self._output.is_file() else b"",
            self.error_text(),
            time.monotonic() - self._began,
        )

    def error_text(self) -> str:
        """Its standard error so far."""
        return self._error.read_text(errors="replace")

    def _end(self, status: int) -> None:
        self._status = status
        os.close(self._pipe)

    def _read_line(self, limit: float) -> bytes | None:
        until = time.monotonic() + limit
        while b"\n" not in self._buffer:
            if not select.select([self._pipe], [], [], max(0.0, until - time.monotonic()))[0]:
                return None
            piece = os.read(self._pipe, 64)
            if not piece:
                raise FaultError(f"`{self.line}`: the process that runs commands is gone")
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line


class CommandServer:
    """Runs commands of the package below `source`."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"}
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("fork_server.py")), str(theirs.fileno())],
            env=env,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()

    def start(
        self,
        arguments: tuple[str, ...],
        env: Mapping[str, str],
        folder: Path,
        *,
        user: int = 0,
        stdin: Path | None = None,
        stdout: Path | None = None,
        clock_leap: float = 0,
        piece_bytes: int = 0,
    ) -> Running:
        """`folder` gets what the command prints, and is its working directory."""
        number = len(list(folder.glob("*.stderr")))
        output, error = stdout or folder / f"{number}.stdout", folder / f"{number}.stderr"
        request = {
            "arguments": arguments,
            "env": dict(env),
            "directory": str(folder),
            "user": user,
            "clock_leap": clock_leap,
            "piece_bytes": piece_bytes,
        }
        reader, writer = os.pipe()
        with (stdin or Path(os.devnull)).open("rb") as given, output.open("wb") as out, error.open("wb") as err:
            files = [given.fileno(), out.fileno(), err.fileno(), writer]
            socket.send_fds(self._channel, [dumps(request).encode()], files)
        os.close(writer)
        return Running(shlex.join(["image-gen", *arguments]), reader, output, error)

    def close(self) -> None:
        self._channel.close()
        try:
            self._process.wait(LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
