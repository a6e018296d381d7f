"""Recognises what libraries say when memory is lacking or a device is lost, without importing one of them.

Comes in: an exception, or the last words of a process. Goes out: whether it is one of the two. Must not: import torch.
"""

import errno
import re
from collections.abc import Iterable, Iterator
from typing import Final

# Letters alone, so that one entry matches "out of memory", "OutOfMemoryError" and "ERROR_OUT_OF_MEMORY".
_MEMORY_WORDS: Final = (
    "outofmemory",  # CUDA, HIP, MPS, Metal, the driver, CUDA graphs, NVRTC
    "outofdevicememory",  # Level Zero and SYCL (Intel), Vulkan
    "outofhostmemory",
    "outofresources",  # SYCL
    "allocfailed",  # cuBLAS, cuDNN, cuSOLVER, cuSPARSE, cuFFT, hipBLAS
    "allocationfailed",
    "memoryallocation",  # cudaErrorMemoryAllocation, "memory allocation failure"
    "rocblasstatusmemoryerror",
    "notenoughmemory",  # torch on a CPU
    "insufficientmemory",
    "cantallocatememory",
    "cannotallocatememory",  # ENOMEM, as the C library words it
    "couldnotallocate",
    "unabletoallocate",  # NumPy
    "failedtoallocate",
    "badalloc",  # std::bad_alloc
    "invalidbuffersize",  # MPS, for a buffer that is larger than the device's memory
    # A library's handle needs memory, too; where that is lacking, the libraries say only this.
    "cublasstatusnotinitialized",
    "cudnnstatusnotinitialized",
    "nvmlsuccessr",  # torch's allocator, which asks NVML for numbers for its message and does not get them
)
# After any of these every call of the process fails: its device context is lost.
_FAULT_WORDS: Final = (
    "illegalmemoryaccess", "illegaladdress", "misalignedaddress", "illegalinstruction", "invalidprogramcounter",
    "invalidpc", "addressspace", "devicesideassert", "unspecifiedlaunchfailure", "launchfailure", "launchtimeout",
    "launchtimedout", "hardwarestackerror", "uncorrectable", "eccerror", "doublebitecc", "devicelost", "deviceislost",
    "devicewaslost", "gpuislost", "gpuhasbeenlost", "fallenoffthebus", "contextisdestroyed", "contextdestroyed",
    "contexthasbeendestroyed", "statusexecutionfailed", "statusinternalerror", "drivershuttingdown",
    "cudaerrorunknown", "cudaunknownerror", "hiperrorunknown", "nocudacapabledevice", "memoryaccessfault", "gpuhang",
    "gputimeout", "pagefault", "innocentvictim", "submissionsignored",
)  # fmt: skip
_XID: Final = re.compile(r"\bxid\b", re.IGNORECASE)


def out_of_memory(error: BaseException) -> bool:
    """Whether the memory of the GPU or the machine was too small. Many libraries have only a message for it."""
    return any(
        isinstance(each, MemoryError)
        or (isinstance(each, OSError) and each.errno == errno.ENOMEM)
        or says_out_of_memory(f"{type(each).__name__} {each}")
        for each in _causes(error)
    )


def says_out_of_memory(text: str) -> bool:
    """The same, of a text: the last lines of a process, say."""
    return _has(text, _MEMORY_WORDS)


def says_device_fault(text: str) -> bool:
    """Whether a text is of a lost device context."""
    return _has(text, _FAULT_WORDS) or _XID.search(text) is not None


def is_device_fault(error: BaseException) -> bool:
    """Whether the device's context is lost, so that only another process can continue."""
    return any(says_device_fault(f"{type(each).__name__} {each}") for each in _causes(error))


def _has(text: str, words: Iterable[str]) -> bool:
    letters = re.sub("[^a-z]", "", text.lower())
    return any(word in letters for word in words)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and those that it was raised from, at most ten."""
    current: BaseException | None = error
    for _ in range(10):
        if current is None:
            return
        yield current
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
