"""`image-gen serve`: listens first, then does everything else, so nothing slow is imported before.
SIGTERM and SIGINT stop it, SIGHUP makes it retry after a failure.

Exit codes: 0 after an orderly stop, 1 if the port is not available, 2 for wrong settings.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence

import uvicorn

from image_gen import reader
from image_gen.errors import ImageGenError
from image_gen.log import configure
from image_gen.model_cache import CacheSettings
from image_gen.serving.service import Service
from image_gen.serving.worker_process import WORKER_COMMAND
from image_gen.settings import KEEP_ALIVE_SECONDS, Settings


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling, which would close connections before the picture is done."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(env: Mapping[str, str] | None = None, worker_command: Sequence[str] = WORKER_COMMAND) -> int:
    """Runs until SIGTERM or SIGINT, and gives the exit code."""
    env = os.environ if env is None else env
    reader.address_reader(env)
    log = configure([env.get("HF_TOKEN", "")])
    try:
        settings, cache_settings = Settings.from_env(env), CacheSettings.from_env(env)
    except ImageGenError as error:
        log.error(error.message)
        return 2
    log = configure([cache_settings.token or "", env.get("HF_TOKEN", "")])
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server(
            (settings.host, settings.port), family=family, backlog=128, dualstack_ipv6=family == socket.AF_INET6
        )
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        log.error(
            "Cannot listen on %s port %d (%s). Fix: set PORT to a free one: `imagegen up --port %d`",
            settings.host, settings.port, why, settings.port % 65535 + 1,
        )  # fmt: skip
        return 1
    with listener:
        asyncio.run(_run(Service(settings, cache_settings, env, worker_command), listener))
    return 0


async def _run(service: Service, listener: socket.socket) -> None:
    config = uvicorn.Config(
        service.startup_app, lifespan="off", loop="asyncio", http="h11", ws="none", interface="asgi3",
        log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=3,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )  # fmt: skip
    server = _Server(config)
    stopping: list[asyncio.Task[None]] = []

    async def stop() -> None:
        await service.stop()
        server.should_exit = True

    def on_signal() -> None:
        if stopping:  # asked a second time: at once
            stopping[0].cancel()
            server.should_exit = server.force_exit = True
        else:
            stopping.append(asyncio.create_task(stop()))

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    # On a terminal, SIGHUP is its end.
    if not sys.stdin or not sys.stdin.isatty():
        loop.add_signal_handler(signal.SIGHUP, service.retry)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.001)
    service.start()
    await serving
    await asyncio.gather(*stopping, return_exceptions=True)
    await service.worker.stop()
