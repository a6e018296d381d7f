"""Records which files were verified, so that unchanged files need not be hashed again.

A disk that alters bytes by itself changes no time, so records are used only with IMAGE_GEN_VERIFY=changed.
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
    """A file's state when its content was verified. Rewriting or replacing the file changes one of these."""

    content: str
    size: int
    inode: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, file: ManifestFile, status: os.stat_result) -> "FileFingerprint":
        return cls(file.content_key, status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)


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
