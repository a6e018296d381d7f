"""uvicorn's protocol with deadlines for headers and bodies, and a place among all connections.

uvicorn's own has no deadline but that of a connection that is idle after an answer. It closes a connection while a body
is still arriving, which takes the answer from the client: the kernel then resets the connection.
"""

import asyncio
import errno
import json
import logging
from typing import Any, ClassVar, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from image_gen.serving.http.connections import Connections, Phase
from image_gen.serving.http.error_json import error_json

log = logging.getLogger(__name__)
# From the first byte, or from the connection's start, to the end of the headers. nginx allows 60 s, Apache 20 to 40.
HEADERS_SECONDS: Final = 30.0
# For a body, and a second more for so many bytes of it: 64 KiB may take 68 s, 25 MB half an hour.
BODY_SECONDS: Final = 64.0
BODY_BYTES_PER_SECOND: Final = 16_000
# What a client sends after its answer is read and dropped for so long, as by nginx.
LINGER_SECONDS: Final = 30.0
# Connections that the kernel keeps until they are taken; it cuts this to net.core.somaxconn.
LISTEN_BACKLOG: Final = 1024
_OUT_OF_FILES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class LimitedProtocol(H11Protocol):
    """One connection."""

    # uvicorn makes the protocols itself, from their class.
    all: ClassVar[Connections]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # TCP alone
        """asyncio's."""
        super().connection_made(_Transport(transport, self))  # type: ignore[arg-type] # what uvicorn uses of one
        self._phase: Phase | None = None
        self._received = 0
        self._deadline: asyncio.TimerHandle | None = None
        self.all.make_room(self.loop.time())
        if len(self.all) >= self.all.most:  # every one is being answered
            self.all.closed_for_others += 1
            transport.abort()
            return
        self._enter("headers")

    def abort(self) -> None:
        """Closes the connection at once."""
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio's."""
        self.all.leave(self)
        self._cancel_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """asyncio's."""
        if self.transport.is_closing():  # the rest of a body that has its answer
            return
        self._received += len(data)
        if self._phase == "idle":
            self._enter("headers")
        super().data_received(data)
        self._update()

    def on_response_complete(self) -> None:
        """uvicorn's: called when a response has been sent."""
        super().on_response_complete()
        self._update()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 -- it is uvicorn's own text
        """uvicorn's: what arrived is not HTTP, or the headers are too large."""
        self.all.invalid += 1
        self._refuse(400, "Bad Request", "The request is not valid HTTP.", "invalid_http")

    def linger(self) -> bool:
        """Whether the connection stays open for the rest of a body, and is closed by the client or by the deadline."""
        if self.cycle is None or not self.cycle.response_complete or self.conn.their_state is not h11.SEND_BODY:
            return False
        self._cancel_deadline()
        self._deadline = self.loop.call_later(LINGER_SECONDS, self.abort)
        self.flow.resume_reading()
        return True

    def _update(self) -> None:
        if self._phase is None or self.transport.is_closing():
            return
        theirs = self.conn.their_state
        if theirs is h11.IDLE:
            # Before its first request a connection is never idle: it has a deadline.
            is_idle = self.cycle is not None and not self.conn.trailing_data[0]
            phase: Phase = "idle" if is_idle else "headers"
        else:
            phase = "body" if theirs is h11.SEND_BODY else "answer"
        if phase != self._phase:
            self._enter(phase)

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        self._received = 0
        self._cancel_deadline()
        now = self.loop.time()
        self.all.enter(self, phase, now)
        if phase == "headers":
            self._deadline = self.loop.call_at(now + HEADERS_SECONDS, self._on_deadline)
        elif phase == "body":
            self._deadline = self.loop.call_at(now + BODY_SECONDS, self._on_body_deadline, now)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _on_body_deadline(self, started: float) -> None:
        end = started + BODY_SECONDS + self._received / BODY_BYTES_PER_SECOND
        if end > self.loop.time():
            self._deadline = self.loop.call_at(end, self._on_body_deadline, started)
        else:
            self._on_deadline()

    def _on_deadline(self) -> None:
        self.all.timed_out += 1
        if self._phase == "headers" and not self.conn.trailing_data[0]:
            self.transport.abort()
        else:
            self._refuse(408, "Request Timeout", "The request did not arrive in time.", "request_timeout")

    def _refuse(self, status: int, reason: str, message: str, code: str) -> None:
        """Answers in place of the app, unless it has begun to, and closes the connection."""
        if self._phase == "headers" or self.cycle is None or not self.cycle.response_started:
            body = json.dumps(error_json(status, message, code=code)).encode()
            head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            self.transport.write(f"{head}Connection: close\r\n\r\n".encode() + body)
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()


class _Transport:
    """asyncio's, whose end waits for the client where its body has not arrived in full."""

    def __init__(self, transport: asyncio.Transport, protocol: LimitedProtocol) -> None:
        self._transport = transport
        self._protocol = protocol
        self._lingers = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """asyncio's: nothing more is written."""
        return self._lingers or self._transport.is_closing()

    def close(self) -> None:
        """asyncio's. A second time, it does not wait."""
        if not self.is_closing() and self._protocol.linger():
            self._lingers = True
            self._transport.write_eof()
        else:
            self._transport.close()


def handle_loop_error(connections: Connections, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """asyncio's handler of errors: without descriptors it reports each connection that waits, with a trace."""
    error = context.get("exception")
    if isinstance(error, OSError) and error.errno in _OUT_OF_FILES:
        connections.free_files(loop.time())
        log.warning(
            "No connection can be accepted (%s): idle ones are closed. Fix: raise the limit of open files (ulimit -n), "
            "in Docker by the option --ulimit", errno.errorcode[error.errno],
            extra={"limited": "accept"},
        )  # fmt: skip
    else:
        loop.default_exception_handler(context)
