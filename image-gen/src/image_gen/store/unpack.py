"""Takes the members of a tar that somebody hands in. Trusts none of them: not their names, types or links."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path, PurePosixPath

from image_gen.errors import ImageGenError
from image_gen.store.archive import inside, is_wanted


def unpack(archive: tarfile.TarFile, place: Path) -> int:
    """Unpacks the parts of models into `place`; the rest is passed over. Returns how many members that were.

    Raises BACKUP_UNSAFE for a member that would leave `place`, or that is neither file, directory nor link.
    """
    count = 0
    for member in archive:
        if ".." in PurePosixPath(member.name).parts:
            raise _unsafe(member, "its path leads out of the archive")
        path = inside(member.name)
        if path is None or member.isdir() or not is_wanted(path):
            continue
        target = place / path
        _make_parents(place, target, member)
        if target.is_symlink() or target.exists():
            raise _unsafe(member, "it stands in the archive twice")
        if member.isreg():
            _write(archive, member, target)
        elif member.issym():
            _link(place, target, member)
        elif member.islnk():
            _hard_link(place, target, member)
        else:
            raise _unsafe(member, "it is no file")
        count += 1
    return count


def _make_parents(place: Path, target: Path, member: tarfile.TarInfo) -> None:
    """Directories only: a parent that is a link could lead anywhere."""
    current = place
    for part in target.parent.relative_to(place).parts:
        current /= part
        if current.is_symlink() or (current.exists() and not current.is_dir()):
            raise _unsafe(member, "its directory is a link or a file")
        current.mkdir(exist_ok=True)


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    content = archive.extractfile(member)
    if content is None:
        raise _unsafe(member, "it has no content")
    with target.open("xb") as stream:
        shutil.copyfileobj(content, stream, 1 << 20)
        stream.flush()
        os.fsync(stream.fileno())


def _link(place: Path, target: Path, member: tarfile.TarInfo) -> None:
    lands = Path(os.path.normpath(target.parent / member.linkname))
    if member.linkname.startswith("/") or not lands.is_relative_to(place / "hub"):
        raise _unsafe(member, f"it links to {member.linkname}")
    target.symlink_to(member.linkname)


def _hard_link(place: Path, target: Path, member: tarfile.TarInfo) -> None:
    path = inside(member.linkname)
    first = place / path if path is not None and is_wanted(path) and ".." not in path.parts else None
    if first is None or first.is_symlink() or not first.is_file():
        raise _unsafe(member, f"it links to {member.linkname}")
    os.link(first, target)


def _unsafe(member: tarfile.TarInfo, why: str) -> ImageGenError:
    return ImageGenError(
        "BACKUP_UNSAFE", f"The backup was not made by image-gen or tar: {member.name!r} is refused, as {why}."
    )
