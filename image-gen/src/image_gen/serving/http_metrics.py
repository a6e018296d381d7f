"""Metrics of connections and requests, which every HTTP service of this package has.

Comes in: connections, statistics. Goes out: Prometheus' metrics. Must not: count by what a client chooses.
"""

from collections.abc import Iterator, Mapping
from itertools import accumulate
from math import inf

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from image_gen.serving.http.connections import Connections
from image_gen.serving.http.request_statistics import BUCKETS, RequestStatistics


def http_metrics(connections: Connections, statistics: RequestStatistics) -> Iterator[Metric]:
    """As they are now."""
    yield GaugeMetricFamily("image_gen_connections", "Open connections.", len(connections))
    yield GaugeMetricFamily("image_gen_connections_limit", "The most that may be open.", connections.most)
    closed = CounterMetricFamily(
        "image_gen_connections_closed", "Connections that the service closed, by reason.", labels=["reason"]
    )
    closed.add_metric(["limit"], connections.closed_for_others)
    closed.add_metric(["timeout"], connections.timed_out)
    closed.add_metric(["invalid"], connections.invalid)
    yield closed
    yield from _requests(statistics)


def _requests(statistics: RequestStatistics) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "image_gen_http_requests", "Requests by route and status.", labels=["method", "route", "status"]
    )
    for (method, route, status), count in statistics.requests.items():
        requests.add_metric([method, route, str(status)], count)
    yield requests
    durations = HistogramMetricFamily(
        "image_gen_http_request_duration_seconds", "Seconds from a request's headers to the end of its answer.",
        labels=["method", "route"],
    )  # fmt: skip
    for (method, route), measured in statistics.durations.items():
        sums = accumulate(measured.counts)
        buckets = [
            ("+Inf" if bound == inf else str(bound), float(count))
            for bound, count in zip((*BUCKETS, inf), sums, strict=True)
        ]
        durations.add_metric([method, route], buckets, measured.sum)
    yield durations
    by_key = CounterMetricFamily(
        "image_gen_api_key_requests", "Requests by the name of their API key.", labels=["key", "status"]
    )
    for (key, status), count in statistics.by_key.items():
        by_key.add_metric([key, str(status)], count)
    yield by_key


def by_label(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    """A gauge with one value for each of a label."""
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family
