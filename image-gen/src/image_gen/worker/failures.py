"""What can go wrong while a picture is made, told apart without importing torch."""


class CancelledError(Exception):
    """The picture is not wanted any more."""


def out_of_memory(error: BaseException) -> bool:
    """Whether the GPU's or the machine's memory was too small. torch says the latter only in words."""
    text = str(error)
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and ("not enough memory" in text or "can't allocate memory" in text))
    )
