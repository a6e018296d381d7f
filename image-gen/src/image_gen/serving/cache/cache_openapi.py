"""What `/openapi.json` says of the routes of the cache."""

from typing import Any, Final

# Of an id on the hub, with or without an organisation: neither `..` nor `--`, which a cache's folder names can't hold.
MODEL_PATTERN: Final = r"^(?!.*(\.\.|--))[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?$"
# Of commits and of the usual names of branches and tags.
REVISION_PATTERN: Final = r"^(?!.*(\.\.|//|/\.|/-))[A-Za-z0-9_]([A-Za-z0-9._/+=-]{0,198}[A-Za-z0-9_])?$"

_TEXT: Final = {"type": "string"}
_WHOLE: Final = {"type": "integer"}
_FLAG: Final = {"type": "boolean"}
_TEXTS: Final = {"type": "array", "items": _TEXT}
_ERROR: Final = {"$ref": "#/components/schemas/Error"}
_MODEL: Final = {"type": "string", "pattern": MODEL_PATTERN, "description": "the model's id, <organisation>/<name>"}
_REVISION: Final = {"type": "string", "pattern": REVISION_PATTERN, "description": "a commit, branch or tag"}
_MOMENT: Final = {"type": ["integer", "null"], "description": "seconds since 1970"}


def _object(properties: dict[str, Any], *, nullable: bool = False) -> dict[str, Any]:
    return {
        "type": ["object", "null"] if nullable else "object",
        "required": list(properties),
        "properties": properties,
    }


def _or_null(kind: str, description: str) -> dict[str, Any]:
    return {"type": [kind, "null"], "description": description}


_PROGRESS: Final = _object(
    {
        "phase": {"enum": ["fetching", "verifying"]},
        "bytes_done": _WHOLE,
        "bytes_total": _WHOLE,
        "bytes_per_second": _WHOLE,
        "eta_seconds": _or_null("number", "seconds until the end, where there is a rate"),
        "file": _or_null("string", "the file that is being worked on"),
    },
    nullable=True,
)
_OPERATION: Final = _object({
    "id": _TEXT,
    "object": {"const": "cache.operation"},
    "kind": {"enum": ["prefetch", "verify", "delete"]},
    "status": {"enum": ["running", "succeeded", "failed", "cancelled"]},
    "model": _or_null("string", "null: all models"),
    "revision": _or_null("string", "null: the default one; of a deletion or verification, all"),
    "created_at": {"type": "integer", "description": "seconds since 1970"},
    "ended_at": _MOMENT,
    "progress": {**_PROGRESS, "description": "null before the first report, and of a deletion"},
    "result": _or_null(
        "object",
        "when it has succeeded: of a prefetch the model's id, revision, source, bytes_total and bytes_fetched; of a "
        "verification ok, repaired and models; of a deletion bytes_freed",
    ),
    "error": {
        **_object({"code": _TEXT, "message": _TEXT, "retryable": _FLAG}, nullable=True),
        "description": "why it has failed, with the fix",
    },
})  # fmt: skip
_CACHED: Final = _object({
    "id": _TEXT,
    "revision": _or_null("string", "the commit; null where nothing of the model is complete enough to say"),
    "refs": {**_TEXTS, "description": "branches and tags that are this commit"},
    "source": {"enum": ["volume", "baked"]},
    "bytes": {"type": "integer", "description": "bytes of its files that are there"},
    "bytes_shared": {"type": "integer", "description": "of these, what other revisions use too"},
    "bytes_lacking": {"type": "integer", "description": "bytes of missing files"},
    "bytes_partial": {"type": "integer", "description": "of these, what a download has begun"},
    "files": _WHOLE,
    "complete": _FLAG,
    "missing": {**_TEXTS, "description": "files that are not there at their full size"},
    "unreadable": _TEXTS,
    "unprovable": {**_TEXTS, "description": "files of which no hash is known"},
    "verified_at": {**_MOMENT, "description": "seconds since 1970 when every file was last compared with its hash"},
    "last_used": {**_MOMENT, "description": "seconds since 1970 when a service last began or ended to use it"},
    "in_use": {"type": "boolean", "description": "a service uses it: it can't be deleted"},
    "served": {"type": "boolean", "description": "this service uses it"},
    "problem": _or_null("string", "that a part of it can't be read"),
})  # fmt: skip
_CACHE: Final = _object({
    "object": {"const": "cache"},
    "bytes": {"type": "integer", "description": "bytes of everything in the cache"},
    "bytes_orphaned": {"type": "integer", "description": "of these, what nothing uses"},
    "volume": _object({
        "filesystem": _TEXT,
        "bytes_total": _or_null("integer", "null where the file system does not say"),
        "bytes_free": _or_null("integer", "what this service may still write"),
    }),
    "models": {"type": "array", "items": _CACHED},
    "permissions": {"type": "array", "items": {"enum": ["cache"]}, "description": "what this request's key may do"},
    "operation": {
        **{**_OPERATION, "type": ["object", "null"]},
        "description": "the one that runs; null without the permission",
    },
})  # fmt: skip
_DELETION: Final = _object({
    "object": {"const": "cache.deletion"},
    "dry_run": {"const": True},
    "model": _TEXT,
    "revision": _or_null("string", "null: all that there is of the model"),
    "bytes_freed": _WHOLE,
})  # fmt: skip
_LIST: Final = _object({"object": {"const": "list"}, "data": {"type": "array", "items": _OPERATION}})


def _json(description: str, schema: dict[str, Any], headers: dict[str, Any] | None = None) -> dict[str, Any]:
    content = {"description": description, "content": {"application/json": {"schema": schema}}}
    return {**content, "headers": headers} if headers else content


def _errors(texts: dict[int, str]) -> dict[str, Any]:
    return {str(status): _json(text, _ERROR) for status, text in texts.items()}


_FORBIDDEN: Final = {403: "The key has not the permission `cache`, or the service has no keys."}
_STOPPING: Final = {503: "The cache can't be read now, or the service is stopping."}
_BODY: Final = {
    400: "A field has a wrong value.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The body is not JSON.",
}
_BEGUN: Final = {
    "202": _json("The operation has begun.", _OPERATION, {"Location": {"schema": _TEXT, "description": "its path"}})
}
_ID: Final = [{"name": "operation_id", "in": "path", "required": True, "schema": _TEXT}]
_NO_OPERATION: Final = {404: "No operation of this id is kept."}


def _body(properties: dict[str, Any], required: list[str], **more: Any) -> dict[str, Any]:
    schema = {"type": "object", "additionalProperties": False, "required": required, "properties": properties, **more}
    return {"required": True, "content": {"application/json": {"schema": schema}}}


# A revision is one of a model that is named.
_WITH_MODEL: Final = [
    {"required": ["model"], "properties": {"model": {"type": "string"}}},
    {"properties": {"revision": {"type": "null"}}},
]


_REVISION_OR_NULL: Final = {"anyOf": [_REVISION, {"type": "null"}]}
LIST: Final[dict[str, Any]] = {"responses": {"200": _json("What the cache holds.", _CACHE), **_errors(_STOPPING)}}
PREFETCH: Final[dict[str, Any]] = {
    "requestBody": _body({"model": _MODEL, "revision": _REVISION_OR_NULL}, ["model"]),
    "responses": {**_BEGUN, **_errors({**_BODY, **_FORBIDDEN, 409: "Another operation runs.", **_STOPPING})},
}
VERIFY: Final[dict[str, Any]] = {
    "requestBody": _body(
        {
            "model": {"anyOf": [_MODEL, {"type": "null"}], "description": "nothing: all models"},
            "revision": _REVISION_OR_NULL,
            "repair": {
                "type": ["boolean", "null"],
                "description": "true: damaged files are set aside, so that a prefetch or a start downloads them again",
            },
        },
        [],
        anyOf=_WITH_MODEL,
    ),
    "responses": {
        **_BEGUN,
        **_errors({
            **_BODY,
            **_FORBIDDEN,
            404: "The cache does not hold the model.",
            409: "Another operation runs.",
            **_STOPPING,
        }),
    },
}  # fmt: skip
DELETE: Final[dict[str, Any]] = {
    "parameters": [
        {"name": "model_id", "in": "path", "required": True, "schema": _MODEL},
        {"name": "revision", "in": "query", "required": False, "schema": _REVISION},
        {
            "name": "dry_run",
            "in": "query",
            "required": False,
            "schema": {"enum": ["true", "false"]},
            "description": "true: says what would be deleted, and deletes nothing",
        },
    ],
    "responses": {
        "200": _json("What would be deleted, with `dry_run`.", _DELETION),
        **_BEGUN,
        **_errors(
            {
                400: "A parameter has a wrong value.",
                **_FORBIDDEN,
                404: "The cache does not hold the model, or not this revision.",
                409: "The model is in use, or another operation runs.",
                **_STOPPING,
            }
        ),
    },
}
OPERATIONS: Final[dict[str, Any]] = {
    "responses": {"200": _json("The latest operations, the newest first.", _LIST), **_errors(_FORBIDDEN)}
}
OPERATION: Final[dict[str, Any]] = {
    "parameters": _ID,
    "responses": {"200": _json("The operation.", _OPERATION), **_errors({**_FORBIDDEN, **_NO_OPERATION})},
}
CANCEL: Final[dict[str, Any]] = {
    "parameters": _ID,
    "responses": {
        "200": _json("It ends as soon as it can.", _OPERATION),
        **_errors({**_FORBIDDEN, **_NO_OPERATION, 409: "It has ended, or is a deletion."}),
    },
}
