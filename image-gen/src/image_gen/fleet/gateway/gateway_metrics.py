"""Metrics of a gateway for Prometheus, by the names of one host's where they mean the same.

Comes in: outcomes, and the state of the gateway's parts. Goes out: Prometheus' text. Must not: ask the store or the
queue when it is read.
"""

from collections import Counter as Counts
from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Counter, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from image_gen.errors import ImageGenError
from image_gen.fleet.gateway.availability import Availability
from image_gen.fleet.gateway.fleet_state import FleetState
from image_gen.fleet.gateway.scale_from_zero import ScaleFromZero
from image_gen.serving.http.connections import Connections
from image_gen.serving.http.request_statistics import RequestStatistics
from image_gen.serving.http_metrics import by_label, http_metrics
from image_gen.serving.images.work import OUTCOME_OF_CODE
from image_gen.serving.metrics import OUTCOMES
from image_gen.serving.readiness import PHASES, Readiness


class GatewayMetrics(Collector):
    """`jobs` are counted by what happened to them here."""

    def __init__(
        self, readiness: Readiness, state: FleetState, jobs: Counts[str], *, scaling: ScaleFromZero,
        availability: Availability, connections: Connections, statistics: RequestStatistics,
    ) -> None:  # fmt: skip
        self._readiness, self._state, self._jobs = readiness, state, jobs
        self._scaling, self._availability = scaling, availability
        self._connections, self._statistics = connections, statistics
        self._registry = CollectorRegistry()
        self._images = Counter("image_gen_images", "Pictures by outcome.", ["outcome"], registry=self._registry)
        for outcome in OUTCOMES:
            self._images.labels(outcome)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def ended(self, outcome: dict[str, Any] | ImageGenError | None, pictures: int) -> None:
        """Of a request that waited; None where a worker refused it."""
        name = "ok" if isinstance(outcome, dict) else "failed"
        if isinstance(outcome, ImageGenError):
            name = OUTCOME_OF_CODE.get(outcome.code, "failed")
        self._images.labels(name).inc(pictures)

    async def text(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """The state, when the metrics are read."""
        readiness, state, error = self._readiness, self._state, self._readiness.error
        phases: dict[str, float] = {phase: float(phase == readiness.phase) for phase in PHASES}
        yield GaugeMetricFamily("image_gen_ready", "1 when jobs are accepted.", float(readiness.is_ready))
        yield by_label("image_gen_phase", "1 for the current phase of the gateway.", "phase", phases)
        yield by_label(
            "image_gen_error", "1 for the error that `/readyz` shows now.", "code", {error.code: 1} if error else {}
        )
        yield GaugeMetricFamily("image_gen_queue_depth", "Waiting jobs, as SQS estimates them.", state.waiting)
        yield GaugeMetricFamily(
            "image_gen_fleet_running_jobs", "Jobs that workers have, as SQS estimates them.", state.running
        )
        workers = Counts(each.phase for each in state.workers if each.lives)
        yield by_label(
            "image_gen_fleet_workers", "Workers that live, by their phase.", "phase",
            {phase: float(workers[phase]) for phase in PHASES},
        )  # fmt: skip
        yield GaugeMetricFamily("image_gen_fleet_engines", "Engines of all workers that make pictures.", state.engines)
        jobs = CounterMetricFamily(
            "image_gen_fleet_jobs", "Jobs by what this gateway did with them.", labels=["result"]
        )
        for result in ("accepted", "replayed", "cancelled", "deleted"):
            jobs.add_metric([result], self._jobs[result])
        yield jobs
        yield CounterMetricFamily(
            "image_gen_fleet_starts", "How often the Auto Scaling group was set from 0 to 1.", self._scaling.starts
        )
        yield CounterMetricFamily(
            "image_gen_fleet_unavailable",
            "Requests that the queue or the job store failed.",
            self._availability.failures,
        )
        yield from http_metrics(self._connections, self._statistics)
        about = {"version": readiness.version, "model": readiness.model_id, "revision": readiness.revision}
        info = GaugeMetricFamily("image_gen_info", "The served model.", labels=list(about))
        info.add_metric([value or "" for value in about.values()], 1)
        yield info
