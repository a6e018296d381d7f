"""Asks /readyz, and ends with 0 only if a picture can be made. Bare sockets: it runs every few seconds, so it starts
fast.
"""

import os
import socket
import sys

host = os.environ.get("HOST", "").strip()
if host in {"", "0.0.0.0"}:  # noqa: S104 - to be read, not bound
    host = "127.0.0.1"
elif host == "::":
    host = "::1"
try:
    with socket.create_connection((host, int(os.environ.get("PORT", "").strip() or 8000)), timeout=4) as connection:
        connection.sendall(b"GET /readyz HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
except OSError as error:
    sys.exit(f"no answer: {error}")
head, _, body = answer.partition(b"\r\n\r\n")
# Docker keeps this line with the container's health, so that `docker inspect` shows what is going on.
sys.stdout.write(body.decode(errors="replace")[:1000])
sys.exit(0 if head.split(b" ", 2)[1:2] == [b"200"] else 1)
