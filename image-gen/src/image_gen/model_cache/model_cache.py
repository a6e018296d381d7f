"""The public interface of the model cache: one method for each operation on a model's files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import wraps
from inspect import isfunction
from pathlib import Path
from typing import BinaryIO, TypeVar

from image_gen import errors, reader
from image_gen.model_cache.backup.compression import Compression
from image_gen.model_cache.backup.create import BackupReport, back_up
from image_gen.model_cache.backup.export import ExportReport, export, export_baked
from image_gen.model_cache.backup.own_model import own_model
from image_gen.model_cache.backup.restore import RestoreReport, restore
from image_gen.model_cache.cache.delete import ClearReport, clear_models, clear_orphans
from image_gen.model_cache.cache.gc import GcReport, collect_garbage
from image_gen.model_cache.cache.host import HostCache
from image_gen.model_cache.cache.lease import Lease, hold, note_verified
from image_gen.model_cache.cache.locate import open_directory
from image_gen.model_cache.cache.status import CacheStatus, cache_status
from image_gen.model_cache.core.filesystem import translate_os_errors
from image_gen.model_cache.core.layout import RepoLayout, baked_files_name
from image_gen.model_cache.core.manifest import (
    CHECKPOINT,
    LORA,
    SINGLE_FILES,
    Manifest,
    ReadyModel,
    split_file,
    split_model_id,
)
from image_gen.model_cache.core.progress import SILENT, ProgressCallbacks
from image_gen.model_cache.core.s3_uri import S3Uri
from image_gen.model_cache.core.settings import CacheSettings, Verify
from image_gen.model_cache.doctor import DoctorReport, run_checks
from image_gen.model_cache.download.ensure import Ensure
from image_gen.model_cache.download.ensure_checker import CHECKER, EnsureChecker
from image_gen.model_cache.download.ensure_checkpoint import ensure_for, opened
from image_gen.model_cache.download.ensure_lora import EnsureLora, open_lora
from image_gen.model_cache.download.range_journal import RangeJournal
from image_gen.model_cache.download.repair import IntegrityCheck, quarantine, raise_if_read_only
from image_gen.model_cache.download.verify import VerifyReport, verify_models
from image_gen.model_cache.manifests.check import CheckReport, check_manifest
from image_gen.model_cache.manifests.lock_manifest import LockedManifest, lock_manifest
from image_gen.model_cache.manifests.lora_source import LoraSource
from image_gen.model_cache.manifests.registry import ManifestRegistry
from image_gen.model_cache.sources.hub import HubClient

_DOING = {"backup": "the backup", "clear": "clearing the cache", "ensure": "fetching a model", "restore": "the restore"}
_Class = TypeVar("_Class")


def _translates_os_errors(cache: type[_Class]) -> type[_Class]:
    """The edge of the package: an error of a file or a directory leaves every public method with its fix."""

    def translated(name: str, method: Callable[..., object]) -> Callable[..., object]:
        @wraps(method)
        def run(self: "ModelCache", *args: object, **options: object) -> object:
            with translate_os_errors(self.settings.volume_root, _DOING.get(name, "reading the cache")):
                return method(self, *args, **options)

        return run

    for name, member in list(vars(cache).items()):
        if isfunction(member) and not name.startswith("_"):
            setattr(cache, name, translated(name, member))
    return cache


@_translates_os_errors
class ModelCache:
    """Every method raises an `ImageGenError` for every failure that can be foreseen."""

    def __init__(self, settings: CacheSettings) -> None:
        self.settings = settings
        self.registry = ManifestRegistry(settings)

    def ensure(
        self,
        model_id: str,
        *,
        revision: str | None = None,
        model_dir: Path | None = None,
        components: bool = False,
        callbacks: ProgressCallbacks = SILENT,
    ) -> ReadyModel:
        """The complete model. Downloads only missing files; uses no network when none is missing. A branch or tag that
        is named is what it is on the hub now, where that can be reached.

        With `components` a part of a pipeline, such as a VAE, is accepted; otherwise it raises NOT_A_PIPELINE.
        """
        if model_dir is None and not components:
            manifest = self.known(model_id, revision)
            if manifest and manifest.component not in {None, CHECKPOINT}:
                raise errors.NotAPipelineError(
                    f"{model_id} is only a component of a pipeline ({manifest.component}) and generates no images by "
                    f"itself. Fix: {reader.setting('MODEL_ID', '<pipeline>')}; "
                    f"`{reader.cache_command('prefetch --model ' + model_id)}` downloads components too."
                )
        if model_dir is not None:
            return open_directory(model_dir, model_id)
        return opened(self._ensure(model_id, revision).run(callbacks))

    def ensure_vae(self, vae_id: str, callbacks: ProgressCallbacks = SILENT) -> ReadyModel:
        """A complete VAE. Raises VAE_INVALID for anything else."""
        manifest = self.known(vae_id, None)
        if manifest is None or not (manifest.component or "").startswith("Autoencoder"):
            bundled = [each.model_id for each in self.registry.bundled() if each.component]
            raise errors.VaeInvalidError(
                f"VAE_ID: expected a VAE with a manifest ({', '.join(bundled) or 'none is bundled'}), got {vae_id}. "
                f"Fix: choose one of them, or {reader.manifest_command(vae_id)}."
            )
        return self.ensure(vae_id, components=True, callbacks=callbacks)

    def ensure_lora(self, source: LoraSource, callbacks: ProgressCallbacks = SILENT) -> tuple[ReadyModel, Path]:
        """A LoRA, and the file of it that is meant. Raises LORA_INVALID and UNSAFE_MODEL, and what a download may."""
        if source.path:
            model = open_lora(source)
        else:
            revision = self.registry.revision(source.model_id, source.revision)
            model = EnsureLora(self.settings, source.model_id, revision, source.file).run(callbacks)
        return model, model.directory / model.files[0].path

    def ensure_checker(self, model_id: str, revision: str | None, callbacks: ProgressCallbacks = SILENT) -> ReadyModel:
        """A safety checker. Raises SAFETY_CHECKER_INVALID for anything else."""
        model_id = self.registry.canonical_id(model_id)
        revision = self.registry.revision(model_id, revision)
        known = self.registry.find(model_id, revision)
        if known and known.component != CHECKER:
            raise errors.SafetyCheckerInvalidError(
                f"IMAGE_GEN_SAFETY_CHECKER: {model_id} is no safety checker. Fix: name another, or leave it empty."
            )
        return EnsureChecker(self.settings, model_id, revision).run(callbacks)

    def verify_and_repair(
        self, model: ReadyModel, *, verify: Verify = "recorded", callbacks: ProgressCallbacks = SILENT
    ) -> ReadyModel:
        """Reads a model into the page cache and hashes the same bytes. Damaged files are quarantined and downloaded
        again. Raises CORRUPT_CACHE when that fails.

        `recorded` compares a file's BLAKE3 with that of the record that was made when its sha256 was proven, and
        without one its sha256; `full` its sha256 always; `changed` hashes only files that changed since they were last
        hashed, `size` none.
        """
        check = IntegrityCheck(self.settings, model, verify)
        lost = check.run(callbacks)
        if lost:
            if model.source == "host":
                HostCache(self.settings).distrust(model, lost[0].file.path)
                # Nothing of the own cache was read yet.
                good: set[str] = set()
            else:
                raise_if_read_only(model, lost)
                quarantine(self.settings, model.model_id, model.directory, lost, callbacks)
                good = {file.path for file in model.files} - {read.file.path for read in lost}
            silent = replace(callbacks, on_file=lambda _: None)
            ensure = (
                EnsureLora(self.settings, model.model_id, model.revision, model.files[0].path)
                if model.component == LORA
                else self._ensure(model.name, model.revision)
            )
            # Another process may have repaired it meanwhile.
            model = opened(ensure.find_local() or ensure.download(silent))
            # The rest was hashed a moment ago, here or by the process that downloaded it.
            again = IntegrityCheck(
                self.settings,
                replace(model, files=tuple(file for file in model.files if file.path not in good)),
                verify,
            )
            if still := again.run(callbacks):
                raise errors.CorruptCacheError(
                    f"{still[0].file.path} of {model.model_id} is damaged again right after its download. Fix: check "
                    f"the disk that holds {reader.place(self.settings.hub_cache)}."
                )
            check.proved |= again.proved
        if (
            verify in {"recorded", "full"}
            and model.source in {"volume", "download"}
            and check.proved.issuperset(file.path for file in model.files)
        ):
            note_verified(self.settings, model.model_id, model.revision)
        return model

    def locate(self, model_id: str, revision: str | None = None, model_dir: Path | None = None) -> ReadyModel | None:
        """The model if it is complete locally: explicit directory, image, volume, the host's cache. No network, no
        writes.
        """
        if model_dir is not None:
            return open_directory(model_dir, model_id)
        found = self._ensure(model_id, revision).find_local()
        return found and opened(found)

    def canonical_id(self, model_id: str) -> str:
        """The current id of a model. Raises MODEL_ID_INVALID."""
        return self.registry.canonical_id(model_id)

    def known(self, model_id: str, revision: str | None) -> Manifest | None:
        """A model's manifest, if it is bundled or was kept."""
        return self._ensure(model_id, revision).manifest()

    def hold(self, model: ReadyModel) -> Lease:
        """Protects a model on the volume, of which a copy may be loaded, from `clear` and `gc`, in any container, until
        the lease or process ends.
        """
        on_volume = model.source in {"volume", "download", "instance-store"}
        return hold(self.settings, model.model_id, model.revision) if on_volume else Lease(None)

    def resolve(self, model_id: str, revision: str | None = None) -> Manifest:
        """A model's manifest: a local one, or one resolved from the hub. Writes nothing."""
        ensure = self._ensure(model_id, revision)
        moved = ensure.moved(SILENT)
        if known := self.known(model_id, moved or revision):
            return known
        with HubClient(self.settings) as client:
            return ensure.listed(client, self.registry.revision(split_file(model_id)[0], revision) or "main")

    def lock(self, model_id: str, revision: str | None = None, *, allow_pickle: bool = False) -> LockedManifest:
        """A manifest to bundle, made from the hub, with a sha256 for every file. Writes nothing."""
        model_id = self._repository(model_id, "a manifest is of a whole model")
        revision = self.registry.revision(model_id, revision)
        bundled = next((known for known in self.registry.bundled() if known.model_id == model_id), None)
        with HubClient(self.settings) as client:
            locked = lock_manifest(client, model_id, revision or "main", allow_pickle=allow_pickle)
        # No hub knows a model's aliases.
        return replace(locked, manifest=replace(locked.manifest, aliases=bundled.aliases if bundled else ()))

    def check(self, model_ids: Sequence[str] = ()) -> CheckReport:
        """Compares bundled manifests, all or some, with the hub at their commits."""
        wanted = {self.registry.canonical_id(each) for each in model_ids}
        bundled = {manifest.model_id: manifest for manifest in self.registry.bundled()}
        if unknown := sorted(wanted - bundled.keys()):
            raise errors.ManifestNotFoundError(
                f"{self.settings.manifests_dir} has no manifest of {', '.join(unknown)}, only of "
                f"{', '.join(sorted(bundled))}. Fix: {reader.manifest_command(unknown[0])}."
            )
        with HubClient(self.settings) as client:
            chosen = [manifest for name, manifest in bundled.items() if not wanted or name in wanted]
            return CheckReport(self.settings.endpoint, tuple(check_manifest(client, manifest) for manifest in chosen))

    def status(self) -> CacheStatus:
        """The cached models, complete or not, and the free space on the volume. Changes nothing."""
        return cache_status(self.settings, RangeJournal.kept_bytes)

    def doctor(self, model_id: str, revision: str | None = None, env: Mapping[str, str] | None = None) -> DoctorReport:
        """Checks of the cache. `env` is the environment that the settings were read from."""
        return run_checks(self.settings, env or {}, model_id, revision or None)

    def verify(
        self, model_id: str | None = None, *, repair: bool = False, callbacks: ProgressCallbacks = SILENT
    ) -> VerifyReport:
        """Hashes every file of one model or of all, offline. `repair` quarantines damaged files."""
        return verify_models(self.settings, *self._named(model_id), callbacks, repair=repair)

    def clear(
        self, model_id: str | None = None, revision: str | None = None, *, dry_run: bool = False, force: bool = False
    ) -> ClearReport:
        """Deletes one model from the volume, or a revision of it (commit, branch or tag), or all. What is in use raises
        MODEL_IN_USE, unless `force`.
        """
        canonical = (
            None if model_id is None else self._repository(model_id, "all of the repository's files are deleted")
        )
        return clear_models(self.settings, canonical, revision, dry_run=dry_run, force=force)

    def clear_orphans(self, *, dry_run: bool = False, min_age: float = 0) -> ClearReport:
        """Deletes what no revision uses and what killed commands left, or of that only what did not change for
        `min_age` seconds; never what a process works on.
        """
        return clear_orphans(self.settings, dry_run=dry_run, min_age=min_age)

    def collect_garbage(
        self,
        *,
        older_than: float | None = None,
        keep_free: int | None = None,
        keep: Sequence[tuple[str, str | None]] = (),
        dry_run: bool = False,
    ) -> GcReport:
        """Deletes orphans, revisions not used for `older_than` seconds, and then least-recently-used ones until
        `keep_free` bytes are free. Never one in use, nor what a start with an id and a revision of `keep` serves.
        """
        kept = {self._next_start(*each) for each in keep}
        return collect_garbage(self.settings, older_than=older_than, keep_free=keep_free, keep=kept, dry_run=dry_run)

    def _next_start(self, model_id: str, revision: str | None) -> tuple[str, str | None]:
        """The revision that a start serves; None where that is not on the volume, or not known."""
        manifest = self.known(model_id, revision)
        model_id = split_file(self.registry.canonical_id(model_id))[0]
        revision = self.registry.revision(model_id, revision)
        commit = manifest.revision if manifest else self.registry.commit_of(model_id, revision)
        here = commit and RepoLayout(self.settings.hub_cache, model_id).snapshot(commit).is_dir()
        kept = [] if manifest or revision else [each.revision for each in self.registry.cached(model_id)]
        # A LoRA stays at the commit of its download, wherever `main` is now.
        here = here and (not kept or commit in kept)
        return model_id, commit if here else None

    def backup(
        self, output: Path | S3Uri | BinaryIO, *, model_id: str | None = None, compress: bool | Compression = False
    ) -> BackupReport:
        """Writes every complete model, or one, to a tar archive with paths below `data/huggingface`. True is gzip.

        A file or an S3 object appears complete, or not at all.
        """
        how = ("gzip" if compress else None) if isinstance(compress, bool) else compress
        wanted, revision = self._named(model_id)
        return back_up(self.settings, output, model_id=wanted, revision=revision, compress=how)

    def restore(self, source: Path | S3Uri | BinaryIO, callbacks: ProgressCallbacks = SILENT) -> RestoreReport:
        """Restores the models of a backup after all of them are verified; the cache does not change before that."""
        return restore(self.settings, source, callbacks)

    def bake(
        self,
        model_id: str,
        output: Path,
        *,
        revision: str | None = None,
        vae: bool = False,
        callbacks: ProgressCallbacks = SILENT,
    ) -> ExportReport:
        """Exports a model, or with `vae` a VAE, below `output` as a plain, verified directory for an image."""
        model = self._for_export(lambda own: own._listed(model_id, revision, callbacks, components=vae))
        listing = SINGLE_FILES.get(model.component or "")
        if listing:
            return export_baked(model, output, name=baked_files_name(model.model_id, revision, listing))
        return export_baked(model, output, revision=self.registry.revision(model.model_id, revision))

    def bake_loras(
        self, sources: Sequence[LoraSource], output: Path, callbacks: ProgressCallbacks = SILENT
    ) -> list[ExportReport]:
        """The same for the LoRAs of repositories; one directory a repository and revision."""
        found = self._loras_for_export(sources, callbacks)
        return [export_baked(each, output, name=name) for name, each in found.items()]

    def mirror(
        self,
        model_id: str,
        output: Path | S3Uri,
        *,
        revision: str | None = None,
        callbacks: ProgressCallbacks = SILENT,
    ) -> ExportReport:
        """Exports a model, or a component, in the layout that IMAGE_GEN_MIRROR reads."""
        model = self._for_export(lambda own: own._listed(model_id, revision, callbacks, components=True))
        return export(self.settings, model, output, callbacks.cancel)

    def mirror_own(
        self, path: Path, model_id: str, output: Path | S3Uri, callbacks: ProgressCallbacks = SILENT
    ) -> ExportReport:
        """The same for a directory, checkpoint or LoRA of the user's, under an id that it is served by."""
        if any(model_id in {each.model_id, *each.aliases} for each in self.registry.bundled()):
            name = reader.argument("--model", "--name")
            raise errors.ModelIdInvalidError(
                f"{name}: {model_id} is a model of the Hub, whose manifest is bundled. Fix: {name} "
                "<organisation>/<name>, with a name of your own."
            )
        return export(self.settings, own_model(path, model_id), output, callbacks.cancel)

    def mirror_checker(
        self, model_id: str, revision: str | None, output: Path | S3Uri, callbacks: ProgressCallbacks = SILENT
    ) -> ExportReport:
        """The same for a safety checker."""
        model = self._for_export(lambda own: own.ensure_checker(model_id, revision, callbacks))
        return export(self.settings, model, output, callbacks.cancel)

    def mirror_loras(
        self, sources: Sequence[LoraSource], output: Path | S3Uri, callbacks: ProgressCallbacks = SILENT
    ) -> list[ExportReport]:
        """The same for the LoRAs of repositories, which are added to those that are there."""
        found = self._loras_for_export(sources, callbacks)
        return [export(self.settings, each, output, callbacks.cancel) for each in found.values()]

    def _loras_for_export(self, sources: Sequence[LoraSource], callbacks: ProgressCallbacks) -> dict[str, ReadyModel]:
        """By the name in an image, and so those of one repository and revision together."""
        found: dict[str, ReadyModel] = {}
        for source in sources:
            if source.model_id:
                name = baked_files_name(source.model_id, source.revision, SINGLE_FILES[LORA])
                found[name] = self._lora_for_export(source, callbacks).with_files_of(found.get(name))
        return found

    def _lora_for_export(self, source: LoraSource, callbacks: ProgressCallbacks) -> ReadyModel:
        return self._for_export(lambda own: own.ensure_lora(source, callbacks)[0])

    def _for_export(self, ensure: Callable[["ModelCache"], ReadyModel]) -> ReadyModel:
        # The models of this image are no source for another image, nor are those of a cache without manifests.
        model = ensure(ModelCache(replace(self.settings, baked_dir=self.settings.hub_cache / ".none", host_cache=None)))
        if unprovable := [file.path for file in model.files if not file.content_key]:
            raise errors.ManifestNotFoundError(
                f"No hash is known of {unprovable[0]} of {model.model_id}, so it can't be exported. Fix: "
                f"`{reader.cache_command('prefetch --model ' + model.model_id)}`, with {self.settings.endpoint} in "
                "reach."
            )
        return model

    def _listed(
        self, model_id: str, revision: str | None, callbacks: ProgressCallbacks, *, components: bool
    ) -> ReadyModel:
        """A complete model as its manifest lists it."""
        model = self.ensure(model_id, revision=revision, components=components, callbacks=callbacks)
        return (model.checkpoint and self._ensure(model_id, model.revision).find_local()) or model

    def _repository(self, model_id: str, why: str) -> str:
        """The id of a repository. Raises MODEL_ID_INVALID for a file of one."""
        repository, file = split_file(self.registry.canonical_id(model_id))
        if file:
            raise errors.ModelIdInvalidError(f"{model_id}: expected a repository, as {why}. Fix: name {repository}.")
        return repository

    def _named(self, text: str | None) -> tuple[str | None, str | None]:
        """A model, and its commit where the text names a revision."""
        if text is None:
            return None, None
        model_id, revision = split_model_id(text)
        model_id = split_file(self.registry.canonical_id(model_id))[0]
        revision = self.registry.revision(model_id, revision)
        return model_id, revision and (self.registry.commit_of(model_id, revision) or revision)

    def _ensure(self, model_id: str, revision: str | None) -> Ensure:
        return ensure_for(self.settings, model_id, revision)
