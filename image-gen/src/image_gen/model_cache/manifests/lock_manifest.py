"""Creates a manifest to bundle: every file with its sha256, and the reasons for excluded files."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from image_gen.errors import CorruptDownloadError
from image_gen.model_cache.core.digest import ContentDigest
from image_gen.model_cache.core.manifest import Manifest, ManifestFile
from image_gen.model_cache.manifests.excluded import ExcludedFiles, excluded_files
from image_gen.model_cache.manifests.resolve import RepoTree, read_json
from image_gen.model_cache.manifests.select import (
    COMPONENT_CONFIG,
    INDEX,
    Selection,
    not_a_pipeline,
    select_component,
    select_files,
)
from image_gen.model_cache.sources.hub import HubClient

# Hubs keep larger files as LFS objects, and list their sha256.
_SMALL_BYTES = 64 << 20


@dataclass(frozen=True)
class LockedManifest:
    """A manifest and the files that it excludes. `pickles` are files in it that can run code when they are loaded."""

    manifest: Manifest
    left_out: tuple[ExcludedFiles, ...]
    pickles: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        return {
            "manifest": json.loads(self.manifest.to_json()),
            "left_out": [each.as_json() for each in self.left_out],
            "pickles": list(self.pickles),
        }


def lock_manifest(client: HubClient, model_id: str, revision: str, *, allow_pickle: bool = False) -> LockedManifest:
    """Pins a pipeline, or a component such as a VAE, to the commit that `revision` means now.

    Small files are downloaded, because hubs do not list their sha256. Raises MODEL_NOT_FOUND, REVISION_NOT_FOUND,
    GATED_MODEL, NOT_A_PIPELINE, UNSAFE_MODEL (without `allow_pickle`), CORRUPT_DOWNLOAD and errors of the network.
    """
    tree = RepoTree.read(client, model_id, revision)
    is_pipeline = tree.has(INDEX)
    selection = _select(client, tree, allow_pickle)
    manifest = Manifest(
        model_id=model_id,
        revision=tree.commit,
        pipeline=selection.pipeline if is_pipeline else None,
        component=None if is_pipeline else selection.pipeline,
        variant=selection.variant,
        licence=tree.licence,
        gated=tree.gated,
        # Left to itself, diffusers takes a pickle where there is nothing else; the service alone forbids that.
        load=MappingProxyType({"use_safetensors": None} if selection.pickles else {}),
        files=tuple(with_sha256(client, model_id, tree.commit, selection.files)),
    )
    unused = excluded_files(tree.files, {file.path for file in selection.files})
    return LockedManifest(manifest, unused, selection.pickles)


def with_sha256(client: HubClient, model_id: str, commit: str, files: Sequence[ManifestFile]) -> list[ManifestFile]:
    """The files with a sha256 each; those with git's hash only are downloaded and verified by that."""
    return [file if file.sha256 else replace(_read(client, model_id, commit, file), git_sha1=None) for file in files]


def _read(client: HubClient, model_id: str, commit: str, file: ManifestFile) -> ManifestFile:
    content = client.small_file(model_id, commit, file.path, limit=_SMALL_BYTES)
    digest = ContentDigest(len(content))
    digest.update(content)
    if len(content) != file.size or digest.git_sha1 != file.git_sha1:
        raise CorruptDownloadError(
            f"{file.path} of {model_id} arrived damaged: the hub lists {file.size} bytes of git object "
            f"{file.git_sha1}, got {len(content)} of {digest.git_sha1}. Check HTTPS_PROXY and HF_ENDPOINT."
        )
    return replace(file, sha256=hashlib.sha256(content).hexdigest())


def _select(client: HubClient, tree: RepoTree, allow_pickle: bool) -> Selection:
    model_id, commit = tree.model_id, tree.commit
    if tree.has(INDEX):
        index = read_json(client, model_id, commit, INDEX)
        return select_files(model_id, index, tree.files, allow_pickle=allow_pickle)
    if not tree.has(COMPONENT_CONFIG):
        raise not_a_pipeline(model_id, f"it has neither {INDEX} nor {COMPONENT_CONFIG}")
    config = read_json(client, model_id, commit, COMPONENT_CONFIG)
    return select_component(model_id, config, tree.files, allow_pickle=allow_pickle)
