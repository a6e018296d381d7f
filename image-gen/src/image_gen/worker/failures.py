"""Recognises errors of a pipeline without importing torch."""


def out_of_memory(error: BaseException) -> bool:
    """Whether the memory of the GPU or the machine was too small. For the latter, torch has only a message."""
    text = str(error)
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and ("not enough memory" in text or "can't allocate memory" in text))
    )
