"""Reads what `device` decides by, from torch, /dev and /proc."""

import re
from pathlib import Path

import torch

from image_gen.worker.device import DeviceInfo

_DRIVER_FILE = Path("/proc/driver/nvidia/version")


def probe_device() -> DeviceInfo:
    """Makes the device context on a CUDA machine, so that the first tensor does not have to."""
    usable, problem = _try_cuda()
    return DeviceInfo(
        cuda_build=torch.version.cuda,
        cuda_usable=usable,
        cuda_problem=problem,
        gpu_present=usable or _gpu_node(),
        driver=_driver(),
        gpu_name=torch.cuda.get_device_name(0) if usable else None,
        capability=torch.cuda.get_device_capability(0) if usable else None,
        architectures=tuple(torch.cuda.get_arch_list()) if usable else (),
        mps_usable=torch.backends.mps.is_available(),
    )


def _try_cuda() -> tuple[bool, str | None]:
    if torch.version.cuda is None or not (_gpu_node() or torch.cuda.is_available()):
        return False, None
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        return False, str(error).strip().partition("\n")[0].rstrip(". ")
    return torch.cuda.device_count() > 0, None


def _gpu_node() -> bool:
    """Whether a GPU was given to this container; /dev/dxg is the GPU of Windows' Linux subsystem."""
    return any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/dxg").exists()


def _driver() -> str | None:
    try:
        match = re.search(r"\b(\d{3,}\.\d+(?:\.\d+)?)\b", _DRIVER_FILE.read_text(encoding="utf-8"))
    except OSError:
        return None
    return match.group(1) if match else None
