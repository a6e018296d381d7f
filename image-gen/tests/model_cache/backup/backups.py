"""What the tests of backups and of restores share."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

Change = Callable[[tarfile.TarInfo], None]


def tree(place: Path) -> dict[str, str | bytes]:
    """Everything below a directory but locks and records of hashes, which no backup has: links as what they point to,
    files as their content.
    """
    return {
        path.relative_to(place).as_posix(): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in sorted(place.rglob("*"))
        if (path.is_symlink() or path.is_file()) and not {".locks", "stamps"} & set(path.parts)
    }


def rewritten(archive: Path, change: Change) -> Path:
    """The archive with every member passed through `change`."""
    target = archive.with_name("changed.tar")
    with tarfile.open(archive) as source, tarfile.open(target, "w") as result:
        for member in source:
            stream = source.extractfile(member) if member.isreg() else None
            content = stream.read() if stream else b""
            # They hold the long names, and would win over what is changed.
            member.pax_headers = {}
            change(member)
            result.addfile(member, io.BytesIO(content))
    return target
