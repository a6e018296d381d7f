"""A manifest: all facts about a model that are needed before the download; and a model whose files are there."""

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, Literal, Self
from urllib.parse import unquote

from image_gen import reader
from image_gen.errors import ManifestInvalidError, ModelIdInvalidError, shown
from image_gen.model_cache.core.untrusted_files import parse_json, read_regular

SCHEMA = 1
LORA = "LoRA"
CHECKPOINT = "checkpoint"
# Components that are single files of a repository, apart from a pipeline's there; and what lists of them are called.
SINGLE_FILES: Mapping[str, str] = MappingProxyType({LORA: "loras", CHECKPOINT: "checkpoints"})
ModelSource = Literal["directory", "baked", "volume", "host", "download", "instance-store"]
_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}|[A-Za-z0-9._-]{0,95})")
# Of a model's page on the hub, of pages below it, of its git repository, and of hf's file system.
_PASTED = re.compile(
    r"(?:(?:(?:https?://)?(?:www\.)?|git@)(?:huggingface\.co|hf\.co|hf-mirror\.com)[/:]|hf://(?:models/)?)?"
    r"(?P<id>[^/@]+?(?:/[^/@]+?)?)(?:\.git)?"
    r"(?:/(?:tree|blob|resolve|raw|commits?)/(?P<shown>[^/]+).*|@(?P<at>.+))?",
    re.IGNORECASE,
)
# The same of a checkpoint in a repository, and the spelling of LoRAs.
_CHECKPOINT = re.compile(
    r"(?:(?:(?:https?://)?(?:www\.)?)(?:huggingface\.co|hf\.co|hf-mirror\.com)/|hf://(?:models/)?)?"
    r"(?P<id>[^/@]+/[^/@]+)(?:@(?P<at>[^/]+)|/(?:tree|blob|resolve|raw)/(?P<shown>[^/]+))?/(?P<file>.+\.safetensors)",
    re.IGNORECASE,
)
# Weights of a part of a pipeline, whose page stands for the model.
_OF_A_PART = re.compile(r".+/(?:diffusion_pytorch_model|model)\b[^/]*")
_PICKLES = (".ckpt", ".pt", ".pth", ".bin", ".pkl")
# What comes along when something is copied from a page, a document or a shell.
_AROUND = " \t\r\n\"'`<>\u00a0\u200b\ufeff"
_COMMIT = re.compile(r"[0-9a-f]{40}")
# More than any file system takes in one file.
_MOST_BYTES = 1 << 60
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

    def with_files_of(self, other: "Manifest | None") -> Self:
        """The same, and files that only the other names."""
        files = {file.path: file for file in (*(other.files if other else ()), *self.files)}
        kinds = {file.path: each.kind(file.path) for each in (other, self) if each for file in each.files}
        # A list of checkpoints says the kind of all, and of each that is of another one.
        others = {path: kind for path, kind in kinds.items() if kind != self.load.get(CHECKPOINT)}
        load = {**self.load, **others} if self.component == CHECKPOINT else self.load
        return replace(self, files=tuple(files.values()), load=MappingProxyType(dict(load)))

    def kind(self, path: str) -> str:
        """That of a checkpoint in a list of them."""
        return str(self.load.get(path, self.load.get(CHECKPOINT)))

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


@dataclass(frozen=True, kw_only=True)
class ReadyModel(Manifest):
    """A model of which every file is there. `directory` is what `from_pretrained` is given, with `load` besides. Its
    one file may be a whole checkpoint, of the kind `checkpoint`.
    """

    directory: Path
    source: ModelSource
    bytes_fetched: int = 0
    # Paths whose contents were hashed during the download, a moment ago.
    verified: frozenset[str] = frozenset()
    checkpoint: str = ""

    @property
    def name(self) -> str:
        """By which it is asked for, and served."""
        return f"{self.model_id}/{self.files[0].path}" if self.component == CHECKPOINT else self.model_id

    def as_json(self) -> dict[str, object]:
        return {
            "id": self.name,
            "revision": self.revision,
            "directory": str(self.directory),
            "source": self.source,
            "bytes": self.bytes_total,
            "bytes_fetched": self.bytes_fetched,
        }


def ready(
    directory: Path, manifest: Manifest, source: ModelSource, fetched: int = 0, verified: frozenset[str] = frozenset()
) -> ReadyModel:
    """A model whose files were just found complete."""
    return ReadyModel(**vars(manifest), directory=directory, source=source, bytes_fetched=fetched, verified=verified)


def check_model_id(model_id: str) -> str:
    """Returns a valid `model_id`. It becomes part of paths and URLs, so anything else is rejected."""
    if model_id.startswith(("/", "./", "../", "~")) or (model_id.count("/") > 1 and Path(model_id).is_dir()):
        raise ModelIdInvalidError(
            f"MODEL_ID: {shown(model_id)} is a path, not an id on the hub. Fix: for a model in a directory, "
            f"{reader.setting('MODEL_DIR', model_id)}"
        )
    repository, file = split_file(model_id)
    if not _ID.fullmatch(repository) or ".." in model_id or "--" in repository or (file and not is_safe_path(file)):
        if model_id.count("/") > 1 and model_id.lower().endswith(_PICKLES):
            raise ModelIdInvalidError(
                f"MODEL_ID: {shown(model_id)} is a pickle, which can run code when it is loaded. Fix: name a "
                ".safetensors file"
            )
        raise ModelIdInvalidError(
            "MODEL_ID: expected <organisation>/<name>, with /<file>.safetensors for a checkpoint, got "
            f"{shown(model_id)}. Fix: copy the id from the model's page, for example "
            "stabilityai/stable-diffusion-xl-base-1.0"
        )
    return model_id


def split_file(model_id: str) -> tuple[str, str | None]:
    """The repository of an id, and the checkpoint in it that is meant, if one is."""
    parts = model_id.split("/", 2)
    is_file = len(parts) == 3 and parts[2].endswith(".safetensors")
    return ("/".join(parts[:2]), parts[2]) if is_file else (model_id, None)


def split_model_id(text: str, revision: str | None = None, *, exact: bool = False) -> tuple[str, str | None]:
    """The id and the revision of a model in what people paste: its page's address, one of a branch or of a file there,
    `org/name@revision`. The id of a checkpoint in a repository is `org/name/file.safetensors`. `revision` is one that
    was given apart; the branch that a page shows first is none, unless `exact`.
    """
    plain = re.split(r"[?#]", text.strip(_AROUND))[0].rstrip("/")
    found, file = _CHECKPOINT.fullmatch(plain), ""
    if found and not (found["shown"] and _OF_A_PART.fullmatch(found["file"])):
        file = f"/{unquote(found['file'])}"
    elif not (found := _PASTED.fullmatch(plain)):
        return check_model_id(text), revision
    shown_there = unquote(found["shown"]) if found["shown"] else None
    at = unquote(found["at"]) if found["at"] else None
    named = at or (None if shown_there == "main" and not exact else shown_there)
    if named and revision and named != revision:
        raise ModelIdInvalidError(
            f"MODEL_ID: {shown(text)} names another revision than {revision}, which was given. Fix: give one of them."
        )
    return check_model_id(found["id"] + file), revision or named


def check_revision(text: str) -> str:
    """A branch, tag or commit in what people paste. It becomes part of paths and URLs, so what git would not take for
    one is rejected.
    """
    plain = re.sub(r"^refs/(heads|tags)/", "", text.strip(_AROUND))
    parts = plain.split("/")
    if (
        any(not each or each[0] in ".-" for each in parts)
        or ".." in plain
        or re.search(r"[\s\x00-\x1f\x7f~^:?*\[\\]", plain)
    ):
        fix = reader.setting("MODEL_REVISION", "<branch, tag or commit>")
        raise ModelIdInvalidError(f"MODEL_REVISION: expected a branch, tag or commit, got {shown(text)}. Fix: {fix}")
    return plain.lower() if is_commit(plain.lower()) else plain


def is_commit(revision: str) -> bool:
    """Whether a revision is a full commit hash, which never changes its meaning."""
    return _COMMIT.fullmatch(revision) is not None


def read_manifest(path: Path) -> Manifest:
    """Reads a manifest file. Raises MANIFEST_INVALID, naming the file and the field."""
    return parse_manifest(read_regular(path), str(path))


def parse_manifest(text: bytes | str, where: str) -> Manifest:
    """Parses a manifest strictly: a field that is missing, unknown or of another type is an error, which names it."""

    def expect(fine: bool, name: str, expected: str, got: object) -> None:
        if not fine:
            raise ManifestInvalidError(f"{where}: {name}: expected {expected}, got {got!r}")

    def check(value: Any, name: str, table: Mapping[str, _Field], optional: Collection[str]) -> None:
        expect(isinstance(value, dict), name or "the document", "an object", value)
        prefix = f"{name}." if name else ""
        for key in sorted(table.keys() - value.keys() - set(optional)):
            expect(False, prefix + key, "a value", "nothing")
        for key, got in value.items():
            expect(key in table, prefix + key, "no such field", "one")
            expected, is_fine = table[key]
            expect(is_fine(got), prefix + key, expected, got)

    try:
        document: Any = parse_json(text)
    except ValueError as error:
        raise ManifestInvalidError(f"{where}: not JSON: {error}") from error
    check(document, "", _FIELDS, {"component"})
    component = document.get("component")
    expect(not (component and document["pipeline"]), "component", "nothing, as there is a pipeline", component)
    for index, item in enumerate(document["files"]):
        check(item, f"files[{index}]", _FILE_FIELDS, {"sha256", "git_sha1"})
        expect("sha256" in item or "git_sha1" in item, f"files[{index}]", "sha256 or git_sha1", "neither")
    files = [
        ManifestFile(each["path"], each["bytes"], each.get("sha256"), each.get("git_sha1"))
        for each in document["files"]
    ]
    expect(len({file.path for file in files}) == len(files), "files", "every path once", "a path that stands twice")
    same = {name: document[name] for name in ("revision", "pipeline", "variant", "licence", "gated")}
    return Manifest(
        model_id=document["id"],
        aliases=tuple(document["aliases"]),
        load=MappingProxyType(document["load"]),
        files=tuple(files),
        component=component,
        **same,
    )


_Field = tuple[str, Callable[[Any], bool]]


def _text(pattern: re.Pattern[str]) -> _Field:
    return f"text like {pattern.pattern}", lambda value: isinstance(value, str) and bool(pattern.fullmatch(value))


def is_size(value: object) -> bool:
    """Whether a number from outside can be the size of a file."""
    return type(value) is int and 0 <= value <= _MOST_BYTES


def is_safe_path(path: str) -> bool:
    """Whether a path from outside stays inside the directory that it is joined to."""
    parts = PurePosixPath(path).parts
    is_text = not any("\ud800" <= each <= "\udfff" or each == "\0" for each in path)
    return bool(parts) and is_text and not path.startswith("/") and "\\" not in path and ".." not in parts


_TEXT_OR_NULL = ("text or null", lambda value: value is None or isinstance(value, str))
_FIELDS: Mapping[str, _Field] = {
    "schema": (str(SCHEMA), lambda value: value == SCHEMA),
    "id": _text(_ID),
    "aliases": ("a list of model ids", lambda value: isinstance(value, list) and all(map(_text(_ID)[1], value))),
    "revision": _text(_COMMIT),
    **dict.fromkeys(("pipeline", "component", "variant", "licence"), _TEXT_OR_NULL),
    "gated": ("true or false", lambda value: isinstance(value, bool)),
    "load": ("an object", lambda value: isinstance(value, dict)),
    "files": ("a list of at least one file", lambda value: isinstance(value, list) and bool(value)),
}
_FILE_FIELDS: Mapping[str, _Field] = {
    "path": ("a relative path inside the repository", lambda value: isinstance(value, str) and is_safe_path(value)),
    "bytes": ("a size in bytes", is_size),
    "sha256": _text(_SHA256),
    "git_sha1": _text(_COMMIT),
}
