"""One job as it is kept."""

from dataclasses import dataclass, field
from typing import Final, Literal

Status = Literal["queued", "running", "succeeded", "failed", "cancelled"]
ENDED: Final[frozenset[Status]] = frozenset({"succeeded", "failed", "cancelled"})


@dataclass
class Job:
    """Times are seconds since 1970. `body` is the request as JSON, without the webhook's address. `key` is the name of
    the API key that it belongs to. `runs`: how often it was begun and not ended by an orderly stop. `reserved`: bytes.
    """

    id: str
    key: str
    body: str
    created: float
    reserved: int
    idempotency_key: str | None = None
    fingerprint: str = ""
    webhook_url: str | None = None
    status: Status = "queued"
    started: float | None = None
    ended: float | None = None
    expires: float | None = None
    runs: int = 0
    error: str | None = None
    # The answer as JSON; read from the disk only where it is asked for.
    result: bytes | None = field(default=None, repr=False)

    @property
    def has_ended(self) -> bool:
        """Whether nothing more happens to it."""
        return self.status in ENDED
