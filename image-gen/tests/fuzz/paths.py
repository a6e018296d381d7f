"""Paths of the other routes, with names that nothing has."""

from random import Random
from urllib.parse import quote

from .request import METHODS, Request

NAMES = (
    "", "x", "job_" + "0" * 24, "..", "%00", "%ff", "%2e%2e%2f", "a/b", "é", "\u202e", "'; drop table jobs; --",
    "x" * 9000,
    "%", "%zz", "null", "-1", "{job_id}", "job_" + "a" * 24 + "\n", "🎨", "a" * 43 + ".png",
)  # fmt: skip
PATTERNS = (
    "/v1/jobs/{}", "/v1/jobs/{}/cancel", "/v1/models/{}", "/v1/files/{}", "/v1/queue{}", "/{}", "/v1/{}", "/metrics{}",
    "/readyz{}", "/v1/cache{}", "/v1/cache/{}", "/v1/cache/models/{}", "/v1/cache/operations/{}",
    "/openapi.json{}", "/v1/images/{}", "//v1/jobs/{}",
)  # fmt: skip


def path_request(random: Random) -> Request:
    name = random.choice(NAMES)
    shown = name if name.isascii() and name.isprintable() and " " not in name else quote(name)
    method = random.choice(METHODS) if random.random() < 0.5 else random.choice(("GET", "POST", "DELETE"))
    body = b'{"prompt": "x"}' if random.random() < 0.3 else b""
    return Request(random.choice(PATTERNS).format(shown), body, [("Content-Type", "application/json")], method)
