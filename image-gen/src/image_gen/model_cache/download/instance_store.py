"""A second copy of the served model, on the disk that is part of a host in AWS: from there it is loaded sooner.

Comes in: the complete model of the volume, which stays the one that counts. Goes out: the same model in the copy, where
that is complete or the mirror fills it. Must not: change the volume, or keep a start from it. Whatever is wrong with
the copy is one line of the log.
"""

import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Final, Self

from image_gen import errors
from image_gen.model_cache.cache.complete import missing_files
from image_gen.model_cache.cache.delete import clear_models
from image_gen.model_cache.cache.scan import scan_cache
from image_gen.model_cache.core.filesystem import format_bytes, translate_os_errors
from image_gen.model_cache.core.layout import RepoLayout
from image_gen.model_cache.core.manifest import Manifest, ReadyModel
from image_gen.model_cache.core.progress import Progress, ProgressCallbacks
from image_gen.model_cache.core.retry import check_cancelled
from image_gen.model_cache.core.s3_uri import S3Uri
from image_gen.model_cache.core.settings import CacheSettings, Verify
from image_gen.model_cache.download.downloader import Downloaded, Downloader, download_lock
from image_gen.model_cache.download.mirror import open_mirror
from image_gen.model_cache.download.repair import IntegrityCheck, delete_quarantined, quarantine
from image_gen.model_cache.sources.local import file_source
from image_gen.mounts import is_reachable

log = logging.getLogger(__name__)
# The host writes it into the file system that it has mounted: without it, the directory is one of another disk.
MARKER: Final = ".instance-store"
# For a mirror that does not answer: the volume has the model already, so that the wait is short.
_MIRROR_SECONDS: Final = 4.0
# About the least that EBS sustains for a host with a GPU, and when that is asked first.
_LEAST_BYTES_PER_SECOND: Final = 80e6
_GRACE_SECONDS: Final = 10.0
_WATCH_SECONDS: Final = 0.2
_LOWEST_PRIORITY: Final = 19


class InstanceStore:
    """The copy in the directory of IMAGE_GEN_INSTANCE_STORE: one model at one revision, in a cache of its own."""

    def __init__(self, settings: CacheSettings) -> None:
        assert settings.instance_store is not None
        self._place = settings.instance_store
        self._said: set[str] = set()
        self._settings = replace(
            settings,
            hf_home=self._place,
            hub_cache=self._place / "hub",
            baked_dir=self._place / ".none",
            host_cache=None,
            instance_store=None,
            connect_timeout=min(settings.connect_timeout, _MIRROR_SECONDS),
            read_timeout=min(settings.read_timeout, _MIRROR_SECONDS),
        )

    @classmethod
    def of(cls, settings: CacheSettings) -> Self | None:
        """None where none is set."""
        return None if settings.instance_store is None else cls(settings)

    def load(self, model: ReadyModel, verify: Verify, callbacks: ProgressCallbacks) -> ReadyModel | None:
        """The model in the copy, verified: as it is there, or after the mirror has filled it. None: the volume's is to
        be loaded. Raises CANCELLED alone.
        """
        # What was downloaded a moment ago is in the page cache.
        if model.source == "download" or not self._takes(model):
            return None
        with self._without_failing("The model is loaded from the volume."):
            return self._load(model, verify, callbacks)
        return None

    def fill(self, model: ReadyModel, cancel: threading.Event) -> None:
        """Copies what the copy lacks from the volume; each file is verified on its way. For a thread of its own, which
        gives way to all others. Raises CANCELLED alone.
        """
        if not self._takes(model):
            return
        with self._without_failing("The next start loads the model from the volume."):
            if not self._missing(model):
                return
            if sys.platform == "linux":
                # Of this thread, and of those that it starts.
                with suppress(OSError):
                    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)
            began = time.monotonic()
            self._delete_others(model)
            self._copy_missing(model, ProgressCallbacks(cancel=cancel))
            size, seconds = format_bytes(model.bytes_total), time.monotonic() - began
            log.info("The instance store has a copy of the model: %s in %.1f s", size, seconds)

    def _load(self, model: ReadyModel, verify: Verify, callbacks: ProgressCallbacks) -> ReadyModel | None:
        copy = replace(model, directory=self._directory(model), source="instance-store", bytes_fetched=0)
        if self._missing(model):
            if self._settings.mirror is None:
                return None
            log.info("The copy on the instance store is filled from the mirror %s.", self._settings.mirror)
            copy = self._filled(copy, model, self._settings.mirror, callbacks)
        callbacks.on_found(copy)
        lost = IntegrityCheck(self._settings, copy, verify).run(callbacks)
        if lost:
            quarantine(self._settings, copy.model_id, copy.directory, lost, callbacks)
            self._copy_missing(model, callbacks)
            repaired = replace(copy, files=tuple(read.file for read in lost))
            if still := IntegrityCheck(self._settings, repaired, verify).run(callbacks):
                raise errors.CorruptCacheError(f"{still[0].file.path} is damaged again right after it was copied.")
        return copy

    def _filled(
        self, copy: ReadyModel, model: ReadyModel, place: Path | S3Uri, callbacks: ProgressCallbacks
    ) -> ReadyModel:
        """What the mirror has of the model, at the commit of the volume, and the rest from the volume."""
        self._delete_others(model)
        path = f"{model.model_id}/{model.revision}"
        with _until_too_slow(place, callbacks) as limited, open_mirror(self._settings, place, limited.cancel) as mirror:
            if not mirror.holds(path, model):
                raise errors.ManifestNotFoundError(f"The mirror {mirror.place} has no {path}.")
            # The engine loads each file as soon as it is there.
            callbacks.on_found(copy)
            with download_lock(self._settings, model.model_id, limited):
                manifest, source = _manifest_of(model), mirror.source(path)
                got = Downloader(self._settings, manifest, source, limited, skip_missing=True).run()
        rest = self._copy_missing(model, callbacks) if self._missing(model) else Downloaded()
        return replace(copy, bytes_fetched=got.bytes, verified=got.paths | rest.paths)

    def _copy_missing(self, model: ReadyModel, callbacks: ProgressCallbacks) -> Downloaded:
        source = file_source(str(model.directory), "It is left as it is.", lambda file: model.directory / file.path)
        # What is copied in place of a damaged file is verified once more.
        silent = replace(callbacks, on_found=lambda _: None, on_file=lambda _: None)
        with download_lock(self._settings, model.model_id, callbacks):
            copied = Downloader(self._settings, _manifest_of(model), source, silent).run()
        delete_quarantined(RepoLayout(self._settings.hub_cache, model.model_id))
        return copied

    def _delete_others(self, model: ReadyModel) -> None:
        """The disk is for what is served now: everything else is on the volume."""
        for each in list(scan_cache(self._settings)):
            is_other = each.model_id != model.model_id or each.revision not in {None, model.revision}
            if is_other:
                clear_models(self._settings, each.model_id, each.revision, dry_run=False, force=True)

    def _directory(self, model: ReadyModel) -> Path:
        return RepoLayout(self._settings.hub_cache, model.model_id).snapshot(model.revision)

    def _missing(self, model: ReadyModel) -> bool:
        return bool(missing_files(self._directory(model), model))

    def _takes(self, model: ReadyModel) -> bool:
        """Whether there is an instance store, and the model is one of the volume that can be verified."""
        if model.source not in {"volume", "download"}:
            return False
        why = ""
        if not is_reachable(self._place / MARKER):
            why = f"no instance store is mounted at {self._place}"
        elif unprovable := [file.path for file in model.files if not file.content_key]:
            why = f"no hash is known of {unprovable[0]}"
        if why and why not in self._said:
            self._said.add(why)
            log.warning("There is no copy of the model on the instance store: %s. The volume is used.", why)
        return not why

    @contextmanager
    def _without_failing(self, instead: str) -> Iterator[None]:
        try:
            with translate_os_errors(self._place, "the copy of the model on the instance store"):
                yield
        except errors.CancelledError:
            raise
        except errors.ImageGenError as error:
            # A fix for the volume is none for a disk of the host.
            why = error.message.partition(" Fix")[0].rstrip(".")
            log.warning("The copy on the instance store can't be used: %s. %s", why, instead)
        except Exception as error:
            # Even a fault of this program is none of the volume's model.
            log.warning("The copy on the instance store can't be used: %r. %s", error, instead)


@contextmanager
def _until_too_slow(place: Path | S3Uri, callbacks: ProgressCallbacks) -> Iterator[ProgressCallbacks]:
    """Callbacks that end a mirror's work as soon as it sends less than a volume has: a copy is to save time. What has
    arrived is kept. Raises S3_SILENT then.
    """
    began, over, stop, done = time.monotonic(), threading.Event(), threading.Event(), [0, 0]
    on_progress = callbacks.on_progress or (lambda _: None)

    def progressed(progress: Progress) -> None:
        done[:] = (done[0] or progress.bytes_done, progress.bytes_done)
        on_progress(progress)

    def watch() -> None:
        while not over.wait(_WATCH_SECONDS):
            seconds = time.monotonic() - began
            is_slow = seconds > _GRACE_SECONDS and done[1] - done[0] < seconds * _LEAST_BYTES_PER_SECOND
            if is_slow or callbacks.cancel.is_set():
                stop.set()
                return

    threading.Thread(target=watch, name="mirror-rate", daemon=True).start()
    try:
        yield replace(callbacks, on_progress=progressed, on_found=lambda _: None, cancel=stop)
    except errors.CancelledError as error:
        check_cancelled(callbacks.cancel)
        rate = f"{format_bytes(_LEAST_BYTES_PER_SECOND)}/s"
        raise errors.S3SilentError(f"The mirror {place} sends less than {rate}, and a volume more.") from error
    finally:
        over.set()


def _manifest_of(model: ReadyModel) -> Manifest:
    return Manifest(**{each.name: getattr(model, each.name) for each in fields(Manifest)})
