"""Errors by what the libraries say: memory, a lost device, and nothing of a prompt. No torch is imported."""

import errno

import pytest

from image_gen.library_errors import is_device_fault, out_of_memory
from image_gen.worker.failures import to_user_error
from image_gen.worker.prompt_privacy import quotes_prompt, without_prompts

MEMORY = [
    "MPS backend out of memory (MPS allocated: 16.02 GB). Tried to allocate 1.00 GB on private pool.",
    "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 7.79 GiB",
    "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported at some other API call",
    "CUDA driver error: out of memory",
    "HIP out of memory. Tried to allocate 2.00 GiB",
    "HIP error: hipErrorOutOfMemory",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
    "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "cuDNN error: CUDNN_STATUS_NOT_INITIALIZED",
    "cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling `cusolverDnCreate(handle)`",
    "CUDA error: CUSPARSE_STATUS_ALLOC_FAILED",
    "cuFFT error: CUFFT_ALLOC_FAILED",
    "NVML_SUCCESS == r INTERNAL ASSERT FAILED at CUDACachingAllocator.cpp:1131, please report a bug to PyTorch.",
    "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate",
    "DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes.",
    "unable to mmap 5135149760 bytes from file: Cannot allocate memory (12)",
    "Unable to allocate 12.0 GiB for an array with shape (1, 2) and data type float32",
    "std::bad_alloc",
    "Invalid buffer size: 58.37 GB",
    "XPU out of memory. Tried to allocate",
    "UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY",
]
FAULTS = [
    "CUDA error: an illegal memory access was encountered\nCompile with `TORCH_USE_CUDA_DSA`",
    "CUDA error: device-side assert triggered",
    "CUDA error: unspecified launch failure",
    "CUDA error: misaligned address",
    "CUDA error: an illegal instruction was encountered",
    "CUDA error: the launch timed out and was terminated",
    "CUDA error: uncorrectable ECC error encountered",
    "CUDA error: hardware stack error",
    "CUDA error: unknown error",
    "cudaErrorIllegalAddress",
    "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
    "HIP error: hipErrorIllegalAddress",
    "Memory access fault by GPU node-1",
    "NVRM: Xid (PCI:0000:00:1e): 79, GPU has fallen off the bus.",
    "Unable to determine the device handle for GPU0: GPU is lost. Reboot the system to recover this GPU",
    "UR_RESULT_ERROR_DEVICE_LOST",
    "Caused GPU Hang Error (00000003:kIOGPUCommandBufferCallbackErrorHang)",
]
ORDINARY = [
    "The size of tensor a (64) must match the size of tensor b (63) at non-singleton dimension 3",
    "expected scalar type Half but found Float",
    "CUDA error: no kernel image is available for execution on the device",
    "CUDA error: invalid argument",
    "No such file or directory",
    "`height` and `width` have to be divisible by 8",
]


@pytest.mark.parametrize("text", MEMORY)
def test_every_wording_of_too_little_memory_is_one_error(text: str) -> None:
    error = to_user_error(RuntimeError(text))
    assert error.code == "OUT_OF_MEMORY"
    assert text[:40].partition("\n")[0].rstrip(".") in error.message and "Fix: " in error.message


@pytest.mark.parametrize(
    "error", [MemoryError(), OSError(errno.ENOMEM, "x"), type("OutOfMemoryError", (Exception,), {})()]
)
def test_too_little_memory_is_recognised_by_type(error: Exception) -> None:
    assert out_of_memory(error)
    wrapped = ValueError("loading failed")
    wrapped.__cause__ = error
    assert out_of_memory(wrapped)


@pytest.mark.parametrize("text", FAULTS)
def test_a_lost_device_is_an_error_that_only_another_process_ends(text: str) -> None:
    error = to_user_error(RuntimeError(text))
    assert (error.code, error.retryable, error.http_status) == ("GPU_FAULT", True, 503)
    assert text[:40].partition("\n")[0] in error.message


@pytest.mark.parametrize("text", ORDINARY)
def test_other_errors_are_the_engines(text: str) -> None:
    error = RuntimeError(text)
    assert not out_of_memory(error) and not is_device_fault(error)
    assert to_user_error(error).message == f"RuntimeError: {text}"
    assert to_user_error(error).code == "ENGINE_ERROR"


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("no token for a very secret garden at night", "A very secret garden at night"),
        ("cut: ['secret garden , at night']", "a very secret garden, at night, with owls"),
        ("KeyError: 'x'", "x"),
        ("what about the owl?", "the owl"),
        ("текст: секретный сад ночью", "секретный сад ночью"),
        ("秘密の庭園と夜のフクロウと月の光 …", "とても秘密の庭園と夜のフクロウと月の光"),
    ],
)
def test_a_text_that_quotes_a_prompt_is_recognised(text: str, prompt: str) -> None:
    assert quotes_prompt(text, (None, prompt))
    message = to_user_error(ValueError(text), None, prompt).message
    assert message == "ValueError: its text quotes the prompt, and is left out"


@pytest.mark.parametrize("prompt", ["x", "a", "the sea", "a lighthouse on a cliff at dusk, oil painting", "test"])
def test_a_text_that_has_nothing_of_a_prompt_is_kept(prompt: str) -> None:
    text = "CUDA error: an illegal memory access was encountered by the latest kernel"
    assert not quotes_prompt(text, (prompt,))


def test_a_truncation_warning_is_cut_off_whatever_it_shows() -> None:
    line = (
        "The following part of your input was truncated because CLIP can only handle sequences up to 77 tokens: ['owl']"
    )
    shown = without_prompts(line, ())
    assert "owl" not in shown and shown.startswith("The following part of your input was truncated")
    assert without_prompts("Loading took 3 s", ("a prompt of many words",)) == "Loading took 3 s"
