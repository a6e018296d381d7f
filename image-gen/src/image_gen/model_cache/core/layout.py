"""Paths in a Hugging Face cache. Nothing here reads or writes."""

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote

PREFIX = "models--"
# Of a model, for everything that changes it.
LOCK = "image-gen.lock"
# Where a restore extracts: on the file system of the models. The hub's clients call the cache corrupted for anything
# beside them that they don't know, but for their locks; the second place is for locks on another file system, and where
# earlier versions extracted. A restore holds the lock for as long as it runs.
STAGING = (PurePosixPath(".locks/image-gen-restore"), PurePosixPath(".image-gen-restore"))
RESTORE_LOCK = PurePosixPath(".locks/image-gen-restore.lock")
# The content list of a backup, below `HF_HOME`. A plain `tar -x` leaves it there.
BACKUP_INDEX = PurePosixPath("image-gen/backup.json")

# The branch or tag that a model in an image was asked for by, beside its manifest.
BAKED_REVISION = "revision"


# What a killed process leaves of a file that it was about to put in place.
TEMPORARY = re.compile(r"\..+\.\d+")


def temporary(path: Path) -> Path:
    """Where a file is made that replaces `path` in one step."""
    return path.with_name(f".{path.name}.{os.getpid()}")


def folder_name(model_id: str) -> str:
    """`org/name` as one directory name, as the hub's cache, the baked tree and kept manifests spell it."""
    return model_id.replace("/", "--")


def baked_files_name(model_id: str, revision: str | None, listing: str) -> str:
    """The directory in an image of single files of a repository, by the revision that a setting names."""
    at = f"@{quote(revision, safe='')}" if revision else ""
    return f"{folder_name(model_id)}{at}~{listing}"


def model_id_of(repo_folder: str) -> str:
    """The id behind `models--org--name`."""
    return repo_folder.removeprefix(PREFIX).replace("--", "/")


@dataclass(frozen=True)
class RepoLayout:
    """The places of one model in a hub cache."""

    hub_cache: Path
    model_id: str

    @property
    def root(self) -> Path:
        return self.hub_cache / f"{PREFIX}{folder_name(self.model_id)}"

    @property
    def blobs(self) -> Path:
        return self.root / "blobs"

    @property
    def snapshots(self) -> Path:
        return self.root / "snapshots"

    @property
    def locks(self) -> Path:
        return self.hub_cache / ".locks" / self.root.name

    @property
    def lock(self) -> Path:
        return self.locks / LOCK

    def ref(self, name: str) -> Path:
        return self.root / "refs" / name

    def snapshot(self, revision: str) -> Path:
        return self.snapshots / revision

    def partial(self, content_key: str) -> Path:
        """A partial download. The name is fixed, so that the next process can resume it, and no hub client's: some of
        them take a file of full length for a complete one.
        """
        return self.blobs / f"{content_key}.image-gen.part"
