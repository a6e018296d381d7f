"""Traces for OpenTelemetry, by its standard variables, where OTEL_EXPORTER_OTLP_ENDPOINT is set.

Comes in: requests. Goes out: one span for each, to the collector. Must not: import OpenTelemetry unasked, send
what a client has sent, or make a request wait for the collector.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Final

from image_gen.serving.http.api_key_auth import KEY_NAME
from image_gen.serving.http.request_log import PROBES, REQUEST_ID, route_of
from image_gen.serving.http.startup_app import App, Receive, Scope, Send
from image_gen.settings import VERSION
from image_gen.threads import in_daemon_thread

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

log = logging.getLogger(__name__)
_LAST_SECONDS: Final = 3.0
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


def is_traced(env: Mapping[str, str]) -> bool:
    """Whether the variables ask for traces."""
    off = env.get("OTEL_SDK_DISABLED", "").lower() == "true" or env.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp"
    return any(env.get(name) for name in _ENDPOINTS) and not off


def make_provider(env: Mapping[str, str]) -> "TracerProvider | None":
    """OpenTelemetry's own reading of the variables, of this process's environment. None, with the reason in the log."""
    protocol = next((env[name] for name in _PROTOCOLS if env.get(name)), "http/protobuf")
    if protocol != "http/protobuf":
        log.warning(
            "Traces are not sent: %s is not supported. Fix: OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", protocol
        )
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        log.warning(
            "Traces are not sent: the package %s is missing. Fix: pip install opentelemetry-sdk "
            "opentelemetry-exporter-otlp-proto-http", error.name,
        )  # fmt: skip
        return None
    own = {"service.name": env.get("OTEL_SERVICE_NAME") or "image-gen", "service.version": VERSION}
    provider = TracerProvider(resource=Resource.create(own))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    log.info("Traces are sent to %s", _without_login(next(env[name] for name in _ENDPOINTS[::-1] if env.get(name))))
    return provider


async def send_last_traces(provider: "TracerProvider") -> None:
    """What the collector has not taken by then is lost."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LAST_SECONDS):
            await in_daemon_thread("traces", provider.shutdown)


def _without_login(address: str) -> str:
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


class TraceRequests:
    """An ASGI application in front of another: a span for each request but probes, below the client's own."""

    def __init__(self, app: App, provider: "TracerProvider") -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._app = app
        self._tracer = provider.get_tracer("image_gen", VERSION)
        self._propagator = TraceContextTextMapPropagator()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's entry."""
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        from opentelemetry.trace import SpanKind, StatusCode

        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        parent = self._propagator.extract(
            {name: carrier[name] for name in ("traceparent", "tracestate") if name in carrier}
        )
        status = 0

        async def watched(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        # Its exceptions are not recorded: their text may quote a prompt.
        with self._tracer.start_as_current_span(
            scope["method"], parent, SpanKind.SERVER, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                await self._app(scope, receive, watched)
            finally:
                route = route_of(scope)
                span.update_name(f"{scope['method']} {route}")
                span.set_attributes({
                    "http.request.method": scope["method"],
                    "http.route": route,
                    "http.response.status_code": status,
                    "url.scheme": scope["scheme"],
                    "image_gen.request_id": scope.get(REQUEST_ID, ""),
                    "image_gen.api_key.name": scope.get(KEY_NAME, ""),
                })  # fmt: skip
                if status >= 500:
                    span.set_status(StatusCode.ERROR)
