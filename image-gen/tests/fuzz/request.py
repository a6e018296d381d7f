"""One request as bytes of a connection."""

from dataclasses import dataclass, field
from random import Random

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW", "post")


@dataclass
class Request:
    """`is_http`: whether it is a whole request of HTTP, whose errors have OpenAI's shape."""

    path: str
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)
    method: str = "POST"
    length: int | None = None
    chunks: list[bytes] | None = None
    is_http: bool = True

    def encoded(self) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1"]
        if not any(name.lower() == "host" for name, _ in self.headers):
            lines.append("Host: 127.0.0.1")
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.chunks is not None:
            lines.append("Transfer-Encoding: chunked")
        elif self.body or self.method not in {"GET", "HEAD"}:
            lines.append(f"Content-Length: {len(self.body) if self.length is None else self.length}")
        lines.append("Connection: close")
        head = "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n"
        return head + (self.body if self.chunks is None else b"".join(self.chunks))


def chunked(random: Random, body: bytes) -> list[bytes]:
    """The body in a few chunks."""
    parts, at = [], 0
    while at < len(body):
        size = random.randint(1, max(1, len(body)))
        part = body[at : at + size]
        parts.append(b"%x\r\n%s\r\n" % (len(part), part))
        at += size
    return [*parts, b"0\r\n\r\n"]


def odd_headers(random: Random) -> list[tuple[str, str]]:
    """Headers that routes read, with values that nobody sends."""
    text = random.choice(("", "x", "\x01", "é", "9" * 5000, "-1", "1e9", "null", "a b", '"', "%00", ",", "x" * 3000))
    name = random.choice(
        ("Idempotency-Key", "Authorization", "Origin", "X-Request-ID", "x-stainless-retry-count", "Accept", "Cookie",
         "X-Forwarded-Proto", "X-Forwarded-For", "Accept-Encoding", "Range", "If-None-Match", "Content-Encoding",
         "traceparent", "Host")
    )  # fmt: skip
    return [(name, text.replace("\x01", "\t"))]


KEY = "key-of-the-fuzzer"


def on_the_wire(random: Random, request: Request) -> Request:
    """The same with a key, sometimes in another framing, or in none."""
    if random.random() < 0.97:
        request.headers.append(("Authorization", f"Bearer {KEY}"))
    kind = random.randrange(40)
    if kind < 4:
        request.chunks = chunked(random, request.body)
    elif kind == 4:
        request.headers += odd_headers(random)
    elif kind == 5:
        request.method = random.choice(METHODS)
    elif kind == 6:
        request.length = len(request.body) + random.choice((1, 100))
        request.is_http = False
    elif kind == 7:
        request.chunks = [
            random.choice((b"zz\r\n", b"-1\r\n\r\n", b"ffffffffffffffffff\r\nx", b"5\r\nab", b"1\r\nabc\r\n"))
        ]
        request.is_http = False
    elif kind == 8:
        request.headers.append(("Expect", random.choice(("100-continue", "200-ok"))))
    elif kind == 9:
        request.headers += [("Content-Type", "application/json"), ("Content-Type", "text/plain")]
    elif kind == 10:
        request.path += random.choice(("?", "?a=%00", "?" + "a" * 8000, "#x", "/", "//", "/../x", "%2f", "?a=é"))
        request.is_http = "é" not in request.path
    elif kind == 11:
        request.headers.append((random.choice(("", "a b", "é", "x" * 70_000)), "x"))
        request.is_http = False
    return request
