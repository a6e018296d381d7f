"""Manifests that need no network: those bundled with the image, and those kept in the cache."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from image_gen import reader
from image_gen.errors import ImageGenError, ModelIdInvalidError
from image_gen.model_cache.core.atomic_files import commit_of, write_atomic
from image_gen.model_cache.core.layout import RepoLayout, folder_name
from image_gen.model_cache.core.manifest import (
    SINGLE_FILES,
    Manifest,
    check_revision,
    is_commit,
    read_manifest,
    split_file,
    split_model_id,
)
from image_gen.model_cache.core.settings import DEMO_ALIAS, DEMO_MODEL, CacheSettings
from image_gen.model_cache.core.untrusted_files import read_json
from image_gen.model_cache.core.walk import entries
from image_gen.model_cache.manifests.select import INDEX, lacking

# As `status` prints commits, and git does.
_ABBREVIATED = re.compile(r"[0-9a-f]{7,39}")


class ManifestRegistry:
    """Finds manifests by model and revision."""

    def __init__(self, settings: CacheSettings) -> None:
        self._settings = settings

    def canonical_id(self, model_id: str) -> str:
        """The current id of a model, also from its page's address. Raises MODEL_ID_INVALID."""
        model_id, revision = split_model_id(model_id)
        if revision:
            raise ModelIdInvalidError(
                f"MODEL_ID: {model_id} comes with the revision {revision}, which counts apart. Fix: give "
                f"{model_id}, which stands for all revisions where none can be chosen; a service takes "
                f"{reader.setting('MODEL_REVISION', revision)}."
            )
        if model_id == DEMO_ALIAS:
            return DEMO_MODEL
        repository, file = split_file(model_id)
        repository = next((each.model_id for each in self.bundled() if repository in each.aliases), repository)
        return f"{repository}/{file}" if file else repository

    def bundled(self) -> Iterator[Manifest]:
        """The manifests bundled with the image. Raises MANIFEST_INVALID."""
        directory = self._settings.manifests_dir
        for path in sorted(directory.glob("*.json")) if directory.is_dir() else []:
            yield read_manifest(path)

    def cached(self, model_id: str) -> Iterator[Manifest]:
        """The manifests that were resolved for a model on this cache, that of its default revision first."""
        return (manifest for manifest in self.cached_files(model_id).values() if manifest)

    def cached_files(self, model_id: str) -> dict[Path, Manifest | None]:
        """The files of these, where `org--name.json` is that of the default revision; None for an unreadable one."""
        directory, name = self._settings.cached_manifests_dir, folder_name(model_id)
        found = [directory / f"{name}.json", *entries(directory, f"{name}@*.json")]
        return {path: self._read(path) for path in found if path.is_file()}

    def all_manifests(self, model_id: str) -> list[Manifest]:
        """Every manifest of a model, the one of its default revision first."""
        return [manifest for manifest in self.bundled() if manifest.model_id == model_id] + list(self.cached(model_id))

    def find(self, model_id: str, revision: str | None) -> Manifest | None:
        """The manifest of a model at a revision; without one, at its default revision."""
        if revision is None:
            bundled = next((each for each in self.bundled() if each.model_id == model_id), None)
            return bundled or self._read(self._settings.cached_manifests_dir / f"{folder_name(model_id)}.json")
        commit = self.commit_of(model_id, revision)
        known = (each for each in self.all_manifests(model_id) if each.component not in SINGLE_FILES)
        return next((each for each in known if each.revision == commit), None)

    def keep(self, manifest: Manifest, *, default: bool) -> None:
        """Caches a resolved manifest, so that the next start needs no hub."""
        # A repository may have a pipeline and LoRAs.
        listing = SINGLE_FILES.get(manifest.component or "")
        at = "" if default and not listing else f"@{manifest.revision}"
        name = f"{folder_name(manifest.model_id)}{at}{f'~{listing}' if listing else ''}"
        write_atomic(self._settings.cached_manifests_dir / f"{name}.json", manifest.to_json())

    def keep_new(self, manifest: Manifest, *, default: bool) -> None:
        """The same for a manifest from elsewhere, unless its revision is known here."""
        known = self.all_manifests(manifest.model_id)
        if all((each.revision, _listing(each)) != (manifest.revision, _listing(manifest)) for each in known):
            self.keep(manifest, default=default)

    def keep_file(self, manifest: Manifest) -> None:
        """The same for single files of a repository, beside those of its commit that are known here."""
        same = [each for each in self.cached(manifest.model_id) if _listing(each) == _listing(manifest)]
        before = next((each for each in same if each.revision == manifest.revision), None)
        self.keep(manifest.with_files_of(before), default=False)

    def commit_of(self, model_id: str, revision: str | None) -> str | None:
        """The commit of a revision, without one of `main`, when it was downloaded, from the cache's refs."""
        return commit_of(RepoLayout(self._settings.hub_cache, model_id), revision or "main")

    def revision(self, model_id: str, text: str | None) -> str | None:
        """A branch, tag or commit that was given; the whole commit for the beginning of one that is cached."""
        revision = check_revision(text) if text and text.strip() else None
        if not revision or not _ABBREVIATED.fullmatch(revision.lower()) or self.commit_of(model_id, revision):
            return revision
        snapshots = RepoLayout(self._settings.hub_cache, model_id).snapshot("").glob(f"{revision.lower()}*")
        found = [path.name for path in snapshots if is_commit(path.name)]
        return found[0] if len(found) == 1 else revision

    def _read(self, path: Path) -> Manifest | None:
        """A cached manifest. One that can't be read is resolved again, and replaced; so is one from a list that lacked
        a file, as the pipeline's index tells.
        """
        with suppress(ImageGenError):
            found = read_manifest(path) if path.is_file() else None
            return found if found and not self._lacking(found) else None
        return None

    def _lacking(self, manifest: Manifest) -> list[str]:
        index = RepoLayout(self._settings.hub_cache, manifest.model_id).snapshot(manifest.revision) / INDEX
        with suppress(OSError, ValueError):
            return lacking(read_json(index), manifest.files) if manifest.pipeline else []
        return []


def _listing(manifest: Manifest) -> str | None:
    return SINGLE_FILES.get(manifest.component or "")
