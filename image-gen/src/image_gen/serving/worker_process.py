"""One run of the worker process, for the server.

A plain `subprocess` with one end of a socket pair, and not `multiprocessing`: nothing of the server is pickled,
re-imported or shared with the child, there is no resource tracker beside it, its output can be read line by line, a
test can put any program in its place, and the end of either process is seen by the other as the end of the socket,
whatever caused it.
"""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from image_gen.errors import EngineDiedError, GpuFaultError, ImageGenError, OutOfMemoryError
from image_gen.library_errors import says_device_fault, says_out_of_memory
from image_gen.serving.worker_environment import worker_environment
from image_gen.worker.prompt_privacy import without_prompts
from image_gen.worker.protocol import BatchJob, ImageJob, Message, encode, read_frame

WORKER_COMMAND: Final = (sys.executable, "-m", "image_gen.worker")
_OOM_FILES: Final = (
    Path("/sys/fs/cgroup/memory.events"),  # "oom_kill 3", control groups v2
    Path("/sys/fs/cgroup/memory/memory.oom_control"),  # the same line, v1
    Path("/proc/vmstat"),  # the same line, of the whole machine: for a process without a control group of its own
)
_OWN_GROUP: Final = Path("/proc/self/cgroup")  # "0::/user.slice/…", v2
# Of the output, for the reason of an end. A stack trace in native code is about this long.
_LAST_LINES: Final = 40
MORE_MEMORY: Final = (
    "Fix: `imagegen up --config memoryMb=<more>`, more memory for Docker Desktop, or a smaller model: "
    "`imagegen up --model <id>`"
)
log = logging.getLogger(__name__)

OnMessage = Callable[[Message, bytes], None]


class WorkerProcess:
    """Started once, ended once. `on_message` is called for each message, in order, on the event loop."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], on_message: OnMessage) -> None:
        self._command = tuple(command)
        self._env = worker_environment(env)
        self._on_message = on_message
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._output: asyncio.Task[None] | None = None
        self._oom_kills_before = 0
        self._last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        # The latest jobs' prompts, which no line of the output may show.
        self._prompts: deque[str | None] = deque(maxlen=16)

    async def start(self, arguments: Sequence[str]) -> None:
        """Starts the process. A session of its own keeps a terminal's Ctrl-C for the server, which ends it in order."""
        self._oom_kills_before = _oom_kills()
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, "--fd", str(theirs.fileno()), *arguments,
                pass_fds=(theirs.fileno(),), start_new_session=True, env=self._env,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
        self._reader, self._writer = await asyncio.open_connection(sock=ours)
        self._output = asyncio.create_task(self._pass_on_output())

    def send(self, message: Message) -> None:
        """Sends a message; one to a process that has just ended is lost, which `run` reports."""
        job = message.jobs[0] if isinstance(message, BatchJob) else message
        if isinstance(job, ImageJob):
            self._prompts += (job.prompt, job.negative_prompt)
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(encode(message))

    async def run(self) -> ImageGenError:
        """Passes messages on until the process has ended, and returns the reason."""
        assert self._process is not None
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ValueError):
            while True:
                message, payload = await read_frame(self._reader)
                self._on_message(message, payload)
        await self.stop(grace=5.0)
        return self._why(self._process.returncode or 0)

    async def stop(self, grace: float = 2.0) -> None:
        """Closes the socket, which ends the worker, and kills it after `grace` seconds."""
        if self._process is None:
            return
        if self._writer is not None:
            self._writer.close()
        try:
            async with asyncio.timeout(grace):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()
        if self._output is not None:
            await asyncio.wait({self._output}, timeout=1.0)

    def kill(self) -> None:
        """Ends the process at once."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    @property
    def pid(self) -> int | None:
        """The process's id, once it was started."""
        return None if self._process is None else self._process.pid

    async def _pass_on_output(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while True:
            try:
                line = await self._process.stdout.readline()
            except ValueError:
                continue  # a line of more than 64 kB, which asyncio drops: it is not worth passing on
            if not line:
                return
            if text := without_prompts(line.decode(errors="replace").rstrip(), self._prompts):
                self._last_lines.append(text)
                log.info("engine: %s", text)

    def _why(self, code: int) -> ImageGenError:
        how = f"was ended by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
        if code == -signal.SIGKILL and _oom_kills() > self._oom_kills_before:
            return OutOfMemoryError(
                f"The kernel ended the engine because memory ran out. {MORE_MEMORY}", retryable=True
            )
        if words := next((line for line in self._last_lines if says_out_of_memory(line)), None):
            return OutOfMemoryError(f"The engine {how}: {words[:300]} {MORE_MEMORY}", retryable=True)
        if words := next((line for line in self._last_lines if says_device_fault(line)), None):
            return GpuFaultError(f"The engine {how}: {words[:300]} It is started again.")
        hint = " (most often too little memory)" if code == -signal.SIGKILL else ""
        last = f" Its last line: {self._last_lines[-1][:300]}" if self._last_lines else ""
        return EngineDiedError(f"The engine {how}{hint}; it is being started again.{last}")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _oom_kills() -> int:
    """How many processes of this control group, else of this machine, the kernel has ended for memory."""
    for file in (*_own_group_files(), *_OOM_FILES):
        with contextlib.suppress(OSError, ValueError):
            for line in file.read_text(encoding="ascii").splitlines():
                name, _, count = line.partition(" ")
                if name == "oom_kill":
                    return int(count)
    return 0


def _own_group_files() -> list[Path]:
    with contextlib.suppress(OSError):
        groups = _OWN_GROUP.read_text(encoding="utf-8").splitlines()
        return [Path(f"/sys/fs/cgroup{line[3:]}/memory.events") for line in groups if line.startswith("0::/")]
    return []
