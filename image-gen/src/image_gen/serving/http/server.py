"""Listens, and runs an application by uvicorn until a signal stops it.

Comes in: an application with a start and an end. Goes out: answers, and the end after an orderly stop. Must not: know
what the application serves.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from functools import partial
from typing import Protocol

import uvicorn

from image_gen.serving.http.connections import ACCEPTED_AT_ONCE, Connections
from image_gen.serving.http.limited_protocol import LISTEN_BACKLOG, LimitedProtocol, handle_loop_error
from image_gen.serving.http.startup_app import App
from image_gen.settings import KEEP_ALIVE_SECONDS

log = logging.getLogger(__name__)


class Server(Protocol):
    """What is run."""

    @property
    def app(self) -> App:
        """What answers."""

    @property
    def connections(self) -> Connections:
        """All of them."""

    def start(self) -> None:
        """Called when the port listens."""

    async def stop(self) -> None:
        """An orderly end, which a second signal cuts off."""

    def retry(self) -> None:
        """SIGHUP: tries again after a failure."""

    async def end(self) -> None:
        """After the last answer: nothing of it runs when this returns."""


class _Uvicorn(uvicorn.Server):
    """uvicorn without its own signal handling, which would close connections before the picture is done."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int) -> socket.socket | None:
    """The port, which has clients wait in it from now on; None, with a line in the log, where it is not available."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    both = family == socket.AF_INET6
    try:
        return socket.create_server((host, port), family=family, backlog=LISTEN_BACKLOG, dualstack_ipv6=both)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        log.error(
            "Cannot listen on %s port %d (%s). Fix: set PORT to a free one: `imagegen up --port %d`",
            host, port, why, port % 65535 + 1,
        )  # fmt: skip
        return None


def run_until_stopped(server: Server, listener: socket.socket) -> None:
    """Until SIGTERM or SIGINT."""
    LimitedProtocol.all = server.connections
    with listener:
        asyncio.run(_run(server, listener))


async def _run(server: Server, listener: socket.socket) -> None:
    config = uvicorn.Config(
        server.app, lifespan="off", loop="asyncio", http=LimitedProtocol, ws="none", interface="asgi3",
        log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=3,
        timeout_keep_alive=KEEP_ALIVE_SECONDS, backlog=ACCEPTED_AT_ONCE,
    )  # fmt: skip
    http = _Uvicorn(config)
    stopping: list[asyncio.Task[None]] = []

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(partial(handle_loop_error, server.connections))

    async def stop() -> None:
        await server.stop()
        http.should_exit = True

    def on_signal() -> None:
        if stopping:  # asked a second time: at once
            stopping[0].cancel()
            http.should_exit = http.force_exit = True
        else:
            stopping.append(asyncio.create_task(stop()))

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    # On a terminal, SIGHUP is its end.
    if not sys.stdin or not sys.stdin.isatty():
        loop.add_signal_handler(signal.SIGHUP, server.retry)
    serving = asyncio.create_task(http.serve(sockets=[listener]))
    while not http.started and not serving.done():
        await asyncio.sleep(0.001)
    # asyncio takes the kernel's queue and what it accepts at once from one number.
    listener.listen(LISTEN_BACKLOG)
    server.start()
    await serving
    await asyncio.gather(*stopping, return_exceptions=True)
    await server.end()
