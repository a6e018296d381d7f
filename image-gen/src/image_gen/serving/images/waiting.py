"""Work that a client waits for: it ends with the client and with the time.

Comes in: a coroutine, a request. Goes out: what it gives, or why there is nothing. Must not: know what the work is.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request

from image_gen.errors import ClientGoneError, ImageGenError, RequestTimeoutError

Result = TypeVar("Result")


async def while_client_waits(
    http: Request, work: Coroutine[Any, Any, Result], seconds: float, instead: str
) -> Result | ImageGenError:
    """The result, or an error, which `work` may raise. It is cancelled when the client disconnects and when the time
    is over; `instead` says what else the client may do then.
    """
    task = asyncio.create_task(work)
    gone = asyncio.create_task(_disconnected(http))
    try:
        await asyncio.wait({task, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        if gone.done():
            return ClientGoneError("The client did not wait.")
        return RequestTimeoutError(f"The picture was not done within {seconds:.0f} s: {instead}")
    except ImageGenError as error:
        return error
    finally:
        gone.cancel()
        task.cancel()


async def _disconnected(http: Request) -> None:
    while not await http.is_disconnected():
        await asyncio.sleep(0.2)
