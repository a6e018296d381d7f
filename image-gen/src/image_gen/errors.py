"""The one error that the service and the command show to people.

Comes in: a code, a line of text. Goes out: `ImageGenError`. Must not: import anything heavy, or know who shows it.
"""


class ImageGenError(Exception):
    """Something foreseen went wrong, and `message` says in one line what to do about it.

    `code` is stable (programs may test it), `retryable` says whether waiting alone may mend it.
    """

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = " ".join(message.split())
        self.retryable = retryable

    def __str__(self) -> str:
        return self.message

    def as_json(self) -> dict[str, object]:
        """What `/readyz` and `--json` print."""
        return {"code": self.code, "message": self.message, "retryable": self.retryable}
