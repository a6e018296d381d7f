"""Downloads and verifies the model's files in a thread, with progress in the log and in `/readyz`.

Retries retryable errors for as long as it takes, and others when `RetryAfterFailure` says so. The model
cache does all work on files.
"""

import asyncio
import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Final

from image_gen.demo_hub import DemoHubProcess, ask_loopback
from image_gen.errors import CancelledError, ImageGenError, InternalError, OutOfMemoryError
from image_gen.library_errors import out_of_memory
from image_gen.model_cache import CacheSettings, Lease, ModelCache, Progress, ProgressCallbacks, ReadyModel
from image_gen.model_cache.cache.orphans import MIN_ORPHAN_AGE_SECONDS
from image_gen.model_cache.core.filesystem import format_bytes
from image_gen.model_cache.core.manifest import split_model_id
from image_gen.model_cache.core.settings import DEMO_MODEL
from image_gen.model_cache.download.instance_store import InstanceStore
from image_gen.serving.readiness import Readiness
from image_gen.serving.retry_after_failure import RetryAfterFailure
from image_gen.serving.worker_process import MORE_MEMORY
from image_gen.settings import Settings
from image_gen.threads import in_daemon_thread, post
from image_gen.worker.failures import one_line

log = logging.getLogger(__name__)
_LINE_EVERY_SECONDS: Final = 5.0
# What the guide's "5-15 minutes" for 6.94 GB means as a speed, in bytes per second.
_FAST_LINE = 25e6
_SLOW_LINE = 8e6
# Nothing listens there: the demo model is never requested from the internet.
_NOWHERE: Final = "http://127.0.0.1:1"


def retry_delay(failures: int) -> float:
    """Seconds to wait after that many failures in a row: 5, 10, 20 … 300."""
    return float(min(5 * 2 ** max(failures - 1, 0), 300))


class ModelLoader:
    """The first of the two tracks of a start; the worker's imports are the second."""

    def __init__(
        self,
        settings: Settings,
        cache_settings: CacheSettings,
        readiness: Readiness,
        *,
        pause: Callable[[int], float] = retry_delay,
        read_settings: Callable[[], CacheSettings] | None = None,
        on_found: Callable[[ReadyModel], None] = lambda _: None,
        on_verified: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`read_settings` reads the files behind the settings again, such as the token's. `on_found` is called when it
        is known which files will be where, `on_verified` with each that may be loaded; `on_found` again when all are
        there.
        """
        self._settings = settings
        self._cache_settings = cache_settings
        self._readiness = readiness
        self._pause = pause
        self._read_settings = read_settings or (lambda: cache_settings)
        self._retry = RetryAfterFailure(settings)
        # A retry after a final error is not shown until it makes progress.
        self._is_silent_retry = False
        self._on_found = on_found
        self._on_verified = on_verified
        self._cancel = threading.Event()
        self._last_line = 0.0
        self._noted = False
        self._hub: DemoHubProcess | None = None
        self.bytes_fetched = 0
        self.bytes_hit = 0
        # Until the process ends, so that `clear` and `gc` keep the served model.
        self.lease = Lease(None)
        # Copies the model to the instance store, once it is loaded; None: there is none.
        self._fill: Callable[[], None] | None = None
        self.vae: ReadyModel | None = None
        self._vae_lease = Lease(None)
        self.safety_checker = ""
        self._checker_lease = Lease(None)
        # Files by name.
        self.loras: dict[str, str] = {}
        self._lora_leases: list[Lease] = []

    async def run(self) -> ReadyModel:
        """The complete model, after as many attempts as it takes; `/readyz` shows the error of the last one."""
        failures = 0
        last: str | None = None
        while True:
            try:
                if last is not None:
                    self._cache_settings = self._read_settings()
                model = await self._attempt()
            except Exception as problem:
                error = _to_user_error(problem)
                failures += 1
                pause = self._pause(failures) if error.retryable else None
                self._readiness.fail(error)
                # What can't be served may be deleted.
                self.lease.release()
                then = "" if pause is None else f" Next attempt in {pause:.0f} s."
                # The same error after a silent retry is not logged twice.
                if not self._is_silent_retry or error.message != last:
                    log.error("%s (%s)%s", error.message, error.code, then)
                last = error.message
                asked = await self._retry.wait(error, self._cache_settings, failures, pause)
                failures = 0 if asked else failures
                self._is_silent_retry = pause is None and not asked
            else:
                self._show()
                self._arrived(model)
                return model

    def retry(self) -> None:
        """Ends the wait for the next attempt."""
        self._retry.now()

    def cancel(self) -> None:
        """Ends a download in progress; what has arrived is kept, and the next start resumes from there."""
        self._cancel.set()

    @property
    def pid(self) -> int | None:
        """The process that makes or serves the demo model, while there is one."""
        return None if self._hub is None else self._hub.pid

    async def _attempt(self) -> ReadyModel:
        store = self._cache_settings
        if not self._settings.is_demo or self._settings.hub_endpoint_overridden or self._settings.model_dir:
            return await self._ensure(store)
        if await in_daemon_thread("store", lambda: ModelCache(store).locate(DEMO_MODEL, self._settings.model_revision)):
            with contextlib.suppress(ImageGenError):
                return await self._ensure(ask_loopback(store, _NOWHERE))
        log.info("The demo model is not cached: making it, and serving it from a hub of its own on loopback.")
        self._hub = DemoHubProcess()
        async with self._hub as endpoint:
            return await self._ensure(ask_loopback(store, endpoint))

    async def _ensure(self, cache_settings: CacheSettings) -> ReadyModel:
        loop = asyncio.get_running_loop()
        settings = self._settings

        def work() -> ReadyModel:
            callbacks = ProgressCallbacks(
                on_progress=lambda progress: post(loop, lambda: self._progress(progress)),
                on_found=lambda model: post(loop, lambda: self._on_found(model)),
                on_file=lambda path: post(loop, lambda: self._on_verified(path)),
                cancel=self._cancel,
            )
            # First, as the load request names its directory.
            self.vae = self._load_vae(ProgressCallbacks(callbacks.on_progress, self._cancel))
            self.safety_checker = self._load_checker(ProgressCallbacks(callbacks.on_progress, self._cancel))
            self.loras = self._load_loras(ProgressCallbacks(callbacks.on_progress, self._cancel))
            cache = ModelCache(cache_settings)
            model = cache.ensure(
                settings.served_id,
                revision=settings.model_revision,
                model_dir=settings.model_dir,
                callbacks=callbacks,
            )
            # Reading gigabytes takes a minute, in which another process must not delete them.
            self._keep(cache, model)
            copy = self._load_copy(InstanceStore.of(cache_settings), model, callbacks)
            if copy is None:
                callbacks.on_found(model)
            model = copy or cache.verify_and_repair(
                model, verify=settings.verify_mode(model.source), callbacks=callbacks
            )
            # What it can't delete stops no start.
            with contextlib.suppress(ImageGenError):
                if freed := cache.clear_orphans(min_age=MIN_ORPHAN_AGE_SECONDS).bytes_freed:
                    log.info("Deleted files that killed commands left, or nothing uses: %s", format_bytes(freed))
            return model

        return await in_daemon_thread("store", work)

    def _load_copy(
        self, store: InstanceStore | None, model: ReadyModel, callbacks: ProgressCallbacks
    ) -> ReadyModel | None:
        """The copy of the model on the instance store, complete and verified; None: the model itself is loaded."""
        if store is None:
            return None
        self._fill = lambda: store.fill(model, self._cancel)
        # Filling a copy is no first run.
        self._noted = True
        return store.load(model, self._settings.verify_mode("instance-store"), callbacks)

    async def fill_instance_store(self) -> None:
        """Once the service is ready: copies the model there, if it is not there. Ends without a copy on `cancel`."""
        if self._fill is not None:
            with contextlib.suppress(CancelledError):
                await in_daemon_thread("instance-store", self._fill)

    def _load_vae(self, callbacks: ProgressCallbacks) -> ReadyModel | None:
        """The VAE that replaces the model's own, complete and verified: it is small."""
        if not self._settings.vae_id:
            return None
        # Not from the demo model's hub, which has only the demo model.
        cache = ModelCache(self._cache_settings)
        vae = cache.ensure_vae(self._settings.vae_id, callbacks)
        vae = cache.verify_and_repair(vae, verify=self._settings.verify_mode(vae.source), callbacks=callbacks)
        self._vae_lease.release()
        self._vae_lease = cache.hold(vae)
        log.info("VAE of %s at %s in place of the model's own", vae.model_id, vae.revision[:12])
        return vae

    def _load_checker(self, callbacks: ProgressCallbacks) -> str:
        """The directory of the safety checker, complete and verified; empty for none."""
        if not self._settings.safety_checker:
            return ""
        cache = ModelCache(self._cache_settings)
        checker = cache.ensure_checker(*split_model_id(self._settings.safety_checker), callbacks)
        checker = cache.verify_and_repair(
            checker, verify=self._settings.verify_mode(checker.source), callbacks=callbacks
        )
        self._checker_lease.release()
        self._checker_lease = cache.hold(checker)
        log.info("Safety checker: %s at %s", checker.model_id, checker.revision[:12])
        return str(checker.directory)

    def _load_loras(self, callbacks: ProgressCallbacks) -> dict[str, str]:
        """The LoRAs, each complete and verified. Those of the user's own files have no hash to compare with."""
        cache, files, leases = ModelCache(self._cache_settings), {}, []
        for source in self._settings.loras:
            lora, file = cache.ensure_lora(source, callbacks)
            if lora.source != "directory":
                lora = cache.verify_and_repair(
                    lora, verify=self._settings.verify_mode(lora.source), callbacks=callbacks
                )
            leases.append(cache.hold(lora))
            files[source.name] = str(file)
            at = f" at {lora.revision[:12]}" if lora.revision else ""
            log.info("LoRA %s: %s of %s%s", source.name, file.name, lora.model_id, at)
        for lease in self._lora_leases:
            lease.release()
        self._lora_leases = leases
        return files

    def _keep(self, cache: ModelCache, model: ReadyModel) -> None:
        """At no moment without a lease."""
        before, self.lease = self.lease, cache.hold(model)
        before.release()

    def _show(self) -> None:
        """There is progress after a final error."""
        if self._is_silent_retry:
            self._is_silent_retry = False
            self._readiness.clear_failure()
            log.info("What failed before is possible now.")

    def _progress(self, progress: Progress) -> None:
        self._show()
        self._readiness.enter(progress.phase)
        self._readiness.progress = progress
        if progress.phase == "fetching" and not self._noted:
            self._noted = True
            log.info(first_run_note(progress.bytes_total - progress.bytes_done))
        now = time.monotonic()
        if progress.finished and progress.phase == "fetching":
            log.info("Downloaded %s", progress.file)
        elif now - self._last_line >= _LINE_EVERY_SECONDS:
            self._last_line = now
            log.info(progress_line(progress))

    def _arrived(self, model: ReadyModel) -> None:
        self.bytes_fetched += model.bytes_fetched
        self.bytes_hit += model.bytes_total - model.bytes_fetched
        self._readiness.model_id, self._readiness.revision = model.name, model.revision
        self._readiness.source = model.source
        self._keep(ModelCache(self._cache_settings), model)
        self._readiness.progress = Progress(bytes_done=model.bytes_total, bytes_total=model.bytes_total)
        got = f"{format_bytes(model.bytes_fetched)} downloaded" if model.bytes_fetched else "nothing to download"
        log.info("Model files complete: %s, %s (from: %s)", format_bytes(model.bytes_total), got, model.source)


def _to_user_error(problem: Exception) -> ImageGenError:
    """Whatever the attempt raised, so that nothing ends in a service that waits for ever."""
    if isinstance(problem, ImageGenError):
        return problem
    if out_of_memory(problem):
        return OutOfMemoryError(f"There is not enough memory ({one_line(problem)}). {MORE_MEMORY}", retryable=True)
    log.error("Unexpected: %s", one_line(problem), exc_info=problem)
    return InternalError(f"Unexpected: {one_line(problem)}. Fix: `imagegen logs` shows where.")


def duration(seconds: float) -> str:
    """45 s, 12 min 5 s, 2 h 3 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def first_run_note(missing: int) -> str:
    """The guide's note, with the bytes that are really missing and the time that they take on an ordinary line."""
    low, high = math.ceil(missing / _FAST_LINE / 60), math.ceil(missing / _SLOW_LINE / 60)
    if high <= 1:
        return f"NOTE: First run will download ~{format_bytes(missing)} model files - this takes less than a minute."
    return f"NOTE: First run will download ~{format_bytes(missing)} model files - this can take {low}-{high} minutes!"


def progress_line(progress: Progress) -> str:
    """One line of a log, not a bar."""
    share = progress.bytes_done / progress.bytes_total if progress.bytes_total else 1.0
    doing = "Downloading" if progress.phase == "fetching" else "Verifying"
    left = "" if progress.eta_seconds is None else f", {duration(progress.eta_seconds)} left"
    done, total = format_bytes(progress.bytes_done), format_bytes(progress.bytes_total)
    return f"{doing}: {share:.0%} ({done} of {total}), {format_bytes(progress.bytes_per_second)}/s{left}"
