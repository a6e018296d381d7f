"""Creates a manifest to bundle: every file with its sha256, and the reasons for excluded files."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from types import MappingProxyType

from image_gen.errors import CorruptDownloadError
from image_gen.model_cache.core.digest import ContentDigest
from image_gen.model_cache.core.manifest import Manifest, ManifestFile
from image_gen.model_cache.core.report import Report
from image_gen.model_cache.manifests import select
from image_gen.model_cache.manifests.resolve import RepoTree
from image_gen.model_cache.sources.hub import HubClient

# Hubs keep larger files as LFS objects, and list their sha256.
_SMALL_BYTES = 64 << 20
_OTHER_FRAMEWORKS = (".msgpack", ".onnx", ".onnx_data", ".pb", ".h5", ".tflite", ".xml", ".ckpt.index", ".mlmodel")


@dataclass(frozen=True)
class ExcludedFiles(Report):
    """Files that are not needed for one reason; `example` is the largest of them."""

    json_bytes = "size"
    reason: str
    files: int
    size: int
    example: str


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
    is_pipeline = tree.has(select.INDEX)
    selection = _select(tree, allow_pickle)
    manifest = tree.manifest(
        selection,
        pipeline=selection.pipeline if is_pipeline else None,
        component=None if is_pipeline else selection.pipeline,
        # Left to itself, diffusers takes a pickle where there is nothing else; the service alone forbids that.
        load=MappingProxyType({"use_safetensors": None} if selection.pickles else {}),
        files=tuple(with_sha256(tree, file) for file in selection.files),
    )
    unused = excluded_files(tree.files, {file.path for file in selection.files})
    return LockedManifest(manifest, unused, selection.pickles)


def with_sha256(tree: RepoTree, file: ManifestFile) -> ManifestFile:
    """A file with its sha256; one with git's hash only is downloaded, and verified by that."""
    file = tree.completed(file)
    if file.sha256:
        return file
    content = tree.client.small_file(tree.model_id, tree.commit, file.path, limit=_SMALL_BYTES)
    digest = ContentDigest(len(content))
    digest.update(content)
    if len(content) != file.size or digest.git_sha1 != file.git_sha1:
        raise CorruptDownloadError(
            f"{file.path} of {tree.model_id} arrived damaged: the hub lists {file.size} bytes of git object "
            f"{file.git_sha1}, got {len(content)} of {digest.git_sha1}. Check HTTPS_PROXY and HF_ENDPOINT."
        )
    return replace(file, sha256=digest.sha256, git_sha1=None)


def _select(tree: RepoTree, allow_pickle: bool) -> select.Selection:
    if tree.has(select.INDEX):
        return select.select_files(tree.model_id, tree.read_json(select.INDEX), tree.files, allow_pickle=allow_pickle)
    if not tree.has(select.COMPONENT_CONFIG):
        raise select.not_a_pipeline(tree.model_id, f"it has neither {select.INDEX} nor {select.COMPONENT_CONFIG}")
    config = tree.read_json(select.COMPONENT_CONFIG)
    return select.select_component(tree.model_id, config, tree.files, allow_pickle=allow_pickle)


def excluded_files(files: Iterable[ManifestFile], chosen: Collection[str]) -> tuple[ExcludedFiles, ...]:
    """Everything that was not chosen, by reason, the largest total first. `chosen` contains paths."""
    directories = {path.rpartition("/")[0] for path in chosen}
    groups: dict[str, list[ManifestFile]] = defaultdict(list)
    for file in files:
        if file.path not in chosen:
            groups[_reason(file.path, directories)].append(file)
    found = [
        ExcludedFiles(reason, len(group), sum(file.size for file in group), max(group, key=lambda file: file.size).path)
        for reason, group in groups.items()
    ]
    return tuple(sorted(found, key=lambda each: -each.size))


def _reason(path: str, directories: Collection[str]) -> str:
    directory, _, leaf = path.rpartition("/")
    if leaf.startswith(("flax_", "openvino_", "tf_", "diffusion_flax_")) or leaf.endswith(_OTHER_FRAMEWORKS):
        return "for another framework than PyTorch"
    if directory not in directories:
        return "in a directory that no chosen component has"
    if leaf.endswith(select.PICKLES):
        return "pickles, which can run code when loaded; the same weights are there as safetensors"
    if leaf.endswith(".safetensors") or ".safetensors.index" in leaf:
        return (
            "weights in another precision or variant"
            if directory
            else "weights in one file, or another variant; components are loaded one by one"
        )
    return "not read when the model is loaded"
