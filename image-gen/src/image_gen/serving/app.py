"""The HTTP routes but `/healthz` and `/readyz`, which `startup_app` answers.

Imported after the server listens: it takes most of the server's start.
"""

import logging
from collections.abc import MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from image_gen.serving.http.allowed_hosts import AllowedHosts
from image_gen.serving.http.api_key_auth import ApiKeyMiddleware
from image_gen.serving.http.api_keys import ApiKeys
from image_gen.serving.http.key_limits import KeyLimits
from image_gen.serving.http.page_files import FILES_ROUTE, PAGE, PageFiles
from image_gen.serving.http.request_log import route_of
from image_gen.serving.http.startup_app import App, Receive, Scope, Send
from image_gen.serving.http.tracing import TraceRequests
from image_gen.serving.images.images_api import ImagesApi
from image_gen.serving.images.openai_errors import error_response
from image_gen.serving.routing.documented_route import DocumentedRoute, Routes, paths_of
from image_gen.settings import VERSION, Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

log = logging.getLogger(__name__)
_PAGE_OPERATION: Final = {"responses": {"200": {"description": "Successful Response"}}}


class MetricsText(Protocol):
    """What `/metrics` answers."""

    async def text(self) -> bytes:
        """Prometheus' text format."""


def make_app(generations: ImagesApi, metrics: MetricsText, more: Sequence[Routes] = ()) -> Starlette:
    """There are no pages of documentation: they load scripts from elsewhere. `/openapi.json` is there."""

    async def models(_request: Request) -> Response:
        return JSONResponse({"object": "list", "data": generations.models_json()})

    async def model(request: Request) -> Response:
        name: str = request.path_params["name"]
        if not generations.is_served(name):
            return error_response(404, generations.not_served(name), code="model_not_found", param="model")
        served = generations.models_json()
        return JSONResponse(next((each for each in served if each["id"] == name), served[0]))

    async def metrics_text(_request: Request) -> Response:
        return Response(await metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def images(request: Request) -> Response:
        return await generations.generate(request)

    async def edits(request: Request) -> Response:
        return await generations.edit(request)

    async def variations(request: Request) -> Response:
        return await generations.vary(request)

    async def openapi(request: Request) -> Response:
        return JSONResponse(make_document(request.app, generations))

    return Starlette(
        routes=[
            Route("/openapi.json", openapi),
            DocumentedRoute("GET", "/v1/models", models),
            DocumentedRoute("GET", "/v1/models/{name:path}", model),
            DocumentedRoute("GET", "/metrics", metrics_text),
            DocumentedRoute("POST", "/v1/images/generations", images),
            DocumentedRoute("POST", "/v1/images/edits", edits),
            DocumentedRoute("POST", "/v1/images/variations", variations),
            *(route for each in more for route in each.routes()),
        ],
        middleware=[Middleware(OneLineErrors)],
        exception_handlers={HTTPException: _answer_http_error},
    )


def with_access_rules(app: App, settings: Settings, keys: ApiKeys, traces: "TracerProvider | None") -> App:
    """The application behind its API keys, the origins and hosts that are allowed, and traces."""
    if keys:
        app = ApiKeyMiddleware(app, keys, KeyLimits())
    if settings.cors_origins:  # outside of the key, which a browser's question before a request does not send
        app = CORSMiddleware(
            app, allow_origins=settings.cors_origins, allow_methods=["*"], allow_headers=["*"],
            expose_headers=["X-Request-ID", "Retry-After"],
        )  # fmt: skip
    if settings.allowed_hosts:
        app = AllowedHosts(app, settings.allowed_hosts)
    return app if traces is None else TraceRequests(app, traces)


def make_document(app: Starlette, generations: ImagesApi) -> dict[str, Any]:
    """What `/openapi.json` is, with what the loaded model accepts, which is not known at the start."""
    about = {"title": "image-gen", "version": VERSION}
    return generations.openapi({"openapi": "3.1.0", "info": about, "paths": paths_of(app.routes)})


async def _answer_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    headers = dict(error.headers or {})
    if "Allow" in headers:
        # Of all routes of the path: Starlette names those of the first one.
        routes = [route for route in request.app.routes if isinstance(route, Route)]
        found = {name for route in routes if route.path_regex.match(request.url.path) for name in route.methods or ()}
        headers["Allow"] = ", ".join(sorted(found))
    return error_response(error.status_code, str(error.detail), code=code, headers=headers)


class PageRoutes:
    """The page to make pictures, and its files."""

    def __init__(self, page: PageFiles) -> None:
        self._page = page

    def routes(self) -> list[DocumentedRoute]:
        """The document, and one for all files."""

        async def index(request: Request) -> Response:
            return self._file(request)

        async def page_file(request: Request) -> Response:
            return self._file(request)

        return [
            DocumentedRoute("GET", PAGE, index, _PAGE_OPERATION),
            DocumentedRoute("GET", FILES_ROUTE, page_file, None),
        ]

    def _file(self, request: Request) -> Response:
        answer = self._page.answer(request.url.path, dict(request.scope["headers"]))
        if answer is None:
            return error_response(404, "The page has no such file; it may be one of another version.", code="not_found")
        response = Response(answer.body, answer.status)
        response.raw_headers = list(answer.headers)
        return response


class OneLineErrors:
    """Answers what no route has expected, and logs it without the text of the exception, which may quote a request.

    Starlette's own handler raises the exception again for the server, which would log seventy lines of it.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's entry."""
        started = False

        async def watched(message: MutableMapping[str, Any]) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:
            log.info("A client has closed its connection before the end of its request.")
        except Exception as error:
            # Not the path, which may be a picture's address.
            log.error("Internal error at %s: %s", route_of(scope), type(error).__name__, exc_info=error)
            if not started:
                answer = error_response(500, "Internal error; see the service's log.", code="internal_error")
                await answer(scope, receive, send)
