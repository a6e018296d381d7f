"""Records which files were verified, with their BLAKE3, which a later start compares with that of every byte: it is
computed faster than sha256.

A disk that alters bytes by itself changes no time, so that only with IMAGE_GEN_VERIFY=changed an unchanged file is not
read for its hash. A record shows damage. It does not show who wrote it: whoever can write the volume can write both.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from image_gen.model_cache.core.atomic_files import write_atomic
from image_gen.model_cache.core.layout import folder_name
from image_gen.model_cache.core.manifest import ManifestFile
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.core.untrusted_files import read_json
from image_gen.model_cache.core.walk import entries

_SCHEMA = 1


@dataclass(frozen=True)
class FileFingerprint:
    """A file's state when its content was verified. Rewriting or replacing the file changes one of these. `blake3` is
    the content's; empty where it was not computed.
    """

    content: str
    size: int
    inode: int
    mtime_ns: int
    ctime_ns: int
    blake3: str = ""

    @classmethod
    def of(cls, file: ManifestFile, status: os.stat_result, blake3: str = "") -> "FileFingerprint":
        return cls(file.content_key, status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, blake3)

    def is_of(self, file: ManifestFile, status: os.stat_result) -> bool:
        """Whether the file was not touched since."""
        return self == FileFingerprint.of(file, status, self.blake3)


class VerificationRecord:
    """The fingerprints of one model at one revision, in `$HF_HOME/image-gen/stamps`."""

    def __init__(self, settings: CacheSettings, model_id: str, revision: str) -> None:
        self.path = records_dir(settings) / f"{folder_name(model_id)}@{revision}.json"

    def read(self) -> dict[str, FileFingerprint]:
        """The fingerprints by path; none when there is no valid record."""
        try:
            document: Any = read_json(self.path)
            if document["schema"] != _SCHEMA:
                return {}
            return {path: FileFingerprint(**fingerprint) for path, fingerprint in document["files"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def add(self, fingerprints: Mapping[str, FileFingerprint]) -> None:
        """Those of other files stay."""
        if fingerprints:
            self.write(self.read() | dict(fingerprints))

    def write(self, fingerprints: Mapping[str, FileFingerprint]) -> None:
        """Best effort: without a record, files are hashed again."""
        document = {
            "schema": _SCHEMA,
            "verified_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "files": {path: asdict(fingerprint) for path, fingerprint in sorted(fingerprints.items())},
        }
        with suppress(OSError):
            write_atomic(self.path, json.dumps(document, indent=2) + "\n")


def records_dir(settings: CacheSettings) -> Path:
    """The directory of the records."""
    return settings.hf_home / "image-gen" / "stamps"


def record_files(settings: CacheSettings, model_id: str) -> list[Path]:
    """The records of a model at all of its revisions."""
    return entries(records_dir(settings), f"{folder_name(model_id)}@*.json")
