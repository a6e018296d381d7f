"""Runs the command `image-gen` of one source in forks of a process that has imported it, which saves most of a start.

    PYTHONPATH=<src> python fork_server.py <file descriptor of a socket>

Every message on the socket is a request in JSON, with four file descriptors: the command's stdin, stdout and stderr,
and a pipe that gets its process id, and its exit status in the end.
"""

import contextlib
import errno
import importlib
import json
import os
import pkgutil
import runpy
import selectors
import socket
import sys
import time
from types import ModuleType
from typing import Any

# Those of the service import torch, or a web server.
_NOT_IMPORTED = ("image_gen.serving", "image_gen.worker", "image_gen.engine", "image_gen.__main__")
# What a user who can't read this Python's own files would not find later.
_LAZY = (
    "httpx2", "httpcore2", "h11", "anyio", "ssl", "tarfile", "concurrent.futures.thread", "bz2", "zstandard",
    *(f"encodings.{name}" for name in ("idna", "ascii", "latin_1", "unicode_escape", "raw_unicode_escape")),
)  # fmt: skip


def serve(channel: socket.socket) -> dict[str, Any]:
    """Forks for every request; returns the request in the fork, and never in the server."""
    waiting = selectors.DefaultSelector()
    waiting.register(channel, selectors.EVENT_READ)
    while True:
        for key, _ in waiting.select():
            if key.fileobj is channel:
                message, files, _, _ = socket.recv_fds(channel, 1 << 16, 4)
                if not message:
                    os._exit(0)
                pid = os.fork()
                if not pid:
                    channel.close()
                    for number, file in enumerate(files[:3]):
                        os.dup2(file, number)
                    for file in files:
                        os.close(file)
                    request: dict[str, Any] = json.loads(message)
                    return request
                os.write(files[3], b"%d\n" % pid)
                for file in files[:3]:
                    os.close(file)
                waiting.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, files[3]))
            else:
                pid, pipe = key.data
                _, status = os.waitpid(pid, 0)
                with contextlib.suppress(BrokenPipeError):
                    os.write(pipe, b"%d\n" % os.waitstatus_to_exitcode(status))
                waiting.unregister(key.fd)
                os.close(key.fd)
                os.close(pipe)


def run(request: dict[str, Any]) -> None:
    """Becomes the command."""
    # A group of its own, so that all of it can be ended.
    os.setsid()
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = ["image-gen", *request["arguments"]]
    if leap := request["clock_leap"]:
        now = time.time
        time.time = lambda: now() + leap
    if pieces := request["piece_bytes"]:
        _fetch_in_pieces(pieces)
    if count := int(os.environ.pop("FAULTS_BROKEN_READS", "0")):
        _break_reads(count)
    if user := request["user"]:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    os.chdir(request["directory"])
    runpy.run_module("image_gen", run_name="__main__", alter_sys=True)


def _break_reads(count: int) -> None:
    """So many reads of a disk that has a bad moment fail."""
    read, left = os.preadv, iter(range(count))

    def preadv(*arguments: Any) -> int:
        if next(left, None) is not None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(*arguments)

    os.preadv = preadv


def _own_modules() -> list[ModuleType]:
    return [module for name, module in sorted(sys.modules.items()) if name.startswith("image_gen.")]


def _retry_at_once() -> None:
    for module in _own_modules():
        if hasattr(module, "_back_off"):
            module._back_off = lambda _: 0.01  # type: ignore[attr-defined] # hasattr has said so


def _fetch_in_pieces(piece_bytes: int) -> None:
    """Small files are fetched as large ones are, in pieces of this size."""
    for module in _own_modules():
        for value in list(vars(module).values()):
            if isinstance(value, type) and "piece_bytes" in getattr(value, "__dataclass_fields__", {}):
                # The function that a dataclass was given; a type checker knows only that a class can be called.
                make: Any = vars(value)["__init__"]
                names = make.__code__.co_varnames[1 : make.__code__.co_argcount]
                defaults = list(make.__defaults__ or ())
                defaults[names.index("piece_bytes") - len(names)] = piece_bytes
                make.__defaults__ = tuple(defaults)


def _import_all() -> None:
    package = importlib.import_module("image_gen")
    names = [each.name for each in pkgutil.iter_modules(package.__path__, "image_gen.")]
    for name in names:
        if not name.startswith(_NOT_IMPORTED):
            module = importlib.import_module(name)
            if hasattr(module, "__path__"):
                for each in pkgutil.walk_packages(module.__path__, f"{name}."):
                    importlib.import_module(each.name)
    for name in _LAZY:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


if __name__ == "__main__":
    _import_all()
    _retry_at_once()
    run(serve(socket.socket(fileno=int(sys.argv[1]))))
