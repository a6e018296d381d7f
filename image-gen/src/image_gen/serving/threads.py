"""Blocking work beside the event loop, which the end of the service does not wait for."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


async def in_daemon_thread(name: str, work: Callable[[], Result]) -> Result:
    """Like `asyncio.to_thread`, whose threads, though, are waited for when the loop is closed."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def settle(result: Result | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # it is raised again where it is awaited
            caught = error
            post(loop, lambda: settle(None, caught))
        else:
            post(loop, lambda: settle(result, None))

    threading.Thread(target=run, name=name, daemon=True).start()
    return await future


def post(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """Calls on the loop's thread; ignored when the loop is already closed."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call)
