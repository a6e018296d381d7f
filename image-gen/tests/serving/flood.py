"""`flood.py PORT HEADERS BODIES IDLE SECONDS`: uses a server's connections up.

HEADERS sockets send a request's headers a byte a second, BODIES its body, IDLE nothing after one request or none. One
that the server closes is opened again a second later.
"""

import asyncio
import contextlib
import resource
import sys

HEAD = b"POST /v1/images/generations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n"
WHOLE = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


async def hold(port: int, first: bytes, drip: bytes) -> None:
    """Sends `first` at once, then `drip` a byte a second, then nothing; again when the server ends it."""
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            ended = asyncio.create_task(until_end(reader))
            try:
                writer.write(first)
                for byte in drip:
                    await asyncio.wait({ended}, timeout=1)
                    if ended.done():
                        break
                    writer.write(bytes([byte]))
                await ended
            finally:
                ended.cancel()
                writer.transport.abort()
        await asyncio.sleep(1)


async def until_end(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(OSError):
        while await reader.read(4096):
            pass


async def flood(port: int, headers: int, bodies: int, idle: int, seconds: float) -> None:
    hostile = [hold(port, b"", HEAD) for _ in range(headers)]
    hostile += [hold(port, HEAD + b"\r\n", b"x" * 60_000) for _ in range(bodies)]
    hostile += [hold(port, WHOLE if index % 2 else b"", b"") for index in range(idle)]
    tasks = [asyncio.create_task(each) for each in hostile]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, most), most))
    where, *counts, length = sys.argv[1:]
    asyncio.run(flood(int(where), *map(int, counts), float(length)))
