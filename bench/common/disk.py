"""A real block device of the bench's own, whose reads the kernel can throttle: a loop device with a file system.

Comes in: a directory, a size. Goes out: a mount, a way to run a program at a rate. Must not: slow anything else down.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_V1 = Path("/sys/fs/cgroup/blkio")
_V2 = Path("/sys/fs/cgroup")
_READ = """
import os, sys, threading, time
paths, lock, buffers = sys.argv[1:], threading.Lock(), 4
sizes = [os.stat(path).st_size for path in paths]
blocks = iter([(path, at) for path, size in zip(paths, sizes) for at in range(0, size, 8 << 20)])
def work():
    buffer = memoryview(bytearray(8 << 20))
    while True:
        with lock: block = next(blocks, None)
        if block is None: return
        descriptor = os.open(block[0], os.O_RDONLY)
        os.preadv(descriptor, [buffer], block[1]); os.close(descriptor)
threads = [threading.Thread(target=work) for _ in range(buffers)]
begin = time.perf_counter()
for thread in threads: thread.start()
for thread in threads: thread.join()
print(sum(sizes) / (time.perf_counter() - begin))
"""


class Disk:
    """`with Disk(place, size) as disk`. `why_plain` says why it is an ordinary directory instead, None if it is not."""

    def __init__(self, place: Path, size: int) -> None:
        self._place = place
        self._size = size
        self._device: str | None = None
        self._group: Path | None = None
        self.mount = place / "disk"
        self.why_plain: str | None = None

    def __enter__(self) -> Disk:
        self.mount.mkdir(parents=True)
        try:
            self._attach()
        except (OSError, subprocess.CalledProcessError) as error:
            self.why_plain = f"no loop device is available here ({error})"
            self._detach()
        else:
            try:
                self._make_group()
            except OSError as error:
                self.why_plain = f"no control group for block devices is available here ({error})"
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()
        self._detach()

    def throttle(self, megabytes_per_second: int) -> None:
        """The rate for whoever is in the group from now on; 0 is no limit. Megabytes are 10^6 bytes."""
        if self._group is None:
            return
        number = self._number()
        rate = megabytes_per_second * 1_000_000
        if self._group.is_relative_to(_V1):
            (self._group / "blkio.throttle.read_bps_device").write_text(f"{number} {rate}", encoding="ascii")
        else:
            (self._group / "io.max").write_text(f"{number} rbps={rate or 'max'}", encoding="ascii")

    def enter(self) -> None:
        """To be called in a new process before its program begins."""
        if self._group is not None:
            (self._group / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")

    def forget(self) -> None:
        """Takes the files out of the page cache."""
        os.sync()
        for path in self.mount.rglob("*"):
            if path.is_file() and not path.is_symlink():
                descriptor = os.open(path, os.O_RDONLY)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
                os.close(descriptor)

    def warm(self) -> None:
        """Brings the files into the page cache."""
        for path in self.mount.rglob("*"):
            if path.is_file() and not path.is_symlink():
                with path.open("rb", buffering=0) as stream:
                    while stream.read(8 << 20):
                        pass

    def read_rate(self, paths: Sequence[Path]) -> float:
        """Bytes a second of plain large reads by a few threads, at the rate that is set; out of the cache before."""
        command = [sys.executable, "-c", _READ, *map(str, paths)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, preexec_fn=self.enter)
        return float(done.stdout)

    def _attach(self) -> None:
        image = self._place / "disk.img"
        with image.open("wb") as stream:
            os.posix_fallocate(stream.fileno(), 0, self._size)
        # Direct, so that the file behind the device is not cached a second time.
        options = ["--find", "--show", "--direct-io=on"]
        self._device = _run("losetup", *options, str(image))
        _run("mkfs.ext4", "-q", "-m", "0", "-F", self._device)
        _run("mount", "-o", "noatime", self._device, str(self.mount))

    def _detach(self) -> None:
        if self._device is not None:
            for command in (["umount", str(self.mount)], ["losetup", "--detach", self._device]):
                subprocess.run(command, check=False, capture_output=True)
            self._device = None
        (self._place / "disk.img").unlink(missing_ok=True)
        shutil.rmtree(self.mount, ignore_errors=True)

    def _leave(self) -> None:
        """The group goes when the last process in it has; the engine notices the end of its service and ends."""
        for _ in range(100 if self._group is not None else 0):
            with suppress(OSError):
                self._group.rmdir()
                return
            time.sleep(0.1)

    def _make_group(self) -> None:
        v1 = (_V1 / "blkio.throttle.read_bps_device").exists()
        if not v1 and "io" not in (_V2 / "cgroup.controllers").read_text(encoding="ascii").split():
            raise OSError("the io controller is not there")
        if not v1:
            (_V2 / "cgroup.subtree_control").write_text("+io", encoding="ascii")
        group = (_V1 if v1 else _V2) / f"image-gen-bench-{os.getpid()}"
        group.mkdir()
        self._group = group
        self.throttle(1)
        self.throttle(0)

    def _number(self) -> str:
        assert self._device is not None
        device = Path(self._device).stat().st_rdev
        return f"{os.major(device)}:{os.minor(device)}"


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
