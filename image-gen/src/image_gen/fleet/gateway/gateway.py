"""The parts of a gateway, put together, and its life from the first moment to the last.

It does not know uvicorn or signals (`http.server` does).
"""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from image_gen.errors import BY_CODE, ImageGenError, InternalError, NoWorkerError
from image_gen.fleet.emulator import create_missing
from image_gen.fleet.settings import FleetSettings
from image_gen.model_cache import CacheSettings
from image_gen.serving.http.api_keys import ApiKeys
from image_gen.serving.http.connections import Connections, most_connections
from image_gen.serving.http.request_log import RequestLog
from image_gen.serving.http.request_statistics import RequestStatistics
from image_gen.serving.http.startup_app import App, StartupApp
from image_gen.serving.http.tracing import is_traced, make_provider, send_last_traces
from image_gen.serving.readiness import Readiness
from image_gen.settings import VERSION, Settings
from image_gen.threads import in_daemon_thread
from image_gen.worker.failures import one_line

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

    from image_gen.fleet.fleet_webhooks import FleetWebhooks
    from image_gen.fleet.gateway.fleet_images import FleetImages
    from image_gen.fleet.gateway.fleet_jobs import FleetJobs
    from image_gen.fleet.gateway.fleet_pictures import FleetPictures
    from image_gen.fleet.gateway.fleet_state import FleetState
    from image_gen.fleet.gateway.scale_from_zero import ScaleFromZero

log = logging.getLogger(__name__)
# How often the workers and the queue are read.
WATCH_SECONDS: Final = 10.0
# Requests that wait for a worker's result.
_MOST_WAITING: Final = 4000


class Gateway:
    """Any number of them may have the same queue and job store."""

    def __init__(
        self, settings: Settings, fleet_settings: FleetSettings, cache_settings: CacheSettings, env: Mapping[str, str],
        *, keys: ApiKeys, open_files: int = 1024,
    ) -> None:  # fmt: skip
        # Its jobs are in the job store, also where the environment is that of a worker.
        self._settings = replace(settings, jobs="disk")
        self._fleet_settings, self._cache_settings = fleet_settings, cache_settings
        self._env, self._keys = env, keys
        self.readiness = Readiness(settings.served_id, settings.model_revision, VERSION)
        self.statistics = RequestStatistics()
        self.connections = Connections(most_connections(open_files, _MOST_WAITING))
        self.startup_app = StartupApp(self.readiness, None, self._fields)
        self.app = RequestLog(self.startup_app, self.statistics)
        self._traces: TracerProvider | None = None
        # Made with the app, as their libraries are imported after the port listens.
        self._state: FleetState | None = None
        self._jobs: FleetJobs | None = None
        self._images: FleetImages | None = None
        self._scaling: ScaleFromZero | None = None
        self._webhooks: FleetWebhooks | None = None
        # None where it keeps none.
        self._pictures: FleetPictures | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._look_again = asyncio.Event()
        # Whether the workers were there that a start waits for.
        self._has_begun = False

    def start(self) -> None:
        """Called when the port listens."""
        log.info("image-gen %s, a gateway: jobs go to %s", VERSION, self._fleet_settings.queue_url)
        self._begin(self._run())

    def retry(self) -> None:
        """SIGHUP: the queue and the job store are asked at once."""
        self._look_again.set()

    async def stop(self) -> None:
        """Requests that wait have some seconds; jobs are in the queue, and stay there."""
        log.info("Stopping; requests that wait have %.0f s.", self._settings.drain_timeout)
        self.readiness.enter("stopping")
        if self._images is not None:
            await self._images.close(self._settings.drain_timeout)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._traces is not None:
            await send_last_traces(self._traces)

    async def end(self) -> None:
        """Jobs of clients that left are cancelled."""
        if self._jobs is not None:
            await self._jobs.close()
        if self._webhooks is not None:
            self._webhooks.stop()

    def _begin(self, part: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(part)
        task.add_done_callback(self._on_end)
        self._tasks.append(task)

    async def _run(self) -> None:
        self.startup_app.mount(await in_daemon_thread("app", self._make_app))
        assert self._webhooks is not None
        self._webhooks.start()
        if self._pictures is not None:
            self._begin(self._pictures.run())
        while True:
            await self._look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WATCH_SECONDS):
                    await self._look_again.wait()
            self._look_again.clear()

    def _fields(self) -> dict[str, object]:
        """Of the body of `/readyz`."""
        empty: dict[str, object] = {"workers": 0, "engines": 0, "waiting_jobs": 0, "running_jobs": 0}
        return empty if self._state is None else self._state.as_json()

    async def _look(self) -> None:
        """Ready is a gateway that can accept jobs: a fleet without a worker does, unless the settings ask for some at
        the start.
        """
        assert self._state is not None and self._scaling is not None
        state = self._state
        try:
            await create_missing(self._fleet_settings)
            await state.refresh()
            self._require_workers(state)
        except ImageGenError as error:
            if self.readiness.error is None:
                log.warning("No jobs can be accepted: %s (%s)", error.message, error.code)
            self.readiness.fail(error)
            return
        if self.readiness.error is not None:
            log.info("Jobs are accepted again.")
        self.readiness.clear_failure()
        self.readiness.enter("ready" if self._has_begun else state.phase)
        if (worker := state.described) is not None:
            self.readiness.model_id, self.readiness.revision = worker.model, worker.revision
            self.readiness.device = worker.device
        if state.waiting and not state.usable:
            self._scaling.wake()

    def _require_workers(self, state: "FleetState") -> None:
        """Raises the error of a worker where all of those that a start waits for have failed."""
        self._has_begun = self._has_begun or len(state.ready) >= self._fleet_settings.min_workers
        if self._has_begun or state.phase != "failed":
            return
        for worker in state.workers:
            if worker.error and worker.error.get("code") in BY_CODE:
                message = f"The worker {worker.id} has failed: {worker.error.get('message')}"
                raise BY_CODE[worker.error["code"]](message, retryable=bool(worker.error.get("retryable")))
        raise NoWorkerError("All workers have failed. Fix: see their logs")

    def _make_app(self) -> App:
        from image_gen.fleet.fleet_webhooks import FleetWebhooks
        from image_gen.fleet.gateway.availability import Availability
        from image_gen.fleet.gateway.fleet_images import FleetImages
        from image_gen.fleet.gateway.fleet_jobs import FleetJobs
        from image_gen.fleet.gateway.fleet_models import FleetModels
        from image_gen.fleet.gateway.fleet_outlook import FleetOutlook
        from image_gen.fleet.gateway.fleet_pictures import FleetPictures
        from image_gen.fleet.gateway.fleet_state import FleetState
        from image_gen.fleet.gateway.gateway_metrics import GatewayMetrics
        from image_gen.fleet.gateway.scale_from_zero import ScaleFromZero
        from image_gen.fleet.job_queue import JobQueue
        from image_gen.fleet.job_store import JobStore
        from image_gen.serving.app import make_app, with_access_rules
        from image_gen.serving.jobs.job_routes import JobRoutes
        from image_gen.serving.jobs.picture_routes import PictureRoutes
        from image_gen.serving.routing.documented_route import Routes

        fleet = self._fleet_settings
        store, queue = JobStore(fleet, self._cache_settings), JobQueue(fleet)
        availability = Availability()
        scaling = ScaleFromZero(fleet.auto_scaling_group, fleet.region)
        state = FleetState(store, queue)
        models, outlook = FleetModels(self._settings, state), FleetOutlook(state)
        webhooks = FleetWebhooks(store, self._settings)
        jobs = FleetJobs(
            store, queue, state, models, scaling=scaling, availability=availability, webhooks=webhooks
        )  # fmt: skip
        metrics = GatewayMetrics(
            self.readiness, state, jobs.counts, scaling=scaling, availability=availability,
            connections=self.connections, statistics=self.statistics,
        )  # fmt: skip
        pictures = FleetPictures(store, self._settings.picture_url_seconds, availability)
        images = FleetImages(
            self._settings, state, models, jobs, outlook=outlook, scaling=scaling, availability=availability,
            metrics=metrics, pictures=pictures,
        )  # fmt: skip
        routes: list[Routes] = [JobRoutes(self._settings, jobs, outlook)]
        if self._settings.picture_url_seconds:
            self._pictures = pictures
            routes.append(PictureRoutes(pictures.find))
        self._state, self._scaling, self._jobs, self._images = state, scaling, jobs, images
        self._webhooks = webhooks
        self._traces = make_provider(self._env) if is_traced(self._env) else None
        app = make_app(images, metrics, routes)
        return with_access_rules(app, self._settings, self._keys, self._traces)

    def _on_end(self, task: asyncio.Task[None]) -> None:
        """An unexpected exception must not leave a gateway that waits for ever, or says that it is ready."""
        if task.cancelled() or (error := task.exception()) is None:
            return
        log.error("A part of the gateway has failed: %s", one_line(error), exc_info=error)
        message = f"A part of the gateway has failed: {one_line(error)}. Fix: start it again"
        self.readiness.fail(InternalError(message, retryable=False))
