"""Metrics for Prometheus: counts of requests, and the service's state when it is scraped."""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from image_gen.serving.model_loader import ModelLoader
from image_gen.serving.queue.request_queue import RequestQueue
from image_gen.serving.readiness import PHASES, Readiness
from image_gen.serving.worker_supervisor import GeneratedImage, WorkerSupervisor

OUTCOMES = ("ok", "cancelled", "timeout", "refused", "failed")


class Metrics(Collector):
    """Counts what happens to requests, and shows the state of the service's parts beside it."""

    def __init__(
        self, readiness: Readiness, worker: WorkerSupervisor, loader: ModelLoader, queue: RequestQueue
    ) -> None:
        self._readiness, self._worker, self._loader, self._queue = readiness, worker, loader, queue
        self._registry = CollectorRegistry()
        self._images = Counter("image_gen_images", "Pictures by outcome.", ["outcome"], registry=self._registry)
        self._seconds = Histogram(
            "image_gen_image_seconds", "Seconds that a picture took, without waiting.", registry=self._registry,
            buckets=(0.5, 1, 2, 3, 5, 8, 13, 20, 30, 60, 120, 300, 600),
        )  # fmt: skip
        self._wait = Histogram(
            "image_gen_queue_wait_seconds", "Seconds that a request waited for its turn.", registry=self._registry,
            buckets=(0.01, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600),
        )  # fmt: skip
        self._speed = Histogram(
            "image_gen_steps_per_second", "Denoising steps a second, by picture.", registry=self._registry,
            buckets=(0.1, 0.2, 0.5, 1, 2, 4, 6, 8, 10, 12, 16, 20, 40),
        )  # fmt: skip
        for outcome in OUTCOMES:
            self._images.labels(outcome)
        self._registry.register(self)

    def made(self, pictures: list[GeneratedImage]) -> None:
        """A request's pictures are done."""
        self._images.labels("ok").inc(len(pictures))
        for picture in pictures:
            self._seconds.observe(picture.seconds)
            if picture.steps_per_second > 0:
                self._speed.observe(picture.steps_per_second)

    def not_made(self, outcome: str, count: int) -> None:
        """`outcome` is one of OUTCOMES but ok."""
        self._images.labels(outcome).inc(count)

    def waited(self, seconds: float) -> None:
        """A request's turn has come."""
        self._wait.observe(seconds)

    def text(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """The state, when the metrics are read."""
        readiness, worker, loader, queue = self._readiness, self._worker, self._loader, self._queue
        phases: dict[str, float] = {phase: float(phase == readiness.phase) for phase in PHASES}
        about = {"version": readiness.version, "model": readiness.model_id, "revision": readiness.revision}
        about |= {"source": readiness.source, "device": readiness.device}
        yield GaugeMetricFamily("image_gen_ready", "1 when images can be generated.", float(readiness.is_ready))
        yield _by_label("image_gen_phase", "1 for the current phase of the service.", "phase", phases)
        yield _by_label(
            "image_gen_startup_phase_seconds", "Seconds of each start-up phase.", "phase", readiness.phase_seconds()
        )
        yield _by_label("image_gen_engine_seconds", "Seconds of the worker's start, by part.", "part", worker.seconds)
        yield GaugeMetricFamily("image_gen_queue_depth", "Waiting requests.", queue.depth)
        yield GaugeMetricFamily("image_gen_busy", "1 while an image is being generated.", float(queue.is_busy))
        yield GaugeMetricFamily("image_gen_gpu_memory_peak_bytes", "Peak GPU memory of the worker.", worker.gpu_bytes)
        yield CounterMetricFamily("image_gen_engine_restarts", "Restarts of the worker.", worker.restarts)
        yield CounterMetricFamily(
            "image_gen_cache_fetched_bytes", "Bytes of the model downloaded by this process.", loader.bytes_fetched
        )
        yield CounterMetricFamily("image_gen_cache_hit_bytes", "Bytes of the model found locally.", loader.bytes_hit)
        info = GaugeMetricFamily("image_gen_info", "The served model.", labels=list(about))
        info.add_metric([value or "" for value in about.values()], 1)
        yield info


def _by_label(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family
