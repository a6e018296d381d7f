"""What a model's directory holds, and what it lacks: the one idea of a complete model.

A model is complete when each file of its manifest is there and can be read. The manifest is one that is bundled or
kept, or else is made here of what the directory says of itself: the pipeline's index, the hub's list of files where the
hub's client kept it, and what each component needs. Never the whole repository, which has the weights several times.
"""

import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from image_gen.errors import NotAPipelineError, UnsafeModelError
from image_gen.model_cache.core.filesystem import ABSENT, status_if_there, to_cache_error
from image_gen.model_cache.core.manifest import Manifest, ManifestFile, is_safe_path, is_size
from image_gen.model_cache.core.untrusted_files import open_regular, parse_json, read_json
from image_gen.model_cache.manifests.select import (
    COMPONENT_CONFIG,
    INDEX,
    SIDE_FILES,
    has_weights,
    is_component,
    needed_leafs,
    select_files,
)

FilesByPath = Mapping[str, ManifestFile]
_UNKNOWN = -1
_MAX_HEADER_BYTES = 100_000_000
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class Contents:
    """What is there of some files. `problem` says why something can't be read, with the fix."""

    missing: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    problem: str = ""

    @property
    def complete(self) -> bool:
        return not (self.missing or self.unreadable or self.problem)


def check_files(directory: Path, files: Iterable[ManifestFile]) -> Contents:
    """Changes nothing, and raises nothing."""
    missing, unreadable, problem = [], [], ""
    for file in files:
        try:
            if not has_size(directory / file.path, file.size):
                missing.append(file.path)
        except OSError as error:
            unreadable.append(file.path)
            problem = problem or to_cache_error(error, directory, "the check of its files").message
    return Contents(tuple(missing), tuple(unreadable), problem)


def missing_files(directory: Path, manifest: Manifest) -> list[ManifestFile]:
    """The files that are missing or incomplete; links are followed. Raises the error of one that can't be read: it may
    be good, and must not be replaced.
    """
    return [file for file in manifest.files if not has_size(directory / file.path, file.size)]


def has_size(path: Path, size: int) -> bool:
    """Whether a file is there with its size. Raises the error of a place that can't be read."""
    status = status_if_there(path)
    if status is None or not stat.S_ISREG(status.st_mode) or status.st_size != size:
        return False
    if not os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    return True


def snapshot_files(snapshot: Path, listed: FilesByPath = MappingProxyType({})) -> Iterator[ManifestFile]:
    """The files of a snapshot, with their hashes from the list, or the names of their blobs. Raises the error of a
    place that can't be read.
    """
    for folder, directories, names in os.walk(snapshot, onerror=_raise, followlinks=True):
        # A component may be on another disk; a link to a directory above it would lead round and round.
        here = os.path.realpath(folder)
        directories[:] = sorted(each for each in directories if not _leads_back(here, Path(folder, each)))
        for name in sorted(names):
            path = Path(folder, name)
            below = path.relative_to(snapshot).as_posix()
            # What NFS renamed because somebody has it open is no file of the model.
            if name.startswith(".nfs") or path.is_dir():
                continue
            blob = path.readlink().name if path.is_symlink() else ""
            known = blob if _HASH.fullmatch(blob) else ""
            hashes: dict[str, str] = {"sha256" if len(known) == 64 else "git_sha1": known} if known else {}
            # A link that leads nowhere counts as incomplete.
            status = status_if_there(path)
            yield listed.get(below) or ManifestFile(below, status.st_size if status else 0, **hashes)


def _leads_back(here: str, directory: Path) -> bool:
    return directory.is_symlink() and Path(here).is_relative_to(os.path.realpath(directory))


def read_tree(root: Path, commit: str) -> FilesByPath:
    """The hub's list of a commit's files, as its client keeps it beside the snapshots; empty where it does not."""
    try:
        document = read_json(root / "trees" / f"{commit}.json")
        if document["format_version"] != 1:
            return {}
        files = [
            ManifestFile(
                path, each["size"], each.get("lfs_sha256"), None if each.get("lfs_sha256") else each["blob_id"]
            )
            for path, each in document["files"].items()
            if is_size(each["size"])
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {file.path: file for file in files if is_safe_path(file.path) and _HASH.fullmatch(file.content_key)}


def manifest_of(directory: Path, model_id: str, commit: str, listed: FilesByPath) -> Manifest | None:
    """What the pipeline in a directory needs, there or not: a file that is needed has no size where no list says it.
    None for what is no pipeline; raises UNSAFE_MODEL and NOT_A_PIPELINE. A directory without a commit is its user's,
    who may have changed the files that are listed.
    """
    files = snapshot_files(directory, listed if commit else {})
    here = {file.path: file for file in files if _is_whole(directory, file)}
    if INDEX not in here:
        # One that is as long as listed, and damaged, makes no complete model either.
        lacking = ManifestFile(INDEX, _UNKNOWN)
        is_pipeline = INDEX in listed or (directory / INDEX).exists() or _has_components(here)
        return Manifest(model_id, commit, None, None, (lacking,)) if is_pipeline else None
    index = read_json(directory / INDEX)
    if not isinstance(index, dict):
        return None
    parts = [
        _Component(directory, name, spec, here, listed) for name, spec in index.items() if is_component(name, spec)
    ]
    selection = select_files(model_id, index, [here[INDEX], *(file for part in parts for file in part.files(model_id))])
    return Manifest(model_id, commit, selection.pipeline, selection.variant, selection.files)


class _Component:
    """The files that a component of a pipeline has, and those that it lacks."""

    def __init__(self, directory: Path, name: str, spec: Sequence[str], here: FilesByPath, listed: FilesByPath) -> None:
        self._directory = directory
        self._name = name
        self._spec = spec
        self._here = self._below(here)
        self._listed = self._below(listed)

    def files(self, model_id: str) -> Iterable[ManifestFile]:
        if has_weights(self._spec):
            return self._with_weights(model_id)
        if self._listed:
            # Each may change what it does: a tokenizer without its added tokens reads prompts in another way.
            return [self._here.get(path, file) for path, file in self._listed.items() if path.endswith(SIDE_FILES)]
        return (self._here | self._needed(*needed_leafs(self._spec, self._leafs))).values()

    def _with_weights(self, model_id: str) -> Iterable[ManifestFile]:
        found = self._here | self._needed(*needed_leafs(self._spec, self._leafs))
        if not self._has_weights(model_id):
            base = "model" if self._spec[0] == "transformers" else "diffusion_pytorch_model"
            found |= self._listed or self._needed(*(self._shards() or [f"{base}.safetensors"]))
        return found.values()

    def _has_weights(self, model_id: str) -> bool:
        """Whether a whole set of weights is there, in any precision."""
        alone = {"_class_name": "", self._name: self._spec}
        try:
            chosen = select_files(model_id, alone, list(self._here.values())).files
        except UnsafeModelError:
            if not self._listed:
                raise
            return False
        except NotAPipelineError:
            return False
        return any(file.path.endswith(".safetensors") for file in chosen)

    def _shards(self) -> list[str]:
        """What an index of weights names."""
        for path in self._here:
            if ".safetensors.index." in path:
                with suppress(ValueError, KeyError, AttributeError, TypeError):
                    named = read_json(self._directory / path)["weight_map"].values()
                    return sorted({str(leaf) for leaf in named if "/" not in str(leaf)})
        return []

    @property
    def _leafs(self) -> set[str]:
        return {path.rpartition("/")[2] for path in self._here}

    def _below(self, files: FilesByPath) -> dict[str, ManifestFile]:
        return {path: file for path, file in files.items() if path.rpartition("/")[0] == self._name}

    def _needed(self, *leafs: str) -> dict[str, ManifestFile]:
        paths = [f"{self._name}/{leaf}" for leaf in leafs]
        known = self._listed | self._here
        return {path: known.get(path) or ManifestFile(path, _UNKNOWN) for path in paths}


def _has_components(here: FilesByPath) -> bool:
    """Components without the index that names them."""
    configs = [path for path in here if path.count("/") == 1 and path.endswith("config.json")]
    return bool(configs) and COMPONENT_CONFIG not in here


def _is_whole(directory: Path, file: ManifestFile) -> bool:
    """Whether a file is there, and as long as is known of it: as a list says, and as it says itself. The name of its
    blob says nothing of how much of that is there.
    """
    path = directory / file.path
    if not file.size or not has_size(path, file.size):
        return False
    try:
        if file.path.endswith(".json"):
            read_json(path)
        if not file.path.endswith(".safetensors"):
            return True
        with open_regular(path) as stream:
            length = int.from_bytes(stream.read(8), "little")
            # Another header is none of this format, which limits it.
            header = parse_json(stream.read(length)) if 0 < length < min(_MAX_HEADER_BYTES, file.size) else {}
        ends = [each["data_offsets"][1] for name, each in header.items() if name != "__metadata__"]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return False
    return not ends or file.size == 8 + length + max(ends)


def _raise(error: OSError) -> None:
    if error.errno not in ABSENT:
        raise error
