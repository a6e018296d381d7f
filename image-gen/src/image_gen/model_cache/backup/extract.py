"""Extracts a backup from an untrusted tar archive: names, types and links of members are checked.

The archive's own index, if there is one, has to agree with its members. Each file is hashed as it is written.
"""

import os
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, cast

from image_gen.errors import BackupUnsafeError, CorruptBackupError, ImageGenError
from image_gen.model_cache.backup.format import INDEX_FOLLOWS, BackupIndex, inside, is_wanted
from image_gen.model_cache.cache.scan import CachedRevision
from image_gen.model_cache.core.digest import CHUNK_BYTES, ContentDigest, feed
from image_gen.model_cache.core.layout import BACKUP_INDEX

_MAX_INDEX_BYTES = 64 << 20


@dataclass
class ExtractedFiles:
    """What came out, below `place`: hashes of files and targets of links by path, and the archive's own listing."""

    place: Path
    files: dict[str, ContentDigest] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    index: BackupIndex | None = None

    def differences(self) -> list[str]:
        """Paths that are not as the listing says; none without a listing."""
        if self.index is None:
            return []
        hashes = {path: digest.sha256 for path, digest in self.files.items()}
        pairs = ((self.index.files, hashes), (self.index.links, self.links))
        return sorted(
            {path for said, seen in pairs for path in said.keys() | seen.keys() if said.get(path) != seen.get(path)}
        )

    def share(self) -> None:
        """A link from a model's blobs to those that newer hub clients keep beside becomes a second name of the file."""
        for path in self.links:
            link = self.place / path
            if link.parent.name == "blobs" and (digest := self._digest_of(link)):
                content = os.path.realpath(link)
                link.unlink()
                os.link(content, link)
                self.files[path] = digest

    def proven(self, cached: CachedRevision) -> Iterator[Path]:
        """The entries of a snapshot with the content that their manifest, or their blob's name, says. An archive
        without an index says nothing of some files of other tools: what the model needs of them is accepted.
        """
        needed = {file.path: file for file in cached.files}
        for entry in sorted(cached.directory.rglob("*")):
            digest, file = self._digest_of(entry), needed.get(entry.relative_to(cached.directory).as_posix())
            if digest is None or (entry.is_symlink() and entry.readlink().name not in digest.names):
                continue
            if digest.matches(file) if file and file.content_key else file or self.index or entry.is_symlink():
                yield entry

    def _digest_of(self, path: Path) -> ContentDigest | None:
        """The hashes of an extracted file, also behind links."""
        return self.files.get(os.path.relpath(os.path.realpath(path), os.path.realpath(self.place)))


def extract_archive(archive: tarfile.TarFile, place: Path, add: Callable[[int], None]) -> ExtractedFiles:
    """Unpacks the parts of models into `place`; the rest is passed over. `add` gets the number of bytes written.

    Raises BACKUP_UNSAFE for a member that would leave `place`, or that is neither file, directory nor link.
    """
    extracted = ExtractedFiles(place)
    for member in archive:
        if ".." in PurePosixPath(member.name).parts:
            raise _unsafe(member, "its path leads out of the archive")
        path = inside(member.name)
        if path == BACKUP_INDEX and member.isreg():
            text = bytearray()
            if member.size > _MAX_INDEX_BYTES:
                raise _unsafe(member, "it is too large")
            _copy(archive, member, text.extend)
            extracted.index = BackupIndex.parse(bytes(text))
        if path is None or member.isdir() or not is_wanted(path):
            continue
        target = place / path
        _make_parents(place, target, member)
        if target.is_symlink() or target.exists():
            raise _unsafe(member, "it stands in the archive twice")
        if member.isreg():
            with target.open("xb") as stream:
                extracted.files[path.as_posix()] = _copy(archive, member, stream.write, add)
        elif member.issym():
            _link(place, target, member)
            extracted.links[path.as_posix()] = member.linkname
        elif member.islnk():
            _hard_link(extracted, target, path, member)
        else:
            raise _unsafe(member, "it is no file")
    _read_to_the_end(archive)
    if extracted.index is None and archive.pax_headers.get("comment") == INDEX_FOLLOWS:
        raise CorruptBackupError("The backup has lost the listing at its end; the cache is as it was.")
    return extracted


class Member(tarfile.TarInfo):
    """A header that has to be whole: tarfile takes a damaged one, and a file that is cut off at one, for the end."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> "Member":
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined] # the blocks of zeros at the end
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"{error} at {archive.offset}") from error


def _read_to_the_end(archive: tarfile.TarFile) -> None:
    """A compressed stream has its checksum there; and more members mean that a part of the archive became zeros, or
    that it is two in one file.
    """
    stream = cast("IO[bytes]", archive.fileobj)
    while chunk := stream.read(CHUNK_BYTES):
        if chunk.count(0) < len(chunk) and any(
            chunk[start + 257 : start + 262] == b"ustar" for start in range(0, len(chunk), tarfile.BLOCKSIZE)
        ):
            raise tarfile.ReadError("more follows its end, or there are two archives in one file")


def _make_parents(place: Path, target: Path, member: tarfile.TarInfo) -> None:
    """Directories only: a parent that is a link could lead anywhere."""
    current = place
    for part in target.parent.relative_to(place).parts:
        current /= part
        if current.is_symlink() or (current.exists() and not current.is_dir()):
            raise _unsafe(member, "its directory is a link or a file")
        current.mkdir(exist_ok=True)


def _copy(
    archive: tarfile.TarFile,
    member: tarfile.TarInfo,
    write: Callable[[bytes], object],
    add: Callable[[int], None] = lambda _: None,
) -> ContentDigest:
    """Straight from the stream, which is at the member's content: tarfile's own way copies it twice more."""
    digest = ContentDigest(member.size)

    def count(chunk: bytes) -> None:
        write(chunk)
        add(len(chunk))

    content = archive.extractfile(member) if member.issparse() else archive.fileobj
    if content is None or feed(cast("IO[bytes]", content), digest, count, member.size) != member.size:
        raise tarfile.ReadError("unexpected end of data")
    return digest


def _link(place: Path, target: Path, member: tarfile.TarInfo) -> None:
    lands = Path(os.path.normpath(target.parent / member.linkname))
    if member.linkname.startswith("/") or not lands.is_relative_to(place / "hub"):
        raise _unsafe(member, f"it links to {member.linkname}")
    target.symlink_to(member.linkname)


def _hard_link(extracted: ExtractedFiles, target: Path, path: PurePosixPath, member: tarfile.TarInfo) -> None:
    """Another name of a file before it: `tar` stores the second one so."""
    first = inside(member.linkname)
    digest = extracted.files.get(first.as_posix()) if first is not None else None
    if first is None or digest is None:
        raise _unsafe(member, f"it links to {member.linkname}")
    os.link(extracted.place / first, target)
    extracted.files[path.as_posix()] = digest


def _unsafe(member: tarfile.TarInfo, why: str) -> ImageGenError:
    return BackupUnsafeError(f"The backup was not made by image-gen or tar: {member.name!r} is refused, as {why}.")
