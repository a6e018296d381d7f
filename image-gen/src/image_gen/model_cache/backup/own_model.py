"""A directory, checkpoint or LoRA of the user's, as one that can be exported: named, and pinned by hash."""

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from image_gen import reader
from image_gen.errors import ModelDirInvalidError, ModelIdInvalidError
from image_gen.model_cache.cache.locate import open_directory
from image_gen.model_cache.core.digest import CHUNK_BYTES
from image_gen.model_cache.core.filesystem import translate_os_errors
from image_gen.model_cache.core.manifest import (
    CHECKPOINT,
    LORA,
    Manifest,
    ManifestFile,
    ReadyModel,
    check_model_id,
    ready,
)
from image_gen.model_cache.core.untrusted_files import open_regular
from image_gen.model_cache.manifests.checkpoint import is_lora
from image_gen.model_cache.manifests.lora import DEFAULT_FILE

# What paths and addresses of every kind take as it is.
_PLAIN: Final = re.compile(r"[A-Za-z0-9._/-]+")


def own_model(path: Path, model_id: str) -> ReadyModel:
    """Reads and hashes every file. The revision follows from the names and contents alone: the same model has the same
    one. Raises MODEL_ID_INVALID, MODEL_DIR_INVALID, UNSAFE_MODEL.
    """
    # What the reader of a message has typed.
    argument, name = reader.argument("--own", "<path>"), reader.argument("--model", "--name")
    if check_model_id(model_id).count("/") != 1:
        raise ModelIdInvalidError(
            f"{name}: expected <organisation>/<name>, by which the model is served, got {model_id}. Fix: {name} "
            "<organisation>/<name>."
        )
    with translate_os_errors(path, "reading the model"):
        model = _own_lora(path, model_id, argument) or open_directory(path, model_id, argument)
    if strange := [each.path for each in model.files if not _PLAIN.fullmatch(each.path)]:
        raise ModelDirInvalidError(
            f"{argument}: {reader.place(path)}: the name {strange[0]!r} has characters that not every store "
            "takes. Fix: rename it, with letters, digits, dots, hyphens and underscores."
        )
    with translate_os_errors(model.directory, "reading the model"):
        files = tuple(_hashed(model.directory, file) for file in model.files)
    listed = "".join(f"{file.path}\0{file.size}\0{file.sha256}\n" for file in sorted(files, key=lambda each: each.path))
    # Of the length of a commit, which it is in place of.
    found = replace(model, files=files, revision=hashlib.sha256(listed.encode()).hexdigest()[:40])
    if model.component == LORA:
        return replace(found, load=MappingProxyType({DEFAULT_FILE: path.name}))
    if not model.checkpoint:
        return found
    kind = MappingProxyType({CHECKPOINT: model.checkpoint})
    return replace(found, component=CHECKPOINT, pipeline=None, checkpoint="", load=kind)


def _own_lora(path: Path, model_id: str, argument: str) -> ReadyModel | None:
    if not path.is_file() or not is_lora(path, argument):
        return None
    file = ManifestFile(path.name, path.stat().st_size)
    return ready(path.parent, Manifest(model_id, "", None, None, (file,), component=LORA), "directory")


def _hashed(directory: Path, file: ManifestFile) -> ManifestFile:
    digest = hashlib.sha256()
    with open_regular(directory / file.path) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return ManifestFile(file.path, file.size, digest.hexdigest())
