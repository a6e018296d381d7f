"""A directory seen as a repository: its commit and its files, with the names that a hub gives to contents."""

import hashlib
import json
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

MAIN = "main"
_LARGE_BYTES = 1 << 20
_LARGE_ENDINGS = (".safetensors", ".bin", ".ckpt", ".onnx", ".msgpack")


@dataclass(frozen=True)
class HubFile:
    """A file as the hub lists it. `sha256` is None for files that are kept in git itself."""

    path: str
    size: int
    git_sha1: str
    sha256: str | None
    place: Path

    @property
    def etag(self) -> str:
        return self.sha256 or self.git_sha1

    def entry(self) -> dict[str, Any]:
        """One line of the hub's listing of files."""
        line: dict[str, Any] = {"type": "file", "path": self.path, "size": self.size, "oid": self.git_sha1}
        return line | ({"lfs": {"oid": self.sha256, "size": self.size, "pointerSize": 135}} if self.sha256 else {})


@dataclass(frozen=True)
class Repository:
    """A model at one revision."""

    model_id: str
    commit: str
    files: dict[str, HubFile]

    def info(self, gated: bool) -> dict[str, Any]:
        """What the hub's API tells about a model."""
        licence = self._licence()
        return {
            "id": self.model_id,
            "modelId": self.model_id,
            "sha": self.commit,
            "private": False,
            "disabled": False,
            "gated": "auto" if gated else False,
            "downloads": 0,
            "likes": 0,
            "library_name": "diffusers",
            "tags": ["diffusers", *([f"license:{licence}"] if licence else [])],
            "siblings": [{"rfilename": path} for path in self.files],
        }

    def _licence(self) -> str | None:
        card = self.files.get("README.md")
        lines = card.place.read_text(encoding="utf-8").splitlines() if card else []
        return next((line.partition(":")[2].strip() for line in lines if line.startswith("license:")), None)


class Repositories:
    """Everything below a root: `<org>/<name>` is the main branch, `<org>/<name>@<revision>` another branch or tag."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()

    def has(self, model_id: str) -> bool:
        return bool(self._branches(model_id))

    def find(self, model_id: str, revision: str) -> Repository | None:
        """The model at a branch, a tag or a commit."""
        with self._lock:
            branches = self._branches(model_id)
            if revision in branches:
                return _read(model_id, branches[revision])
            repositories = (_read(model_id, directory) for directory in branches.values())
            return next((found for found in repositories if found.commit == revision), None)

    def _branches(self, model_id: str) -> dict[str, Path]:
        organisation, _, name = model_id.rpartition("/")
        parent = self._root / organisation
        found = {MAIN: parent / name} if (parent / name).is_dir() else {}
        # A name with a slash, such as refs/pr/1, is quoted as in a URL.
        return found | {unquote(path.name.partition("@")[2]): path for path in parent.glob(f"{name}@*")}


def _read(model_id: str, directory: Path) -> Repository:
    files = {}
    for place in sorted(directory.rglob("*")):
        if place.is_file():
            path = place.relative_to(directory).as_posix()
            status = place.stat()
            sha256, git_sha1 = _hashes(place, status.st_size, status.st_mtime_ns)
            large = status.st_size > _LARGE_BYTES or path.endswith(_LARGE_ENDINGS)
            files[path] = HubFile(path, status.st_size, git_sha1, sha256 if large else None, place)
    listing = json.dumps([model_id, [(file.path, file.etag) for file in files.values()]])
    return Repository(model_id, hashlib.sha1(listing.encode(), usedforsecurity=False).hexdigest(), files)


@lru_cache(maxsize=4096)
def _hashes(place: Path, size: int, _changed: int) -> tuple[str, str]:
    """sha256 and git's sha1 of a file, read again only when it changed."""
    sha256 = hashlib.sha256()
    git = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with place.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            sha256.update(chunk)
            git.update(chunk)
    return sha256.hexdigest(), git.hexdigest()
