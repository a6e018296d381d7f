"""Creates a manifest from the hub's file list of a model at a revision."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from image_gen import reader
from image_gen.errors import HubError
from image_gen.model_cache.core.manifest import Manifest, ManifestFile, is_commit, is_safe_path, is_size
from image_gen.model_cache.core.untrusted_files import parse_json
from image_gen.model_cache.manifests.select import INDEX, Selection, lacking, not_a_pipeline, select_files
from image_gen.model_cache.sources.hub import HubClient

log = logging.getLogger(__name__)
_UNKNOWN = -1
_LARGE = (".safetensors", ".bin")


@dataclass(frozen=True)
class RepoTree:
    """The files of a model at one commit, as the hub of `client` lists them, and its licence."""

    client: HubClient
    model_id: str
    commit: str
    licence: str | None
    gated: bool
    files: tuple[ManifestFile, ...]

    @classmethod
    def read(cls, client: HubClient, model_id: str, revision: str) -> "RepoTree":
        """Raises MODEL_NOT_FOUND, REVISION_NOT_FOUND, GATED_MODEL and errors of the network."""
        info = client.revision_info(model_id, revision)
        commit = info.get("sha") or revision
        if not isinstance(commit, str) or not is_commit(commit):
            raise HubError(
                f"{client.place} names no commit for {model_id} at {revision}. Fix: "
                f"{reader.setting('MODEL_REVISION', '<commit>')}."
            )
        files = tuple(file for entry in client.files(model_id, commit) if (file := _file(entry)))
        return cls(client, model_id, commit, _licence(info), bool(info.get("gated")), files)

    def manifest(self, selection: Selection, **others: Any) -> Manifest:
        """The manifest of a selection of these files."""
        facts = {"variant": selection.variant, "licence": self.licence, "gated": self.gated}
        return Manifest(model_id=self.model_id, revision=self.commit, **facts | others)

    def has(self, path: str) -> bool:
        return any(file.path == path for file in self.files)

    def read_json(self, path: str) -> dict[str, Any]:
        """A small JSON object of the repository. Raises NOT_A_PIPELINE for anything else."""
        content = self.client.small_file(self.model_id, self.commit, path)
        if content.lstrip()[:1] == b"<":
            raise self.client.web_page()
        try:
            document = parse_json(content)
        except ValueError as error:
            raise not_a_pipeline(self.model_id, f"its {path} is not JSON") from error
        if not isinstance(document, dict):
            raise not_a_pipeline(self.model_id, f"its {path} is not an object")
        return document

    def completed(self, file: ManifestFile) -> ManifestFile:
        """A file with size and hash, also where the server's list lacks them. Hubs keep weights as large files: a list
        that does not say so names the hash of a placeholder, which is not that of the content.
        """
        if file.size != _UNKNOWN and (file.sha256 or (file.git_sha1 and not file.path.endswith(_LARGE))):
            return file
        size, name = self.client.describe(self.model_id, self.commit, file.path, read=False)
        if size is not None and len(name) == 64:
            return ManifestFile(file.path, size, sha256=name)
        if size is not None and name and name == file.git_sha1:
            return replace(file, size=size)
        log.info("%s says no hash of %s: it is read once to make it.", self.client.place, file.path)
        size, name = self.client.describe(self.model_id, self.commit, file.path, read=True)
        return ManifestFile(file.path, size or 0, sha256=name)


def resolve(client: HubClient, model_id: str, revision: str) -> Manifest:
    """The manifest of a model, pinned to the commit that `revision` means now.

    Raises MODEL_NOT_FOUND, REVISION_NOT_FOUND, GATED_MODEL, NOT_A_PIPELINE, UNSAFE_MODEL and errors of the network.
    """
    tree = RepoTree.read(client, model_id, revision)
    if not tree.has(INDEX):
        single = [each.path for each in tree.files if "/" not in each.path and each.path.endswith(".safetensors")]
        named = reader.setting("MODEL_ID", f"{model_id}/<file>.safetensors")
        hint = f" ({named} serves a checkpoint in it: {', '.join(single[:8])})"
        raise not_a_pipeline(model_id, f"it has no {INDEX}{hint if single else ''}")
    index = tree.read_json(INDEX)
    selection = select_files(model_id, index, tree.files)
    if lacks := lacking(index, selection.files):
        raise not_a_pipeline(model_id, f"the list of {client.place} lacks {', '.join(lacks)}, which it needs")
    files = tuple(map(tree.completed, selection.files))
    return tree.manifest(selection, pipeline=selection.pipeline, files=files)


def _file(entry: Mapping[str, Any]) -> ManifestFile | None:
    """An entry of the hub's file list; None for directories and unsafe names. What the list lacks is left open."""
    path, size, oid, large = entry.get("path"), entry.get("size"), entry.get("oid"), entry.get("lfs")
    if entry.get("type", "file") != "file" or not isinstance(path, str) or not is_safe_path(path):
        return None
    sha256 = large.get("oid") if isinstance(large, dict) else None
    known = size if isinstance(size, int) and is_size(size) else _UNKNOWN
    if isinstance(sha256, str):
        return ManifestFile(path=path, size=known, sha256=sha256.removeprefix("sha256:"))
    return ManifestFile(path=path, size=known, git_sha1=oid if isinstance(oid, str) and is_commit(oid) else None)


def _licence(info: Mapping[str, Any]) -> str | None:
    """From the model's card, or from its tags."""
    card = info.get("cardData")
    named = card.get("license") if isinstance(card, dict) else None
    if isinstance(named, str):
        return named
    tags = info.get("tags")
    texts = [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
    return next((tag.removeprefix("license:") for tag in texts if tag.startswith("license:")), None)
