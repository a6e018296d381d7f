"""The files that versions left, and the names that are in them."""

from __future__ import annotations

import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3] / "test" / "fixtures"
VERSIONS = sorted(path.name for path in ROOT.iterdir() if path.is_dir())
MODEL = "test/model"
# Name of the compiled blocks in their directory, and where in the bucket they lie.
BLOCKS, PLACE = "gpu/key.blocks", "compiled"


def folder(version: str) -> Path:
    return ROOT / version


def unpack_cache(version: str, target: Path) -> Path:
    """`HF_HOME` as the version left it. Times are kept; inodes and the times of inodes cannot be."""
    with tarfile.open(folder(version) / "cache.tar") as archive:
        # Python 3.11.2, which is Debian 12's, has no filters, and 3.14 another default.
        archive.extraction_filter = lambda member, _: member
        archive.extractall(target)
    return target / "huggingface"


def pack_cache(home: Path, archive: Path) -> None:
    """The same in every run, but for what is in the files."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        return member

    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as target:
        for path in sorted(home.rglob("*")):
            target.add(path, Path("huggingface", path.relative_to(home)), recursive=False, filter=plain)
