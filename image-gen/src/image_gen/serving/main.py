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
from functools import partial

import uvicorn

from image_gen import reader
from image_gen.errors import ImageGenError
from image_gen.log import configure, format_in
from image_gen.model_cache import CacheSettings
from image_gen.serving.http.api_keys import ApiKeys
from image_gen.serving.http.connections import ACCEPTED_AT_ONCE, raise_open_files
from image_gen.serving.http.limited_protocol import LISTEN_BACKLOG, LimitedProtocol, handle_loop_error
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
    log = configure([env.get("HF_TOKEN", "")], log_format=format_in(env))
    try:
        settings, cache_settings = Settings.from_env(env), CacheSettings.from_env(env)
        keys = ApiKeys(settings.api_key, settings.api_keys_file)
    except ImageGenError as error:
        log.error(error.message)
        return 2
    log = configure([cache_settings.token or "", env.get("HF_TOKEN", "")], log_format=format_in(env))
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        both = family == socket.AF_INET6
        address = settings.host, settings.port
        listener = socket.create_server(address, family=family, backlog=LISTEN_BACKLOG, dualstack_ipv6=both)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        log.error(
            "Cannot listen on %s port %d (%s). Fix: set PORT to a free one: `imagegen up --port %d`",
            settings.host, settings.port, why, settings.port % 65535 + 1,
        )  # fmt: skip
        return 1
    service = Service(
        settings, cache_settings, env, keys=keys, worker_command=worker_command, open_files=raise_open_files()
    )
    LimitedProtocol.all = service.connections
    with listener:
        asyncio.run(_run(service, listener))
    return 0


async def _run(service: Service, listener: socket.socket) -> None:
    config = uvicorn.Config(
        service.app, lifespan="off", loop="asyncio", http=LimitedProtocol, ws="none", interface="asgi3",
        log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=3,
        timeout_keep_alive=KEEP_ALIVE_SECONDS, backlog=ACCEPTED_AT_ONCE,
    )  # fmt: skip
    server = _Server(config)
    stopping: list[asyncio.Task[None]] = []

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(partial(handle_loop_error, service.connections))

    async def stop() -> None:
        await service.stop()
        server.should_exit = True

    def on_signal() -> None:
        if stopping:  # asked a second time: at once
            stopping[0].cancel()
            server.should_exit = server.force_exit = True
        else:
            stopping.append(asyncio.create_task(stop()))

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    # On a terminal, SIGHUP is its end.
    if not sys.stdin or not sys.stdin.isatty():
        loop.add_signal_handler(signal.SIGHUP, service.retry)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.001)
    # asyncio takes the kernel's queue and what it accepts at once from one number.
    listener.listen(LISTEN_BACKLOG)
    service.start()
    await serving
    await asyncio.gather(*stopping, return_exceptions=True)
    await service.worker.stop()
