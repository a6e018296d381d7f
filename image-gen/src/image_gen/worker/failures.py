"""Makes errors of a pipeline the service's own, by what the libraries say.

Comes in: an exception. Goes out: one of our errors. Must not: quote a prompt.
"""

import re
from typing import Final

from image_gen.errors import EngineError, GpuFaultError, ImageGenError, OutOfMemoryError
from image_gen.library_errors import is_device_fault, out_of_memory
from image_gen.worker.prompt_privacy import quotes_prompt

# What CUDA's errors say after the reason, of how to debug them.
_ADVICE: Final = re.compile(
    r"\b(?:CUDA|HIP) kernel errors might be|\bSearch for `|\bCompile with `|\bFor debugging consider"
)


def to_user_error(error: Exception, *prompts: str | None, smaller: str = "") -> ImageGenError:
    """What the caller is to know. The exception's text is kept, but not where it quotes one of `prompts`.
    `smaller`: what can be smaller, for an error of memory.
    """
    if isinstance(error, ImageGenError):
        return error
    text = one_line(error, *prompts)
    if out_of_memory(error):
        return OutOfMemoryError(
            f"There is not enough memory ({text}). Fix: {smaller or 'give the container or the GPU more memory, or '}"
            f"{'' if smaller else 'choose a smaller model: `imagegen up --model <id>`'}"
        )
    if is_device_fault(error):
        return GpuFaultError(
            f"The GPU reported a fault, after which no call of the process succeeds: {text}. The engine is started "
            "again. Fix, if it returns: `nvidia-smi -q` on the host shows the GPU's state; restart the host."
        )
    return EngineError(text)


def one_line(error: BaseException, *prompts: str | None) -> str:
    """The exception's type and the first lines of its text."""
    whole = " ".join(str(error).split())
    text = _ADVICE.split(whole)[0][:400].rstrip(" .")
    if quotes_prompt(whole, prompts):
        text = "its text quotes the prompt, and is left out"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
