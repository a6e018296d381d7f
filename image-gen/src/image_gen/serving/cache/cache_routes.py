"""The routes of the cache: `/v1/cache`, `/v1/cache/prefetch`, `/verify`, `/models/{id}` and `/operations`.

Every key may read the listing, as it may read the metrics. The rest is for keys with the permission `cache`.
"""

import json
import logging
import re
from collections.abc import Callable
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from image_gen.errors import ImageGenError, ModelIdInvalidError, ModelInUseError, ModelNotCachedError
from image_gen.model_cache import CacheSettings, ModelCache, ProgressCallbacks
from image_gen.model_cache.core.manifest import check_revision
from image_gen.model_cache.core.settings import DEMO_MODEL
from image_gen.serving.cache.cache_listing import CacheListing
from image_gen.serving.cache.cache_openapi import (
    CANCEL,
    DELETE,
    LIST,
    MODEL_PATTERN,
    OPERATION,
    OPERATIONS,
    PREFETCH,
    REVISION_PATTERN,
    VERIFY,
)
from image_gen.serving.cache.operations import Kind, Operation, Operations, Work
from image_gen.serving.cache.served_models import ServedModels
from image_gen.serving.http.api_key_auth import KEY_NAME, KEY_PERMISSIONS
from image_gen.serving.images.body import json_body
from image_gen.serving.images.openai_errors import error_response
from image_gen.serving.images.requests import BadRequest, shorten
from image_gen.serving.routing.documented_route import DocumentedRoute, Endpoint
from image_gen.settings import Settings
from image_gen.threads import in_daemon_thread

log = logging.getLogger(__name__)
_EXPECTED: Final = {
    "model": "<organisation>/<name>",
    "revision": "a commit, branch or tag, or nothing",
    "repair": "true or false",
}
_NO_KEYS: Final = (
    "Without API keys nobody may change the cache over HTTP. Fix: `imagegen cache`, or start the service with "
    'IMAGE_GEN_API_KEY={"<name>": {"key": "<key>", "permissions": ["cache"]}}'
)
_NO_PERMISSION: Final = (
    'This API key may not change the cache. Fix: give it "permissions": ["cache"] where the keys are configured, or '
    "send one that has it."
)


class CacheRoutes:
    """What HTTP sees of the cache. `read_settings` reads the files behind the settings again, such as the token's."""

    def __init__(
        self,
        settings: Settings,
        cache_settings: CacheSettings,
        served: ServedModels,
        *,
        operations: Operations,
        read_settings: Callable[[], CacheSettings],
    ) -> None:
        self._settings, self._cache_settings = settings, cache_settings
        self._served, self._operations, self._read_settings = served, operations, read_settings
        self._listing = CacheListing(cache_settings, served)

    def routes(self) -> list[DocumentedRoute]:
        """Those of the module's first line."""
        one = "/v1/cache/operations/{operation_id}"
        return [
            DocumentedRoute("GET", "/v1/cache", self._guarded(self._list, None), LIST),
            DocumentedRoute("POST", "/v1/cache/prefetch", self._guarded(self._prefetch), PREFETCH),
            DocumentedRoute("POST", "/v1/cache/verify", self._guarded(self._verify), VERIFY),
            DocumentedRoute("DELETE", "/v1/cache/models/{model_id:path}", self._guarded(self._delete), DELETE),
            DocumentedRoute("GET", "/v1/cache/operations", self._guarded(self._list_operations), OPERATIONS),
            DocumentedRoute("GET", one, self._guarded(self._get), OPERATION),
            DocumentedRoute("POST", f"{one}/cancel", self._guarded(self._cancel), CANCEL),
        ]

    def _guarded(self, route: Endpoint, permission: str | None = "cache") -> Endpoint:
        async def answer(request: Request) -> Response:
            try:
                self._require(request, permission)
                response = await route(request)
            except BadRequest as error:
                response = error_response(error.status, error.message, code=error.code, param=error.param)
            except ImageGenError as error:
                # The log of requests leaves out errors of these codes.
                log.info("Request for the cache refused: %s (%s)", error.code, request.method)
                again = 15 if error.retryable else None
                response = error_response(error.http_status, error.message, code=error.code.lower(), retry_after=again)
            except ClientDisconnect:
                response = Response(status_code=499)
            response.headers["Cache-Control"] = "no-store"
            return response

        answer.__name__ = f"cache{route.__name__}"
        return answer

    def _require(self, http: Request, permission: str | None) -> None:
        if permission is None or permission in _permissions(http):
            return
        message = _NO_PERMISSION if KEY_PERMISSIONS in http.scope else _NO_KEYS
        raise BadRequest(message, status=403, code="permission_denied")

    async def _list(self, http: Request) -> Response:
        permissions = sorted(_permissions(http))
        running = self._operations.running if "cache" in permissions else None
        about = {"permissions": permissions, "operation": None if running is None else running.as_json()}
        return JSONResponse(await self._listing.as_json() | about)

    async def _prefetch(self, http: Request) -> Response:
        fields = _fields(await json_body(http), {"model", "revision"}, required={"model"})
        model_id, revision = self._named(fields)
        assert model_id is not None  # it is required
        if model_id == DEMO_MODEL and not self._settings.hub_endpoint_overridden:
            raise BadRequest(
                "model: the demo model is on no hub; a service that serves it makes it. Fix: imagegen up --config "
                "modelId=demo",
                "model",
            )

        def work(callbacks: ProgressCallbacks) -> dict[str, object]:
            cache = ModelCache(self._read_settings())
            model = cache.ensure(model_id, revision=revision, components=True, callbacks=callbacks)
            return {
                "id": model.model_id,
                "revision": model.revision,
                "source": model.source,
                "bytes_total": model.bytes_total,
                "bytes_fetched": model.bytes_fetched,
            }

        return self._begun(http, "prefetch", model_id, revision, work)

    async def _verify(self, http: Request) -> Response:
        fields = _fields(await json_body(http), {"model", "revision", "repair"})
        model_id, revision = self._named(fields)
        if revision is not None and model_id is None:
            raise BadRequest("model: required with a revision.", "model", code="missing_required_parameter")
        self._operations.require_idle()
        if model_id is not None:
            await self._require_cached(model_id)
        repair = bool(fields.get("repair"))
        named = model_id and (f"{model_id}@{revision}" if revision else model_id)

        def work(callbacks: ProgressCallbacks) -> dict[str, object]:
            report = ModelCache(self._cache_settings).verify(named, repair=repair, callbacks=callbacks)
            result = report.as_json()
            for model in result["models"]:  # type: ignore[attr-defined] # a list of objects
                # It names a place of the machine.
                model.pop("problem", None)
            return result

        return self._begun(http, "verify", model_id, revision, work)

    async def _delete(self, http: Request) -> Response:
        given = {"model": http.path_params["model_id"], "revision": http.query_params.get("revision")}
        model_id, revision = self._named(given)
        assert model_id is not None
        dry_run = http.query_params.get("dry_run", "false")
        if dry_run not in {"true", "false"}:
            raise BadRequest(f"dry_run: expected true or false, got {shorten(dry_run)}.", "dry_run")
        self._operations.require_idle()
        cache = ModelCache(self._cache_settings)
        report = await in_daemon_thread("cache-deletion", lambda: cache.clear(model_id, revision, dry_run=True))
        removal = report.removed[0]
        if self._served.uses(model_id, removal.revision):
            raise ModelInUseError(
                f"{model_id} is what this service serves, so nothing was deleted. Fix: serve another model first: "
                "imagegen up --config modelId=<id>"
            )
        if removal.in_use:
            raise _in_use(model_id)
        if dry_run == "true":
            return JSONResponse({
                "object": "cache.deletion", "dry_run": True, "model": model_id, "revision": removal.revision,
                "bytes_freed": removal.bytes_freed,
            })  # fmt: skip

        def work(_: ProgressCallbacks) -> dict[str, object]:
            try:
                freed = cache.clear(model_id, removal.revision or revision).bytes_freed
            except ModelInUseError:
                raise _in_use(model_id) from None
            return {"id": model_id, "revision": removal.revision, "bytes_freed": freed}

        return self._begun(http, "delete", model_id, removal.revision, work)

    async def _list_operations(self, _http: Request) -> Response:
        return JSONResponse({"object": "list", "data": [each.as_json() for each in self._operations.all]})

    async def _get(self, http: Request) -> Response:
        return JSONResponse(self._operation(http).as_json())

    async def _cancel(self, http: Request) -> Response:
        operation = self._operation(http)
        if operation.status in {"succeeded", "failed"}:
            raise BadRequest(f"The operation has {operation.status} already.", status=409, code="operation_has_ended")
        if not operation.can_be_cancelled:
            message = "A deletion continues to its end, as half a model is of no use."
            raise BadRequest(message, status=409, code="operation_not_cancellable")
        self._operations.cancel(operation)
        return JSONResponse(operation.as_json())

    def _operation(self, http: Request) -> Operation:
        operation = self._operations.get(http.path_params["operation_id"])
        if operation is None:
            message = "No operation of this id is kept: it is none of the latest, or of before the last start."
            raise BadRequest(message, status=404, code="operation_not_found")
        return operation

    def _begun(self, http: Request, kind: Kind, model: str | None, revision: str | None, work: Work) -> Response:
        operation = Operation(kind, model, revision, str(http.scope.get(KEY_NAME, "")))
        self._operations.begin(operation, work)
        where = {"Location": f"/v1/cache/operations/{operation.id}"}
        return JSONResponse(operation.as_json(), 202, where)

    def _named(self, fields: dict[str, Any]) -> tuple[str | None, str | None]:
        """The model's current id, and the revision. What only resembles them is refused, unlike by the command."""
        model, revision = fields.get("model"), fields.get("revision")
        if model is not None:
            _check("model", model, MODEL_PATTERN)
            model = ModelCache(self._cache_settings).canonical_id(model)
        if revision is not None:
            _check("revision", revision, REVISION_PATTERN)
            try:
                revision = check_revision(revision)
            except ModelIdInvalidError:
                raise _wrong("revision", revision) from None
        return model, revision

    async def _require_cached(self, model_id: str) -> None:
        if not any(each.model_id == model_id for each in (await self._listing.read()).models):
            raise ModelNotCachedError(
                f"The cache does not hold {model_id}. Fix: POST /v1/cache/prefetch downloads it; GET /v1/cache shows "
                "what is cached."
            )


def _permissions(http: Request) -> frozenset[str]:
    permissions: frozenset[str] = http.scope.get(KEY_PERMISSIONS, frozenset())
    return permissions


def _fields(body: bytes, known: set[str], required: frozenset[str] | set[str] = frozenset()) -> dict[str, Any]:
    try:
        fields = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise BadRequest("The body is not a JSON object.", code="invalid_json")
    for name in fields:
        if name not in known:
            names = ", ".join(each for each in _EXPECTED if each in known)
            raise BadRequest(
                f"{shorten(name)} is not a parameter; these are: {names}.", name[:60], code="unknown_parameter"
            )
    for name in required:
        if fields.get(name) is None:
            message = f"{name}: required, expected {_EXPECTED[name]}."
            raise BadRequest(message, name, code="missing_required_parameter")
    if not isinstance(fields.get("repair"), bool | None):
        raise _wrong("repair", fields["repair"])
    return fields


def _check(name: str, value: object, pattern: str) -> None:
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise _wrong(name, value)


def _wrong(name: str, value: object) -> BadRequest:
    return BadRequest(f"{name}: expected {_EXPECTED[name]}, got {shorten(value)}.", name)


def _in_use(model_id: str) -> ModelInUseError:
    """Over HTTP nothing is deleted by force."""
    return ModelInUseError(
        f"Another service uses {model_id}, or whether one does can't be found out, so nothing was deleted. Fix: stop "
        f"that service first, or `imagegen cache clear --model {model_id}` says more."
    )
