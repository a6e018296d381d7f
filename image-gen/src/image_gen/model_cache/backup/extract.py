"""Extracts a backup from an untrusted tar archive: names, types and links of members are checked.

The archive's own index, if there is one, has to agree with its members.
"""

import os
import tarfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from image_gen.errors import BackupUnsafeError, ImageGenError
from image_gen.model_cache.backup.format import BackupIndex, inside, is_wanted
from image_gen.model_cache.core.digest import ContentDigest, feed
from image_gen.model_cache.core.layout import BACKUP_INDEX

_MAX_INDEX_BYTES = 64 << 20


@dataclass
class ExtractedFiles:
    """What came out: sha256 of files and targets of links by path, and the archive's own listing, if it has one."""

    files: dict[str, str] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    index: BackupIndex | None = None

    def differences(self) -> list[str]:
        """Paths that are not as the listing says; none without a listing."""
        if self.index is None:
            return []
        pairs = ((self.index.files, self.files), (self.index.links, self.links))
        return sorted(
            {path for said, seen in pairs for path in said.keys() | seen.keys() if said.get(path) != seen.get(path)}
        )


def extract_archive(archive: tarfile.TarFile, place: Path) -> ExtractedFiles:
    """Unpacks the parts of models into `place`; the rest is passed over.

    Raises BACKUP_UNSAFE for a member that would leave `place`, or that is neither file, directory nor link.
    """
    extracted = ExtractedFiles()
    for member in archive:
        if ".." in PurePosixPath(member.name).parts:
            raise _unsafe(member, "its path leads out of the archive")
        path = inside(member.name)
        if path == BACKUP_INDEX and member.isreg():
            extracted.index = BackupIndex.parse(_text(archive, member))
        if path is None or member.isdir() or not is_wanted(path):
            continue
        target = place / path
        _make_parents(place, target, member)
        if target.is_symlink() or target.exists():
            raise _unsafe(member, "it stands in the archive twice")
        if member.isreg():
            extracted.files[path.as_posix()] = _write(archive, member, target)
        elif member.issym():
            _link(place, target, member)
            extracted.links[path.as_posix()] = member.linkname
        elif member.islnk():
            _hard_link(place, target, member)
        else:
            raise _unsafe(member, "it is no file")
    return extracted


def _text(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    content = archive.extractfile(member)
    if content is None or member.size > _MAX_INDEX_BYTES:
        raise _unsafe(member, "it is too large")
    return content.read().decode("utf-8", "replace")


def _make_parents(place: Path, target: Path, member: tarfile.TarInfo) -> None:
    """Directories only: a parent that is a link could lead anywhere."""
    current = place
    for part in target.parent.relative_to(place).parts:
        current /= part
        if current.is_symlink() or (current.exists() and not current.is_dir()):
            raise _unsafe(member, "its directory is a link or a file")
        current.mkdir(exist_ok=True)


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> str:
    """Returns the sha256 of what was written."""
    content = archive.extractfile(member)
    if content is None:
        raise _unsafe(member, "it has no content")
    digest = ContentDigest(member.size)
    with target.open("xb") as stream:
        feed(content, digest, stream.write)
        stream.flush()
        os.fsync(stream.fileno())
    return digest.sha256


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
    return BackupUnsafeError(f"The backup was not made by image-gen or tar: {member.name!r} is refused, as {why}.")
