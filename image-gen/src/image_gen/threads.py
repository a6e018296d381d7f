"""Blocking work beside the event loop, which the end of the service does not wait for."""

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


async def in_daemon_thread(name: str, work: Callable[[], Result]) -> Result:
    """Like `asyncio.to_thread`, whose threads, though, are waited for when the loop is closed."""
    future: concurrent.futures.Future[Result] = concurrent.futures.Future()
    future.set_running_or_notify_cancel()  # from now on it can't be cancelled, as a thread can't

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # it is raised again where it is awaited
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await asyncio.wrap_future(future)


def post(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """Calls on the loop's thread; ignored when the loop is already closed."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call)
