"""The choice of the device, as a table: what is asked, what is there, what follows."""

from dataclasses import replace

import pytest

from image_gen.errors import ImageGenError
from image_gen.worker.device import Device, DeviceInfo, choose_device, choose_dtype

NOTHING = DeviceInfo("13.2", False, None, False, None, None, None, (), False)
H200 = replace(
    NOTHING, cuda_usable=True, gpu_present=True, driver="580.95.05", gpu_name="NVIDIA H200", capability=(9, 0),
    architectures=("sm_75", "sm_80", "sm_86", "sm_90", "compute_120"),
)  # fmt: skip
OLD_DRIVER = replace(
    H200, cuda_usable=False, driver="550.54.14", cuda_problem="The NVIDIA driver is too old", capability=None
)
BROKEN = replace(H200, cuda_usable=False, cuda_problem="No CUDA GPUs are available", driver=None, capability=None)
V100 = replace(H200, gpu_name="Tesla V100", capability=(7, 0))
CPU_BUILD = replace(H200, cuda_build=None, cuda_usable=False)
MAC = replace(NOTHING, cuda_build=None, mps_usable=True)


@pytest.mark.parametrize(
    ("asked", "facts", "device"),
    [
        ("auto", NOTHING, Device("cpu", "the CPU, as there is no GPU")),
        ("auto", H200, Device("cuda", "NVIDIA H200")),
        ("cuda", H200, Device("cuda", "NVIDIA H200")),
        ("cpu", H200, Device("cpu", "the CPU")),
        ("cpu", OLD_DRIVER, Device("cpu", "the CPU")),
        ("auto", MAC, Device("mps", "Apple GPU")),
        ("mps", MAC, Device("mps", "Apple GPU")),
        ("auto", replace(H200, capability=(8, 9)), Device("cuda", "NVIDIA H200")),
        ("auto", replace(H200, capability=(12, 1)), Device("cuda", "NVIDIA H200")),
    ],
)
def test_choose_device_by_machine_and_setting(asked: str, facts: DeviceInfo, device: Device) -> None:
    assert choose_device(asked, facts) == device


@pytest.mark.parametrize(
    ("asked", "facts", "code", "text"),
    [
        ("cuda", NOTHING, "NO_GPU", "start the container with --gpus all"),
        ("mps", NOTHING, "NO_GPU", "no Apple GPU"),
        (
            "auto",
            OLD_DRIVER,
            "GPU_UNUSABLE",
            "driver 550.54.14 is too old for CUDA 13.2 of this image, which needs 580",
        ),
        ("cuda", OLD_DRIVER, "GPU_UNUSABLE", "update the host's driver, or set IMAGE_GEN_DEVICE=cpu"),
        ("auto", BROKEN, "GPU_UNUSABLE", "(No CUDA GPUs are available). Fix: check that `nvidia-smi` works"),
        ("auto", V100, "GPU_UNUSABLE", "Tesla V100 (compute capability 7.0) is not supported by CUDA 13.2"),
        ("auto", CPU_BUILD, "GPU_UNUSABLE", "built for the CPU only"),
    ],
)
def test_choose_device_rejects_an_unusable_gpu(asked: str, facts: DeviceInfo, code: str, text: str) -> None:
    with pytest.raises(ImageGenError) as caught:
        choose_device(asked, facts)
    assert caught.value.code == code
    assert text in caught.value.message
    assert caught.value.retryable is False


def test_choose_dtype_by_device_and_setting() -> None:
    assert [choose_dtype("auto", device) for device in ("cuda", "mps", "cpu")] == ["float16", "float16", "float32"]
    assert choose_dtype("bfloat16", "cpu") == "bfloat16"
