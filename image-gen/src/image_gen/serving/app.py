"""The HTTP routes but `/healthz` and `/readyz`, which `startup_app` answers.

Imported after the server listens: FastAPI takes most of the server's start.
"""

import logging
from collections.abc import MutableMapping, Sequence
from typing import Any, Protocol

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Route

from image_gen.serving.http.page_files import FILES_ROUTE, PAGE, PageFiles
from image_gen.serving.http.startup_app import App, Receive, Scope, Send
from image_gen.serving.images.generations import Generations
from image_gen.serving.images.openai_errors import error_response
from image_gen.serving.metrics import Metrics
from image_gen.settings import VERSION

log = logging.getLogger(__name__)


class Routes(Protocol):
    """What has routes of its own."""

    def add_to(self, app: FastAPI) -> None:
        """Adds them."""


def make_app(generations: Generations, metrics: Metrics, page: PageFiles, more: Sequence[Routes] = ()) -> FastAPI:
    """The documentation pages are left out: they load scripts from elsewhere. `/openapi.json` is there."""
    app = FastAPI(title="image-gen", version=VERSION, docs_url=None, redoc_url=None)

    @app.get("/v1/models")
    async def models() -> JSONResponse:
        return JSONResponse({"object": "list", "data": [generations.model_json()]})

    @app.get("/v1/models/{name:path}")
    async def model(name: str) -> JSONResponse:
        if not generations.is_served(name):
            return error_response(404, generations.not_served(name), code="model_not_found", param="model")
        return JSONResponse(generations.model_json())

    @app.get("/metrics")
    async def metrics_text() -> Response:
        return Response(await metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get(PAGE, response_class=Response)
    async def index(request: Request) -> Response:
        return _page_file(page, request)

    @app.get(FILES_ROUTE, include_in_schema=False)
    async def page_file(request: Request) -> Response:
        return _page_file(page, request)

    @app.post("/v1/images/generations")
    async def images(request: Request) -> Response:
        return await generations.generate(request)

    @app.post("/v1/images/edits")
    async def edits(request: Request) -> Response:
        return await generations.edit(request)

    @app.post("/v1/images/variations")
    async def variations(request: Request) -> Response:
        return await generations.vary(request)

    for routes in more:
        routes.add_to(app)

    @app.exception_handler(StarletteHTTPException)
    async def on_http_error(request: Request, error: StarletteHTTPException) -> JSONResponse:
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
        headers = dict(error.headers or {})
        if "Allow" in headers:
            # Of all routes of the path: Starlette names those of the first one.
            routes = [route for route in app.routes if isinstance(route, Route)]
            found = {
                name for route in routes if route.path_regex.match(request.url.path) for name in route.methods or ()
            }
            headers["Allow"] = ", ".join(sorted(found))
        return error_response(error.status_code, str(error.detail), code=code, headers=headers)

    # With what the loaded model accepts, which is not known at the start.
    app.openapi = lambda: generations.openapi(  # type: ignore[method-assign] # FastAPI's way to extend it
        get_openapi(title=app.title, version=app.version, routes=app.routes)
    )
    app.add_middleware(OneLineErrors)
    return app


def _page_file(page: PageFiles, request: Request) -> Response:
    answer = page.answer(request.url.path, dict(request.scope["headers"]))
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
            log.error("Internal error at %s: %s", scope.get("path"), type(error).__name__, exc_info=error)
            if not started:
                answer = error_response(500, "Internal error; see the service's log.", code="internal_error")
                await answer(scope, receive, send)
