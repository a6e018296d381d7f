"""The hashes of a user's own model, which no manifest knows: noted at its first start, compared at later ones.

A file that was written again gets another time, and its new hash is noted. One whose content changed without that was
damaged by its disk.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from image_gen.model_cache.core.filesystem import status_of
from image_gen.model_cache.core.manifest import ManifestFile
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.core.verification_record import FileFingerprint, VerificationRecord
from image_gen.model_cache.download.page_cache import FileRead


class NotedHashes:
    """Of one directory, or of one file."""

    def __init__(self, settings: CacheSettings, directory: Path, files: Sequence[ManifestFile]) -> None:
        self._directory = directory
        names = [os.path.realpath(directory), *(file.path for file in files)]
        name = hashlib.sha256("\0".join(names).encode(errors="surrogateescape")).hexdigest()[:16]
        self._record = VerificationRecord(settings, "own", name)
        self._known = self._record.read()

    def is_unchanged(self, file: ManifestFile) -> bool:
        known, status = self._known.get(file.path), status_of(self._directory / file.path)
        return known is not None and status is not None and known == _state(known.content, status)

    def compared(self, reads: Sequence[FileRead]) -> list[FileRead]:
        """The same, of which those that were damaged do not match. What is new is noted."""
        found, notes = [], dict(self._known)
        for read in reads:
            known = self._known.get(read.file.path)
            if read.is_fine and read.sha256 and read.status:
                state = _state(read.sha256, read.status)
                if known and known.content != read.sha256 and _state(known.content, read.status) == known:
                    found.append(replace(read, matches=False))
                    continue
                notes[read.file.path] = state
            found.append(read)
        if notes != self._known:
            self._record.write(notes)
        return found


def _state(sha256: str, status: os.stat_result) -> FileFingerprint:
    # Not by the number of its inode nor by ctime: a container's mount may give others at each start.
    return FileFingerprint(sha256, status.st_size, 0, status.st_mtime_ns, 0)
