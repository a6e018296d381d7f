"""Traces go to the collector that OpenTelemetry's variables name, one span a request, without what was sent."""

import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from image_gen.serving.http.tracing import is_traced

from .conftest import StartServer

SECRET = "a very secret garden behind the seventh hedge"


@dataclass
class Collector:
    """The bodies that an OTLP collector has received."""

    port: int = 0
    bodies: list[bytes] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            made.bodies.append(self.rfile.read(int(self.headers["content-length"])))
            made.arrived.set()
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield made
        server.shutdown()


def test_a_request_is_a_span_below_the_clients(start_server: StartServer, collector: Collector) -> None:
    running = start_server(
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{collector.port}", OTEL_BSP_SCHEDULE_DELAY=100,
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment=test", IMAGE_GEN_API_KEY='{"alice": "key-of-alice"}',
    )  # fmt: skip
    running.wait_phase("ready")
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01", "Authorization": "Bearer key-of-alice"}
    assert running.post({"prompt": SECRET}, headers).status == 200
    assert running.post({"prompt": f"raise {SECRET}"}, headers).status == 500
    running.get("/healthz")
    running.signal()
    assert running.process.wait(60) == 0
    sent = b"".join(collector.bodies)
    assert sent.count(bytes.fromhex(trace)) == 2
    for text in (b"POST /v1/images/generations", b"deployment.environment", b"image-gen", b"alice"):
        assert text in sent, text
    for text in (b"garden", b"key-of-alice", b"healthz"):
        assert text not in sent, text


def test_a_collector_that_is_gone_costs_no_request_and_no_stop(start_server: StartServer) -> None:
    running = start_server(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    running.wait_phase("ready")
    assert running.post({"prompt": "x"}).status == 200
    running.signal()
    assert running.process.wait(60) == 0


def test_without_the_variable_neither_sdk_nor_exporter_is_imported(start_server: StartServer) -> None:
    running = start_server(PYTHONPROFILEIMPORTTIME=1)
    running.wait_phase("ready")
    imported = running.log_file.read_text("utf-8")
    assert "image_gen.serving.http.tracing" in imported
    for part in (" opentelemetry", "google.protobuf"):
        assert part not in imported, part


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_the_variables_decide(env: dict[str, str], expected: bool) -> None:
    assert is_traced(env) is expected


def test_grpc_is_refused_with_what_to_set(start_server: StartServer) -> None:
    running = start_server(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", OTEL_EXPORTER_OTLP_PROTOCOL="grpc")
    running.wait_phase("ready")
    running.wait_log("Fix: OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf")
