"""Verifies a local model: damaged files are quarantined, so that they are downloaded again, and put back if they turn
out to be good.
"""

import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path

from image_gen import reader
from image_gen.errors import CorruptCacheError, ImageGenError
from image_gen.model_cache.core.atomic_files import link_snapshot
from image_gen.model_cache.core.digest import ContentDigest, Digest, RecordedDigest
from image_gen.model_cache.core.filesystem import format_bytes, status_of, to_cache_error
from image_gen.model_cache.core.layout import RepoLayout
from image_gen.model_cache.core.manifest import Manifest, ManifestFile, ReadyModel
from image_gen.model_cache.core.progress import Meter, ProgressCallbacks
from image_gen.model_cache.core.settings import CacheSettings, Verify
from image_gen.model_cache.core.verification_record import FileFingerprint, VerificationRecord
from image_gen.model_cache.core.walk import without_links_above
from image_gen.model_cache.download.downloader import download_lock
from image_gen.model_cache.download.noted_hashes import NotedHashes
from image_gen.model_cache.download.page_cache import FileRead, PageCacheReader, loading_order, read_again

log = logging.getLogger(__name__)
_DAMAGED = ".damaged"


class IntegrityCheck:
    """One pass over a model's files: all are read, and `mode` says which are hashed."""

    def __init__(self, settings: CacheSettings, model: ReadyModel, mode: Verify) -> None:
        self._model = model
        self._mode = mode
        self._record = VerificationRecord(settings, model.model_id, model.revision)
        self._known = self._record.read()
        is_own = model.source == "directory"
        self._noted = NotedHashes(settings, model.directory, model.files) if is_own else None
        # The files whose content is that of their hash.
        self.proved = set(model.verified)

    def run(self, callbacks: ProgressCallbacks) -> list[FileRead]:
        """Returns the lost files. `callbacks.on_file` gets each path that may be loaded from now on. Raises the error
        of a file that can't be read for any other reason than its disk's.

        Files that were downloaded a moment ago were hashed then, and are not read again.
        """
        model = self._model
        files = [file for file in loading_order(model.files) if file.path not in model.verified]
        for path in sorted(model.verified):
            callbacks.on_file(path)

        meter = Meter("verifying", sum(file.size for file in files), 0, callbacks.on_progress)
        reads = PageCacheReader(
            model.directory,
            files,
            digest_of=self._digest_of,
            meter=meter,
            cancel=callbacks.cancel,
            on_read=lambda read: callbacks.on_file(read.file.path),
        ).run()
        if self._noted:
            reads = self._noted.compared(reads)
        if model.checkpoint and reads and reads[0].sha256:
            log.info("%s has the sha256 %s", reads[0].file.path, reads[0].sha256)
        if self._mode != "size" and model.source in {"volume", "host", "download", "instance-store"}:
            self._update_record(reads)
        self.proved |= {read.file.path for read in reads if read.matches}
        for read in reads:
            if read.error and not read.is_lost and model.source != "host":
                raise read.error
        unprovable = sum(not file.content_key for file in files)
        if unprovable and self._mode != "size" and model.source != "directory":
            log.warning("No hash is known of %d files of %s: they are not verified.", unprovable, model.model_id)
        return [read for read in reads if not read.is_fine]

    def _digest_of(self, file: ManifestFile) -> Digest | None:
        """How the file is hashed; None: it is not."""
        if self._noted:
            is_hashed = self._mode in {"recorded", "full"} or (
                self._mode == "changed" and not self._noted.is_unchanged(file)
            )
            return ContentDigest(file.size) if is_hashed else None
        if not file.content_key or self._mode == "size" or self._unchanged(file):
            return None
        if self._mode == "recorded" and (expected := self._recorded(file)):
            return RecordedDigest(expected)
        return ContentDigest(file.size, recorded=self._mode != "full")

    def _recorded(self, file: ManifestFile) -> str:
        """The BLAKE3 that was computed when this content was proven; empty for none."""
        known = self._known.get(file.path)
        return known.blake3 if known and known.content == file.content_key else ""

    def _unchanged(self, file: ManifestFile) -> bool:
        fingerprint = self._known.get(file.path) if self._mode == "changed" else None
        status = status_of(self._model.directory / file.path)
        return fingerprint is not None and status is not None and fingerprint.is_of(file, status)

    def _update_record(self, reads: Sequence[FileRead]) -> None:
        """Adds files that were hashed now or during the download; the entries of other files are kept."""
        fingerprints = dict(self._known)
        for read in reads:
            if not read.is_fine:
                fingerprints.pop(read.file.path, None)
            elif read.matches and read.status is not None:
                recorded = read.blake3 or self._recorded(read.file)
                fingerprints[read.file.path] = FileFingerprint.of(read.file, read.status, recorded)
        for file in self._model.files:
            status = status_of(self._model.directory / file.path)
            if file.path in self._model.verified and file.content_key and status:
                fingerprints[file.path] = FileFingerprint.of(file, status, self._recorded(file))
        if fingerprints != self._known:
            self._record.write(fingerprints)


def raise_if_read_only(model: ReadyModel, lost: Sequence[FileRead]) -> None:
    """For a model that is not in the own cache: nothing can be repaired there."""
    names = ", ".join(read.file.path for read in lost)
    if model.source == "baked":
        raise CorruptCacheError(
            f"{names} of {model.model_id} is damaged in the image itself. Fix: remove the image and pull or build it "
            "again."
        )
    if model.source == "directory":
        # A checkpoint is mounted as it is, without the directory around it.
        path = model.directory / lost[0].file.path if model.checkpoint else model.directory
        raise CorruptCacheError(
            f"{names} in MODEL_DIR {reader.place(path)} is damaged, or can't be read. Fix: copy the model again."
        )


def quarantine(
    settings: CacheSettings, model_id: str, directory: Path, lost: Sequence[FileRead], callbacks: ProgressCallbacks
) -> list[str]:
    """Renames lost files of a snapshot, so that nothing loads them, and returns their paths. Only the very file that
    was read is moved: another process may have replaced it meanwhile.
    """
    layout = RepoLayout(settings.hub_cache, model_id)
    try:
        with download_lock(settings, model_id, callbacks):
            return [read.file.path for read in lost if _move_aside(layout, directory, read)]
    except OSError as error:
        names = ", ".join(read.file.path for read in lost)
        why = to_cache_error(error, settings.volume_root, f"repairing {model_id}")
        raise CorruptCacheError(f"{names} of {model_id} is damaged. {why.message}", retryable=why.retryable) from error


def _move_aside(layout: RepoLayout, directory: Path, read: FileRead) -> bool:
    file, status = read.file, status_of(directory / read.file.path)
    if status is None or not file.content_key:
        return False
    if read.status and FileFingerprint.of(file, status) != FileFingerprint.of(file, read.status):
        return False
    link = place = without_links_above(directory / file.path)
    own = [os.path.realpath(each) for each in (layout.root, layout.hub_cache / "blobs")]
    while place.is_symlink():
        behind = without_links_above(place.parent / place.readlink())
        # Of what lies elsewhere, or is the content of another name, only the link is wrong.
        other = place == link and len(behind.name) in {40, 64} and behind.name not in file.blob_names
        if other or not any(behind.is_relative_to(each) for each in own):
            break
        place = behind
    # Beside the blobs, where standard tools ignore it and `clear` deletes it. A cache of plain files has none.
    target = layout.blobs / f"{file.content_key}{_DAMAGED}"
    target.parent.mkdir(parents=True, exist_ok=True)
    place.replace(target)
    why = f"not readable ({read.error.strerror})" if read.error else "damaged"
    log.warning("%s is %s (%s): quarantined as %s.", file.path, why, format_bytes(file.size), target)
    return True


def put_back(settings: CacheSettings, manifest: Manifest, callbacks: ProgressCallbacks) -> bool:
    """Puts quarantined files back that are good now, such as those that a disk or a user could not read before."""
    layout, found = RepoLayout(settings.hub_cache, manifest.model_id), False
    if not quarantined_files(layout):
        return False
    with download_lock(settings, manifest.model_id, callbacks):
        for key in {file.content_key for file in manifest.files if file.content_key}:
            aside = layout.blobs / f"{key}{_DAMAGED}"
            group = [file for file in manifest.files if file.content_key == key]
            if aside.is_file() and read_again(aside, group[0], callbacks.cancel).matches:
                aside.replace(layout.blobs / key)
                link_snapshot(layout, manifest.revision, (file.path for file in group), key)
                log.warning("%s is good again, and put back.", group[0].path)
                found = True
    return found


def quarantined_files(layout: RepoLayout) -> list[Path]:
    """The damaged blobs of a model that have not been replaced yet."""
    return sorted(layout.blobs.glob(f"*{_DAMAGED}"))


def delete_quarantined(layout: RepoLayout) -> None:
    """Once a model is complete again, its damaged blobs are not needed."""
    for path in quarantined_files(layout):
        path.unlink(missing_ok=True)


def repair_failed(layout: RepoLayout, error: ImageGenError) -> ImageGenError:
    """For a failed download of a model with quarantined files."""
    found = re.fullmatch(r"(.*?) (Fix(?:, as root)?: .*?)\.?", error.message, re.DOTALL)
    why, fix = found.groups() if found else (error.message, "Fix: give this service access to the hub for one start")
    restore = reader.cache_command("restore --input FILE")
    fix += "" if restore in fix else f"; or restore a backup: `{restore}`"
    return CorruptCacheError(
        f"Damaged files of {layout.model_id} were quarantined ({', '.join(map(str, quarantined_files(layout)))}) and "
        f"could not be downloaded again: {why} {fix}.",
        retryable=error.retryable,
    )
