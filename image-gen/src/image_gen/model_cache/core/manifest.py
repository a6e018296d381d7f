"""A manifest: all facts about a model that are needed before the download."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from image_gen.errors import ManifestInvalidError, ModelIdInvalidError, shown

SCHEMA = 1
_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}|[A-Za-z0-9._-]{0,95})")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ManifestFile:
    """One file of a model: its path in the repository, its size in bytes and one or two hashes.

    Hubs list `git_sha1` for small files; large ones always have a `sha256`.
    """

    path: str
    size: int
    sha256: str | None = None
    git_sha1: str | None = None

    @property
    def content_key(self) -> str:
        """The strongest hash known; files of the same content share it, and are fetched once."""
        return self.sha256 or self.git_sha1 or ""

    @property
    def blob_names(self) -> tuple[str, ...]:
        """The names that a blob with its content may have."""
        return tuple(name for name in (self.sha256, self.git_sha1) if name)


@dataclass(frozen=True)
class Manifest:
    """A model at one commit. `load` holds extra arguments for `from_pretrained`.

    A `component` is a part of a pipeline, named by its class, such as a VAE: it can be kept, and not served.
    """

    model_id: str
    revision: str
    pipeline: str | None
    variant: str | None
    files: tuple[ManifestFile, ...]
    aliases: tuple[str, ...] = ()
    licence: str | None = None
    gated: bool = False
    load: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    component: str | None = None

    @property
    def bytes_total(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def to_json(self) -> str:
        """The text of the manifest, as it is kept and printed."""
        document: dict[str, object] = {
            "schema": SCHEMA,
            "id": self.model_id,
            "aliases": list(self.aliases),
            "revision": self.revision,
            "pipeline": self.pipeline,
            **({"component": self.component} if self.component else {}),
            "variant": self.variant,
            "licence": self.licence,
            "gated": self.gated,
            "load": dict(self.load),
            "files": [
                {"path": file.path, "bytes": file.size}
                | ({"sha256": file.sha256} if file.sha256 else {})
                | ({"git_sha1": file.git_sha1} if file.git_sha1 else {})
                for file in self.files
            ],
        }
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def check_model_id(model_id: str) -> str:
    """Returns a valid `model_id`. It becomes part of paths and URLs, so anything else is rejected."""
    if not _ID.fullmatch(model_id) or ".." in model_id or "--" in model_id:
        raise ModelIdInvalidError(
            f"MODEL_ID: expected <organisation>/<name>, got {shown(model_id)}. "
            "Fix: copy the id from the model's page, for example stabilityai/stable-diffusion-xl-base-1.0"
        )
    return model_id


def is_commit(revision: str) -> bool:
    """Whether a revision is a full commit hash, which never changes its meaning."""
    return _COMMIT.fullmatch(revision) is not None


def read_manifest(path: Path) -> Manifest:
    """Reads a manifest file. Raises MANIFEST_INVALID, naming the file and the field."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestInvalidError(f"{path} can't be read: {error}") from error
    return parse_manifest(text, str(path))


def parse_manifest(text: str, where: str) -> Manifest:
    """Parses a manifest strictly: a field that is missing, unknown or of another type is an error."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ManifestInvalidError(f"{where}: not JSON: {error}") from error
    return _Parser(where).manifest(document)


class _Parser:
    """Turns a JSON document into a `Manifest`; every complaint names the file and the field."""

    def __init__(self, where: str) -> None:
        self.where = where

    def manifest(self, document: Any) -> Manifest:
        keys = {"schema", "id", "aliases", "revision", "pipeline", "variant", "licence", "gated", "load", "files"}
        self._object(document, "", keys, keys | {"component"})
        both = bool(document.get("component") and document["pipeline"])
        self._expect(not both, "component", "nothing, as there is a pipeline", document.get("component"))
        self._expect(document["schema"] == SCHEMA, "schema", str(SCHEMA), document["schema"])
        aliases, files = document["aliases"], document["files"]
        self._expect(isinstance(aliases, list), "aliases", "a list of model ids", aliases)
        self._expect(isinstance(document["gated"], bool), "gated", "true or false", document["gated"])
        self._expect(isinstance(document["load"], dict), "load", "an object", document["load"])
        for name in ("pipeline", "variant", "licence", "component"):
            text = document.setdefault(name)
            self._expect(text is None or isinstance(text, str), name, "text or null", text)
        self._expect(isinstance(files, list) and bool(files), "files", "a list of at least one file", files)
        parsed = tuple(self._file(item, f"files[{index}]") for index, item in enumerate(files))
        self._expect(
            len({file.path for file in parsed}) == len(parsed), "files", "every path once", "a path that stands twice"
        )
        return Manifest(
            model_id=self._text(document["id"], "id", _ID),
            aliases=tuple(self._text(alias, "aliases", _ID) for alias in aliases),
            revision=self._text(document["revision"], "revision", _COMMIT),
            pipeline=document["pipeline"],
            variant=document["variant"],
            licence=document["licence"],
            gated=document["gated"],
            load=MappingProxyType(dict(document["load"])),
            files=parsed,
            component=document["component"],
        )

    def _file(self, item: Any, name: str) -> ManifestFile:
        self._object(item, name, {"path", "bytes"}, {"path", "bytes", "sha256", "git_sha1"})
        size = item["bytes"]
        is_size = isinstance(size, int) and not isinstance(size, bool) and size >= 0
        self._expect(is_size, f"{name}.bytes", "a size in bytes", size)
        path = item["path"]
        is_inside = isinstance(path, str) and is_safe_path(path)
        self._expect(is_inside, f"{name}.path", "a relative path inside the repository", path)
        sha256 = self._text(item["sha256"], f"{name}.sha256", _SHA256) if "sha256" in item else None
        git_sha1 = self._text(item["git_sha1"], f"{name}.git_sha1", _COMMIT) if "git_sha1" in item else None
        self._expect(bool(sha256 or git_sha1), name, "sha256 or git_sha1", "neither")
        return ManifestFile(path=path, size=size, sha256=sha256, git_sha1=git_sha1)

    def _object(self, value: Any, name: str, required: set[str], allowed: set[str]) -> None:
        self._expect(isinstance(value, dict), name or "the document", "an object", value)
        for key in sorted(required - value.keys()):
            self._expect(False, f"{name}.{key}".lstrip("."), "a value", "nothing")
        for key in sorted(value.keys() - allowed):
            self._expect(False, f"{name}.{key}".lstrip("."), "no such field", "one")

    def _text(self, value: Any, name: str, pattern: re.Pattern[str]) -> str:
        fine = isinstance(value, str) and pattern.fullmatch(value) is not None
        self._expect(fine, name, f"text like {pattern.pattern}", value)
        return str(value)

    def _expect(self, fine: bool, name: str, expected: str, got: object) -> None:
        if not fine:
            raise ManifestInvalidError(f"{self.where}: {name}: expected {expected}, got {got!r}")


def is_safe_path(path: str) -> bool:
    """Whether a path from outside stays inside the directory that it is joined to."""
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith("/") and "\\" not in path and "\0" not in path and ".." not in parts
