"""Creates a manifest from the hub's file list of a model at a revision."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from image_gen.errors import HubError
from image_gen.model_cache.core.manifest import Manifest, ManifestFile, is_commit, is_safe_path
from image_gen.model_cache.manifests.select import INDEX, Selection, not_a_pipeline, select_files
from image_gen.model_cache.sources.hub import HubClient


@dataclass(frozen=True)
class RepoTree:
    """The files of a model at one commit, and its licence."""

    model_id: str
    commit: str
    licence: str | None
    gated: bool
    files: tuple[ManifestFile, ...]

    @classmethod
    def read(cls, client: HubClient, model_id: str, revision: str) -> "RepoTree":
        """Raises MODEL_NOT_FOUND, REVISION_NOT_FOUND, GATED_MODEL and errors of the network."""
        info = client.revision_info(model_id, revision)
        commit = info.get("sha")
        if not isinstance(commit, str) or not is_commit(commit):
            raise HubError(f"The hub names no commit for {model_id} at {revision}; is it a real hub?")
        files = tuple(file for entry in client.tree(model_id, commit) if (file := _file(entry)))
        return cls(model_id, commit, _licence(info), bool(info.get("gated")), files)

    def manifest(self, selection: Selection, **others: Any) -> Manifest:
        """The manifest of a selection of these files."""
        facts = {"variant": selection.variant, "licence": self.licence, "gated": self.gated, "files": selection.files}
        return Manifest(model_id=self.model_id, revision=self.commit, **facts | others)

    def has(self, path: str) -> bool:
        return any(file.path == path for file in self.files)


def resolve(client: HubClient, model_id: str, revision: str) -> Manifest:
    """The manifest of a model, pinned to the commit that `revision` means now.

    Raises MODEL_NOT_FOUND, REVISION_NOT_FOUND, GATED_MODEL, NOT_A_PIPELINE, UNSAFE_MODEL and errors of the network.
    """
    tree = RepoTree.read(client, model_id, revision)
    if not tree.has(INDEX):
        raise not_a_pipeline(model_id, f"it has no {INDEX}")
    selection = select_files(model_id, read_json(client, model_id, tree.commit, INDEX), tree.files)
    return tree.manifest(selection, pipeline=selection.pipeline)


def read_json(client: HubClient, model_id: str, commit: str, path: str) -> dict[str, Any]:
    """A small JSON object of a repository. Raises NOT_A_PIPELINE for anything else."""
    try:
        document = json.loads(client.small_file(model_id, commit, path))
    except ValueError as error:
        raise not_a_pipeline(model_id, f"its {path} is not JSON") from error
    if not isinstance(document, dict):
        raise not_a_pipeline(model_id, f"its {path} is not an object")
    return document


def _file(entry: Mapping[str, Any]) -> ManifestFile | None:
    """An entry of the hub's file list; None for directories and unsafe names."""
    path, size = entry.get("path"), entry.get("size")
    if entry.get("type") != "file" or not isinstance(path, str) or not isinstance(size, int) or not is_safe_path(path):
        return None
    large = entry.get("lfs")
    if isinstance(large, dict) and isinstance(large.get("oid"), str):
        return ManifestFile(path=path, size=size, sha256=large["oid"].removeprefix("sha256:"))
    oid = entry.get("oid")
    return ManifestFile(path=path, size=size, git_sha1=oid) if isinstance(oid, str) else None


def _licence(info: Mapping[str, Any]) -> str | None:
    """From the model's card, or from its tags."""
    card = info.get("cardData")
    named = card.get("license") if isinstance(card, dict) else None
    if isinstance(named, str):
        return named
    tags = info.get("tags")
    texts = [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []
    return next((tag.removeprefix("license:") for tag in texts if tag.startswith("license:")), None)
