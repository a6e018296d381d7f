"""Compares a manifest with the hub at its commit."""

from dataclasses import dataclass

from image_gen.errors import CorruptDownloadError, NotAPipelineError, RevisionNotFoundError
from image_gen.model_cache.core.manifest import Manifest, ManifestFile
from image_gen.model_cache.core.report import Report
from image_gen.model_cache.manifests.lock_manifest import with_sha256
from image_gen.model_cache.manifests.resolve import RepoTree
from image_gen.model_cache.manifests.select import COMPONENT_CONFIG, INDEX
from image_gen.model_cache.sources.hub import HubClient


@dataclass(frozen=True)
class ManifestCheck(Report):
    """One manifest against a hub. `problems` are differences, one a line."""

    json_extra = ("ok",)
    model_id: str
    revision: str
    files: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.problems


@dataclass(frozen=True)
class CheckReport(Report):
    """The compared manifests."""

    json_extra = ("ok",)
    endpoint: str
    models: tuple[ManifestCheck, ...]

    @property
    def ok(self) -> bool:
        return all(model.ok for model in self.models)


def check_manifest(client: HubClient, manifest: Manifest) -> ManifestCheck:
    """Every file by size and hash, and what the manifest says of licence, terms and class.

    A hub that lacks the commit is a mismatch; one that can't be asked raises its error.
    """
    try:
        problems = _problems(client, manifest)
    except (RevisionNotFoundError, CorruptDownloadError, NotAPipelineError) as error:
        problems = [error.message]
    return ManifestCheck(manifest.model_id, manifest.revision, len(manifest.files), tuple(problems))


def _problems(client: HubClient, manifest: Manifest) -> list[str]:
    tree = RepoTree.read(client, manifest.model_id, manifest.revision)
    known = {file.path: file for file in tree.files}
    problems = [f"{file.path}: not there" for file in manifest.files if file.path not in known]
    for file in manifest.files:
        if listed := known.get(file.path):
            problems += _differences(file, with_sha256(tree, listed), listed)
    # A mirror may not know the licence.
    if tree.licence and manifest.licence and tree.licence != manifest.licence:
        problems.append(f"licence: the manifest says {manifest.licence}, the hub {tree.licence}")
    if tree.gated and not manifest.gated:
        problems.append("gated: the manifest says open, the hub wants its terms accepted")
    name, expected = _class_name(manifest, tree), manifest.pipeline or manifest.component
    if name != expected:
        problems.append(f"class: the manifest says {expected}, the hub {name}")
    return problems


def _differences(ours: ManifestFile, theirs: ManifestFile, listed: ManifestFile) -> list[str]:
    if ours.size != theirs.size:
        return [f"{ours.path}: {ours.size} bytes in the manifest, {theirs.size} at the hub"]
    if ours.sha256 and ours.sha256 != theirs.sha256:
        return [f"{ours.path}: sha256 {ours.sha256} in the manifest, {theirs.sha256} at the hub"]
    if not ours.sha256 and listed.git_sha1 != ours.git_sha1:
        return [f"{ours.path}: git object {ours.git_sha1} in the manifest, {listed.git_sha1} at the hub"]
    return []


def _class_name(manifest: Manifest, tree: RepoTree) -> str | None:
    path = INDEX if manifest.pipeline else COMPONENT_CONFIG
    if not tree.has(path):
        return None
    name = tree.read_json(path).get("_class_name")
    return name if isinstance(name, str) else None
