"""Ports of this machine for servers of the tests."""

import contextlib
import random
import socket


def free_port() -> int:
    """One that nothing listens on: below those that the system gives to clients, one of which could be given away
    before the server listens, and not of those that the tests in TypeScript take (freePort in test/support/engine.ts).
    """
    while True:
        port = random.randrange(20_000, 26_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
