"""The mounts of this process, as the kernel lists them: what holds a path, and where a container's mount comes from."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MOUNT_INFO = Path("/proc/self/mountinfo")
_CONTAINER = re.compile(r"containers/([0-9a-f]{64})/")
_VOLUME = re.compile(r"/volumes/([^/]+)/_data")


@dataclass(frozen=True)
class MountPoint:
    """One line of the list. `root` is the path within its file system that is mounted at `path`."""

    path: Path
    filesystem: str
    root: str


def mount_point(here: Path) -> MountPoint | None:
    """The mount that holds a path; None where the kernel does not say."""
    best: MountPoint | None = None
    for each in _mounts():
        if here.is_relative_to(each.path) and (best is None or each.path.is_relative_to(best.path)):
            best = each
    return best


def is_reachable(path: Path) -> bool:
    """Whether something is there, and this user may know: unlike `Path.exists`, it never raises."""
    try:
        path.stat()
    except OSError:
        return False
    return True


def container_id() -> str:
    """The id of this container, by the files that its engine mounts into it; empty outside one."""
    found = (_CONTAINER.search(each.root) for each in _mounts() if each.path.parent == Path("/etc"))
    return next((each[1][:12] for each in found if each), "")


def mounted_source(mount: MountPoint) -> str:
    """What is mounted there, as the host calls it: a volume's name or a directory. A guess for a directory that is not
    on the host's root file system.
    """
    volume = _VOLUME.search(mount.root)
    return volume[1] if volume else mount.root


def _mounts() -> Iterator[MountPoint]:
    try:
        lines = MOUNT_INFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        fields = line.split()
        yield MountPoint(Path(_unescaped(fields[4])), fields[fields.index("-") + 1], _unescaped(fields[3]))


def _unescaped(text: str) -> str:
    """Spaces in names are written as octal escapes."""
    return text.encode("ascii", "backslashreplace").decode("unicode_escape")
