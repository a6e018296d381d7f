"""The parts of the service, put together, and its life from the first moment to the last.

It does not know uvicorn or signals (`main` does).
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from image_gen.errors import ImageGenError, InternalError
from image_gen.log import configure, format_in
from image_gen.model_cache import CacheSettings, ModelCache, ReadyModel
from image_gen.serving.compiled.compile_store import CompileStore
from image_gen.serving.engines import Engines
from image_gen.serving.http.api_keys import ApiKeys
from image_gen.serving.http.connections import Connections, most_connections
from image_gen.serving.http.page_files import PageFiles
from image_gen.serving.http.request_log import RequestLog
from image_gen.serving.http.request_statistics import RequestStatistics
from image_gen.serving.http.startup_app import App, StartupApp
from image_gen.serving.http.tracing import is_traced, make_provider, send_last_traces
from image_gen.serving.model_loader import ModelLoader
from image_gen.serving.queue.request_queue import RequestQueue
from image_gen.serving.queue.usage import Usage
from image_gen.serving.readiness import Readiness
from image_gen.serving.reaper import reap_orphans
from image_gen.serving.worker_process import WORKER_COMMAND
from image_gen.settings import VERSION, Settings
from image_gen.threads import in_daemon_thread
from image_gen.worker.failures import one_line
from image_gen.worker.protocol import LoadRequest, PrepareRequest

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from image_gen.serving.cache.operations import Operations
    from image_gen.serving.images.generations import Generations
    from image_gen.serving.jobs.job_runner import JobRunner
    from image_gen.serving.metrics import Metrics

log = logging.getLogger(__name__)
_LARGE_BYTES = 1_000_000_000
_CANCEL_SECONDS = 5.0
_IMPORT_SECONDS = 5.0
_FILL_POLL_SECONDS = 1.0
_USUAL_PIPELINE = "StableDiffusionXLPipeline"


@dataclass(frozen=True)
class ServiceParts:
    """What a part that is added to the service makes pictures with."""

    settings: Settings
    readiness: Readiness
    engines: Engines
    queue: RequestQueue
    generations: "Generations"
    metrics: "Metrics"


class AddedPart(Protocol):
    """A part that is added to the service; see `image_gen.fleet`."""

    async def run(self) -> None:
        """From when the app is there until it is cancelled."""

    async def stop(self) -> None:
        """The service is being stopped: before anything else of it."""


MakePart = Callable[[CacheSettings, ServiceParts], AddedPart]


class Service:
    """One model, one worker a GPU, one queue."""

    def __init__(
        self,
        settings: Settings,
        cache_settings: CacheSettings,
        env: Mapping[str, str],
        *,
        keys: ApiKeys,
        worker_command: Sequence[str] = WORKER_COMMAND,
        open_files: int = 1024,
        make_part: MakePart | None = None,
    ) -> None:
        self._settings = settings
        self._cache_settings = cache_settings
        self._keys = keys
        self._env = env
        self._traces: TracerProvider | None = None
        self.readiness = Readiness(settings.served_id, settings.model_revision, VERSION)
        self.usage = Usage.of(settings)
        self._page = PageFiles()
        self.startup_app = StartupApp(self.readiness, self._page, lambda: {"usage": self.usage.as_json()})
        self.statistics = RequestStatistics()
        self.app = RequestLog(self.startup_app, self.statistics)
        self.worker = Engines(self.readiness, env, settings.device, count=settings.engines, command=worker_command)
        self.loader = ModelLoader(
            settings,
            cache_settings,
            self.readiness,
            read_settings=lambda: _read_again(env),
            on_found=lambda model: self.worker.prepare(PrepareRequest(**vars(self._load_request(model)))),
            on_verified=self.worker.file_verified,
        )
        # Where the worker keeps what it compiled.
        self._compiled = cache_settings.hf_home.parent / "compile"
        if settings.compile_cache:
            compile_store = CompileStore(cache_settings, settings.compile_cache, self._compiled)
            for engine in self.worker.all:
                engine.compile_store = compile_store
        self.queue = RequestQueue(self.worker.all, settings.queue_limit, usage=self.usage)
        # Made with the app, as its parts are imported after the service listens.
        self._jobs: JobRunner | None = None
        self._cache_operations: Operations | None = None
        self._make_part = make_part
        self._added: AddedPart | None = None
        self.connections = Connections(most_connections(open_files, settings.queue_limit))
        self._tasks: list[asyncio.Task[None]] = []
        self._is_loaded = False
        self._reload = asyncio.Event()
        self._app_imported = asyncio.Event()

    def start(self) -> None:
        """Both tracks, and the import of the app beside them. Called when the server listens."""
        log.info("image-gen %s; the model is %s", VERSION, self.readiness.model_id)
        if self._settings.compile_cache and not self._settings.compile_enabled:
            log.warning(
                "IMAGE_GEN_COMPILE_CACHE is not used: nothing is compiled. Fix: set IMAGE_GEN_COMPILE=1 (the key "
                "`compile` of a stack), or leave IMAGE_GEN_COMPILE_CACHE out."
            )
        supervision = self.worker.supervise(self._pipeline_hint())
        reaping = reap_orphans(lambda pid: pid in {*self.worker.pids, self.loader.pid})
        for part in (self._mount_app(), supervision, self._load_model(), self._fill_instance_store(), reaping):
            task = asyncio.create_task(part)
            task.add_done_callback(self._on_end)
            self._tasks.append(task)

    def retry(self) -> None:
        """After a failure: looks at the files and the engine again, at once. Nothing happens in any other phase."""
        if self.readiness.phase != "failed":
            log.info("SIGHUP: nothing has failed (phase %s).", self.readiness.phase)
            return
        log.info("Retrying after SIGHUP.")
        self.readiness.clear_failure()
        self.loader.retry()
        if self.worker.retry() and self._is_loaded:
            self._reload.set()

    async def stop(self) -> None:
        """In order: accept no new jobs, finish or cancel the current image, end the download and the worker."""
        log.info("Stopping; a picture being made has %.0f s.", self._settings.drain_timeout)
        self.readiness.enter("stopping")
        if self._added is not None:
            await self._added.stop()
        self.queue.close()
        if self._cache_operations is not None:
            self._cache_operations.stop()
        if not await self.queue.drain(self._settings.drain_timeout):
            log.warning("The picture was not done in time, and is cancelled.")
            self.queue.stop_current()
            await self.queue.drain(_CANCEL_SECONDS)
        self.loader.cancel()
        if self._jobs is not None:
            await self._jobs.close()
        if self._cache_operations is not None:
            await self._cache_operations.close()
        # A thread amid the import of compiled modules would abort the interpreter's end.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_IMPORT_SECONDS):
                await self._app_imported.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._traces is not None:
            await send_last_traces(self._traces)
        await self.worker.stop()

    async def end(self) -> None:
        """After the last answer: no process of it is left, also where the stop was cut off."""
        await self.worker.stop()

    async def _mount_app(self) -> None:
        try:
            app = await in_daemon_thread("app", self._make_app)
        finally:
            self._app_imported.set()
        self.startup_app.mount(app)
        running = [part.run() for part in (self._jobs, self._added) if part is not None]
        await asyncio.gather(*running)

    def _make_app(self) -> App:
        from image_gen.serving.app import PageRoutes, make_app, with_access_rules
        from image_gen.serving.cache.cache_routes import CacheRoutes
        from image_gen.serving.cache.operations import Operations
        from image_gen.serving.cache.served_models import ServedModels
        from image_gen.serving.disk_usage import DiskUsage
        from image_gen.serving.images.generations import Generations
        from image_gen.serving.jobs.job_routes import JobRoutes
        from image_gen.serving.jobs.job_runner import JobRunner
        from image_gen.serving.jobs.kept_pictures import KeptPictures
        from image_gen.serving.jobs.picture_routes import PictureRoutes
        from image_gen.serving.jobs.queue_outlook import QueueOutlook
        from image_gen.serving.metrics import Metrics
        from image_gen.serving.routing.documented_route import Routes

        metrics = Metrics(
            self.readiness,
            self.worker,
            self.loader,
            self.queue,
            usage=self.usage,
            connections=self.connections,
            statistics=self.statistics,
            disk=DiskUsage(self._cache_settings.hub_cache),
        )
        generations = Generations(self._settings, self.readiness, self.worker, self.queue, metrics)
        self._cache_operations = Operations()
        served = ServedModels(self._settings, self._cache_settings, self.readiness)
        cache_routes = CacheRoutes(
            self._settings,
            self._cache_settings,
            served,
            operations=self._cache_operations,
            read_settings=lambda: _read_again(self._env),
        )
        routes: list[Routes] = [PageRoutes(self._page), cache_routes]
        if self._settings.jobs != "none":
            folder = self._cache_settings.hf_home.parent / "image-gen-jobs" if self._settings.jobs == "disk" else None
            jobs = JobRunner(self._settings, folder, self.worker, self.queue, metrics=metrics, generations=generations)
            routes.append(JobRoutes(self._settings, jobs, QueueOutlook(jobs, self.queue)))
            if self._settings.picture_url_seconds:
                generations.keeper = kept = KeptPictures(self._settings, jobs)
                routes.append(PictureRoutes(kept.find))
            self._jobs = jobs
        if self._make_part is not None:
            parts = ServiceParts(self._settings, self.readiness, self.worker, self.queue, generations, metrics)
            self._added = self._make_part(self._cache_settings, parts)
        self._traces = make_provider(self._env) if is_traced(self._env) else None
        app = make_app(generations, metrics, routes)
        return with_access_rules(app, self._settings, self._keys, self._traces)

    def _pipeline_hint(self) -> str | None:
        """The pipeline to import during the download: the one of a local manifest, or the usual one."""
        if self._settings.model_dir is not None:
            return None
        with contextlib.suppress(ImageGenError):
            manifest = ModelCache(self._cache_settings).known(self.readiness.model_id, self._settings.model_revision)
            return manifest.pipeline if manifest is not None and manifest.pipeline else _USUAL_PIPELINE
        return None

    async def _load_model(self) -> None:
        log.info("Loading model from %s...", self._settings.model_dir or "Hugging Face")
        while True:
            model = await self.loader.run()
            self._is_loaded = True
            self.worker.load(self._load_request(model), is_large=model.bytes_total > _LARGE_BYTES)
            await self._reload.wait()
            # An engine that could not load the model gets what is there now.
            self._reload.clear()
            self._is_loaded = False
            self.worker.forget_model()

    async def _fill_instance_store(self) -> None:
        """After the start, as both would wait for the same disk."""
        if self._cache_settings.instance_store is None:
            return
        while not self.readiness.is_ready:
            await asyncio.sleep(_FILL_POLL_SECONDS)
        await self.loader.fill_instance_store()

    def _on_end(self, task: asyncio.Task[None]) -> None:
        """An unexpected exception must not leave a service that waits for ever, or says that it is ready."""
        if task.cancelled() or (error := task.exception()) is None:
            return
        log.error("A part of the service has failed: %s", one_line(error), exc_info=error)
        message = f"A part of the service has failed: {one_line(error)}. Fix: `imagegen up`"
        self.readiness.fail(InternalError(message, retryable=False))

    def _load_request(self, model: ReadyModel) -> LoadRequest:
        return LoadRequest(
            directory=str(model.directory),
            pipeline=model.pipeline,
            variant=model.variant,
            load=dict(model.load),
            files={file.path: file.size for file in model.files},
            dtype=self._settings.dtype,
            warmup_size=self._settings.warmup_size,
            max_size=self._settings.max_size,
            compile_cache=str(self._compiled) if self._settings.compile_enabled else "",
            shares_compiled=self._settings.compile_enabled and self._settings.compile_cache is not None,
            checkpoint=model.checkpoint,
            offload=self._settings.offload,
            vae=str(self.loader.vae.directory) if self.loader.vae else "",
            loras=self.loader.loras,
            safety_checker=self.loader.safety_checker,
            options=self._settings.engine_options,
            few_steps=self._settings.few_steps,
        )


def _read_again(env: Mapping[str, str]) -> CacheSettings:
    """The settings with what their files say now; a token that is new must not be in the log either."""
    store = CacheSettings.from_env(env)
    configure([store.token or "", env.get("HF_TOKEN", "")], log_format=format_in(env))
    return store
