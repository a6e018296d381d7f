"""Chooses the device and the number type from facts about this machine; `device_probe` reads those facts.

Comes in: what was asked for and what is there. Goes out: a `Device`, or an error that says what to do. Must not: guess.
A GPU that is there but cannot be used is an error, never a silent fallback to the CPU, where an image takes minutes.
"""

from dataclasses import dataclass
from typing import Final

from image_gen.errors import GpuUnusableError, NoGpuError

# The lowest Linux driver of each CUDA generation: torch of that generation does not run on an older one.
MINIMUM_DRIVER: Final = {11: 450, 12: 525, 13: 580}


@dataclass(frozen=True)
class DeviceInfo:
    """What is known of the machine. `cuda_build` is torch's CUDA version, `driver` the NVIDIA driver's."""

    cuda_build: str | None
    cuda_usable: bool
    cuda_problem: str | None
    gpu_present: bool
    driver: str | None
    gpu_name: str | None
    capability: tuple[int, int] | None
    architectures: tuple[str, ...]
    mps_usable: bool


@dataclass(frozen=True)
class Device:
    """Where the pipeline lives: torch's name for it, and a name for people."""

    kind: str
    name: str


def choose_device(asked: str, facts: DeviceInfo) -> Device:
    """`asked` is auto, cpu, cuda or mps. Raises `ImageGenError` NO_GPU or GPU_UNUSABLE."""
    if asked == "cpu":
        return Device("cpu", "the CPU")
    if asked == "mps" or (asked == "auto" and facts.mps_usable and not facts.gpu_present):
        if not facts.mps_usable:
            raise NoGpuError(
                "IMAGE_GEN_DEVICE is mps, but this machine has no Apple GPU (a container never has). Fix: set "
                "IMAGE_GEN_DEVICE=auto; on a Mac, `imagegen up --mode process` uses its GPU"
            )
        return Device("mps", "Apple GPU")
    if not facts.cuda_usable and not facts.gpu_present:
        if asked == "auto":
            return Device("cpu", "the CPU, as there is no GPU")
        raise NoGpuError(
            "IMAGE_GEN_DEVICE is cuda, but no NVIDIA GPU is visible here. Fix: start the container with --gpus all "
            "(`imagegen up --config gpu=all`; the host needs the NVIDIA Container Toolkit: `imagegen doctor`), or set "
            "IMAGE_GEN_DEVICE=auto"
        )
    _check_gpu(facts)
    return Device("cuda", facts.gpu_name or "NVIDIA GPU")


def _check_gpu(facts: DeviceInfo) -> None:
    or_cpu = "or set IMAGE_GEN_DEVICE=cpu to go without (`imagegen up --config gpu=none`)"
    if facts.cuda_build is None:
        raise GpuUnusableError(
            f"There is an NVIDIA GPU, but this torch is built for the CPU only. Fix: use another build, {or_cpu}"
        )
    needed = MINIMUM_DRIVER.get(_major(facts.cuda_build))
    if facts.driver and needed and _major(facts.driver) < needed:
        raise GpuUnusableError(
            f"The host's NVIDIA driver {facts.driver} is too old for CUDA {facts.cuda_build} of this image, which "
            f"needs {needed} or newer. Fix: update the host's driver, {or_cpu}"
        )
    if not facts.cuda_usable:
        raise GpuUnusableError(
            f"There is an NVIDIA GPU, but CUDA {facts.cuda_build} cannot use it "
            f"({facts.cuda_problem or 'no reason given'}). Fix: check that `nvidia-smi` works on the host, {or_cpu}"
        )
    if facts.capability and facts.architectures and not _is_supported(facts.capability, facts.architectures):
        major, minor = facts.capability
        raise GpuUnusableError(
            f"{facts.gpu_name} (compute capability {major}.{minor}) is not supported by CUDA {facts.cuda_build} of "
            f"this image ({', '.join(facts.architectures)}). Fix: use a newer GPU, {or_cpu}"
        )


def _is_supported(capability: tuple[int, int], architectures: tuple[str, ...]) -> bool:
    """Code of the same generation and not a later step runs; so does intermediate code of any earlier generation."""
    for architecture in architectures:
        kind, _, digits = architecture.partition("_")
        number = "".join(character for character in digits if character.isdigit())
        if not number:
            continue
        built = (int(number[:-1]), int(number[-1]))
        if kind == "sm" and built[0] == capability[0] and built[1] <= capability[1]:
            return True
        if kind == "compute" and built <= capability:
            return True
    return False


def choose_dtype(asked: str, device: str) -> str:
    """Torch's name of the number type; auto is float16 on CUDA and Apple GPUs, float32 on a CPU."""
    if asked != "auto":
        return asked
    return "float32" if device == "cpu" else "float16"


def _major(version: str) -> int:
    digits = version.split(".", 1)[0]
    return int(digits) if digits.isdigit() else 0
