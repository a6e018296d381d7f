"""Metrics for Prometheus: counts of requests, and the service's state when it is scraped."""

import os
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from image_gen.serving.disk_usage import DiskUsage
from image_gen.serving.engines import Engines
from image_gen.serving.http.connections import Connections
from image_gen.serving.http.request_statistics import RequestStatistics
from image_gen.serving.http_metrics import by_label, http_metrics
from image_gen.serving.model_loader import ModelLoader
from image_gen.serving.queue.request_queue import RequestQueue
from image_gen.serving.queue.usage import Usage
from image_gen.serving.readiness import PHASES, Readiness
from image_gen.serving.worker_supervisor import GeneratedImage

OUTCOMES = ("ok", "cancelled", "timeout", "refused", "failed")


class Metrics(Collector):
    """Counts what happens to requests, and shows the state of the service's parts beside it."""

    def __init__(
        self,
        readiness: Readiness,
        worker: Engines,
        loader: ModelLoader,
        queue: RequestQueue,
        *,
        usage: Usage,
        connections: Connections,
        statistics: RequestStatistics,
        disk: DiskUsage,
    ) -> None:
        self._readiness, self._worker, self._loader, self._queue = readiness, worker, loader, queue
        self._connections, self._statistics, self._disk = connections, statistics, disk
        self._usage = usage
        self._registry = CollectorRegistry()
        self._images = Counter("image_gen_images", "Pictures by outcome.", ["outcome"], registry=self._registry)
        self._seconds = Histogram(
            "image_gen_image_seconds",
            "Seconds that a picture took, without waiting; of a batch, each picture's share.",
            registry=self._registry,
            buckets=(0.5, 1, 2, 3, 5, 8, 13, 20, 30, 60, 120, 300, 600),
        )  # fmt: skip
        self._wait = Histogram(
            "image_gen_queue_wait_seconds", "Seconds that a request waited for its turn.", registry=self._registry,
            buckets=(0.01, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600),
        )  # fmt: skip
        self._speed = Histogram(
            "image_gen_steps_per_second",
            "Denoising steps a second, by picture; of a batch, those of all its pictures.",
            registry=self._registry,
            buckets=(0.1, 0.2, 0.5, 1, 2, 4, 6, 8, 10, 12, 16, 20, 40),
        )  # fmt: skip
        self._steps = Counter("image_gen_steps", "Denoising steps of pictures that are done.", registry=self._registry)
        self._prompts = Counter(
            "image_gen_prompts", "Pictures whose prompt was encoded, or was kept.", ["result"], registry=self._registry
        )
        self._deliveries = Counter(
            "image_gen_fleet_deliveries", "Jobs from the queue of a fleet, by what became of them.", ["outcome"],
            registry=self._registry,
        )  # fmt: skip
        for result in ("encoded", "kept"):
            self._prompts.labels(result)
        for outcome in OUTCOMES:
            self._images.labels(outcome)
        self._registry.register(self)
        # Memory, CPU and open files of the server, by the names that all of Prometheus' clients give them.
        ProcessCollector(registry=self._registry)

    def made(self, pictures: list[GeneratedImage], steps: int) -> None:
        """A request's pictures are done, each in so many steps."""
        self._steps.inc(steps * len(pictures))
        self._images.labels("ok").inc(len(pictures))
        for picture in pictures:
            self._prompts.labels("kept" if picture.prompt_cached else "encoded").inc()
            self._seconds.observe(picture.seconds)
            if picture.steps_per_second > 0:
                self._speed.observe(picture.steps_per_second)

    def not_made(self, outcome: str, count: int) -> None:
        """`outcome` is one of OUTCOMES but ok."""
        self._images.labels(outcome).inc(count)

    def delivered(self, outcome: str) -> None:
        """What became of a job that a fleet's queue has delivered; see `image_gen.fleet.delivery`."""
        self._deliveries.labels(outcome).inc()

    def waited(self, seconds: float) -> None:
        """A request's turn has come."""
        self._wait.observe(seconds)

    async def text(self) -> bytes:
        """Prometheus' text format."""
        await self._disk.refresh()
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """The state, when the metrics are read."""
        readiness, worker, loader, queue = self._readiness, self._worker, self._loader, self._queue
        phases: dict[str, float] = {phase: float(phase == readiness.phase) for phase in PHASES}
        about = {"version": readiness.version, "model": readiness.model_id, "revision": readiness.revision}
        about |= {"source": readiness.source, "device": readiness.device}
        yield GaugeMetricFamily("image_gen_ready", "1 when images can be generated.", float(readiness.is_ready))
        yield by_label("image_gen_phase", "1 for the current phase of the service.", "phase", phases)
        yield by_label(
            "image_gen_startup_phase_seconds", "Seconds of each start-up phase.", "phase", readiness.phase_seconds()
        )
        yield by_label("image_gen_engine_seconds", "Seconds of the worker's start, by part.", "part", worker.seconds)
        yield GaugeMetricFamily("image_gen_queue_depth", "Waiting requests.", queue.depth)
        yield GaugeMetricFamily("image_gen_busy", "1 while an image is being generated.", float(queue.is_busy))
        engines = {str(number): float(engine.is_ready) for number, engine in enumerate(worker.all)}
        yield by_label("image_gen_engine_ready", "1 while this worker takes pictures.", "engine", engines)
        yield GaugeMetricFamily("image_gen_gpu_memory_peak_bytes", "Peak GPU memory of the worker.", worker.gpu_bytes)
        yield CounterMetricFamily("image_gen_engine_restarts", "Restarts of the worker.", worker.restarts)
        yield CounterMetricFamily(
            "image_gen_cache_fetched_bytes", "Bytes of the model downloaded by this process.", loader.bytes_fetched
        )
        yield CounterMetricFamily("image_gen_cache_hit_bytes", "Bytes of the model found locally.", loader.bytes_hit)
        yield GaugeMetricFamily("image_gen_queue_limit", "The most requests that may wait.", queue.limit)
        yield GaugeMetricFamily(
            "image_gen_engine_resident_memory_bytes",
            "Memory of the worker process.",
            sum(map(resident_bytes, worker.pids)),
        )
        yield from self._costs()
        error = readiness.error
        yield by_label(
            "image_gen_error", "1 for the error that `/readyz` shows now.", "code", {error.code: 1} if error else {}
        )
        yield by_label(
            "image_gen_last_error_timestamp_seconds", "When each error last happened.", "code", readiness.error_times
        )
        if disk := self._disk.numbers:
            yield GaugeMetricFamily("image_gen_disk_size_bytes", "Size of the cache's file system.", disk.size)
            yield GaugeMetricFamily("image_gen_disk_free_bytes", "What this user may still write there.", disk.free)
            yield GaugeMetricFamily("image_gen_cache_bytes", "Bytes of the model cache on the disk.", disk.cached)
        yield from http_metrics(self._connections, self._statistics)
        info = GaugeMetricFamily("image_gen_info", "The served model.", labels=list(about))
        info.add_metric([value or "" for value in about.values()], 1)
        yield info

    def _costs(self) -> Iterator[Metric]:
        usage = self._usage
        yield CounterMetricFamily(
            "image_gen_busy_seconds", "Seconds in which at least one picture was being made.", usage.busy_seconds
        )
        yield CounterMetricFamily("image_gen_uptime_seconds", "Seconds since the service began.", usage.uptime_seconds)
        if usage.usd_per_hour is None:
            return
        yield GaugeMetricFamily("image_gen_usd_per_hour", "The price of `IMAGE_GEN_USD_PER_HOUR`.", usage.usd_per_hour)
        yield by_label(
            "image_gen_usd_per_1000_images",
            "Cost of 1,000 pictures: `busy` counts the seconds in which at least one was being made, `all` the uptime.",
            "time",
            usage.usd_per_1000_images or {},
        )


def resident_bytes(pid: int | None) -> int:
    """Memory of a process; 0 where there is none, or no /proc."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
