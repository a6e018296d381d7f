"""What Prometheus is told, in a registry of its own.

Comes in: outcomes of requests; the rest is read from the service's state when it is asked for. Goes out: text.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from image_gen.serving.model_loader import ModelLoader
from image_gen.serving.readiness import PHASES, Readiness
from image_gen.serving.request_queue import RequestQueue
from image_gen.serving.worker_supervisor import GeneratedImage, WorkerSupervisor

OUTCOMES = ("ok", "cancelled", "timeout", "refused", "failed")


@dataclass(frozen=True)
class Sources:
    """Where the state is read."""

    readiness: Readiness
    worker: WorkerSupervisor
    loader: ModelLoader
    queue: RequestQueue


class Metrics:
    """Counts what happens to requests, and shows the state beside it."""

    def __init__(self, sources: Sources) -> None:
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
        self._registry.register(_State(sources))

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


class _State(Collector):
    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        source = self._sources
        readiness, worker, loader = source.readiness, source.worker, source.loader
        yield _gauge("image_gen_ready", "1 when pictures can be made.", float(readiness.is_ready))
        phase = GaugeMetricFamily("image_gen_phase", "1 for the phase that the service is in.", labels=["phase"])
        for one in PHASES:
            phase.add_metric([one], float(one == readiness.phase))
        yield phase
        seconds = GaugeMetricFamily(
            "image_gen_startup_phase_seconds", "Seconds of each phase of the start.", labels=["phase"]
        )
        for name, value in readiness.phase_seconds().items():
            seconds.add_metric([name], value)
        yield seconds
        work = GaugeMetricFamily(
            "image_gen_engine_seconds", "Seconds of the engine's own start, by part.", labels=["part"]
        )
        for name, value in worker.seconds.items():
            work.add_metric([name], value)
        yield work
        yield _gauge("image_gen_queue_depth", "Requests that wait.", source.queue.depth)
        yield _gauge("image_gen_busy", "1 while a picture is being made.", float(source.queue.is_busy))
        yield _gauge(
            "image_gen_gpu_memory_peak_bytes", "The most GPU memory that the engine has held.", worker.gpu_bytes
        )
        yield _counter("image_gen_engine_restarts", "Times that the engine was started again.", worker.restarts)
        yield _counter(
            "image_gen_cache_fetched_bytes", "Bytes of the model fetched by this process.", loader.bytes_fetched
        )
        yield _counter("image_gen_cache_hit_bytes", "Bytes of the model that were there already.", loader.bytes_hit)
        info = GaugeMetricFamily(
            "image_gen_info", "What is served.", labels=["version", "model", "revision", "source", "device"]
        )
        info.add_metric([str(part or "") for part in (
            readiness.version, readiness.model_id, readiness.revision, readiness.source, readiness.device,
        )], 1)  # fmt: skip
        yield info


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)
