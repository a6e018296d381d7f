"""What `/openapi.json` says of jobs."""

from typing import Any, Final

_ERROR: Final = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": "string"},
            },
        }
    },
}
_SECONDS: Final = {"type": ["integer", "null"], "description": "seconds since 1970"}
_JOB: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["id", "object", "status", "created_at", "position", "forecast_seconds", "progress", "error", "result"],
    "properties": {
        "id": {"type": "string"},
        "object": {"const": "image.job"},
        "status": {"enum": ["queued", "running", "succeeded", "failed", "cancelled"]},
        "created_at": {"type": "integer", "description": "seconds since 1970"},
        "started_at": _SECONDS,
        "ended_at": _SECONDS,
        "expires_at": {**_SECONDS, "description": "from then on the job and its pictures are deleted"},
        "position": {"type": ["integer", "null"], "description": "requests and jobs before this one, while it waits"},
        "forecast_seconds": {"type": ["number", "null"], "description": "seconds until it should be done"},
        "estimated": {"type": "boolean", "description": "of a gateway: position and forecast are estimates"},
        "progress": {
            "type": ["object", "null"],
            "properties": {name: {"type": "integer"} for name in ("step", "steps", "images_done", "images")},
        },
        "error": {"type": ["object", "null"], "description": "why it failed"},
        "result": {"type": ["object", "null"], "description": "the answer of `/v1/images/generations`"},
    },
}
_ID: Final = [{"name": "job_id", "in": "path", "required": True, "schema": {"type": "string"}}]
_RETRY_AFTER: Final = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}


def _json(description: str, schema: dict[str, Any], headers: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"application/json": {"schema": schema}},
        **({"headers": headers} if headers else {}),
    }


def _errors(**texts: str) -> dict[str, Any]:
    again = {"429", "503", "507"}
    return {
        status.removeprefix("_"): _json(text, _ERROR, _RETRY_AFTER if status.removeprefix("_") in again else None)
        for status, text in texts.items()
    }


_UNAVAILABLE: Final = "The jobs can't be read or written, as the message says."
_NONE: Final = "No job of this id is kept, or it belongs to another API key."
_CREATE: Final[dict[str, Any]] = {
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
        }
    ],
    "responses": {
        "202": _json("The job is kept, and will be made.", _JOB, {"Location": {"schema": {"type": "string"}}}),
        **_errors(
            _400="A field has a wrong value.",
            _404="Another model is served.",
            _408="The body did not arrive in time.",
            _413="The body is too large.",
            _415="The body is not JSON.",
            _422="The idempotency key was used for another request.",
            _429="IMAGE_GEN_JOBS_LIMIT jobs are waiting.",
            _503=_UNAVAILABLE,
            _507="The jobs that are kept take all of IMAGE_GEN_JOBS_MAX_MB, or the disk is full.",
        ),
    },
}

_IMAGE: Final = {"schema": {"type": "string", "format": "binary"}}
FILE: Final[dict[str, Any]] = {
    "parameters": [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}],
    "security": [],
    "responses": {
        "200": {
            "description": "The picture.",
            "content": {f"image/{kind}": _IMAGE for kind in ("png", "jpeg", "webp")},
        },
        **_errors(_404="No picture is kept under this address.", _503=_UNAVAILABLE),
    },
}


def create_operation(*, webhooks: bool) -> dict[str, Any]:
    """Of `POST /v1/jobs`: the fields that its body has beside those of a request for images, or takes in another way.
    `webhooks`: whether this service calls addresses.
    """
    address = {"type": "string", "maxLength": 2048, "description": "an https address"}
    none = "nothing: a job has no stream"
    own: dict[str, Any] = {
        "response_format": {"enum": ["b64_json", None], "description": '"b64_json": the job keeps its pictures'},
        "stream": {"enum": [False, None], "description": none},
        "progress": {"enum": [False, None], "description": none},
        "partial_images": {"enum": [0, None], "description": none},
        "webhook_url": {
            "anyOf": [*([address] if webhooks else []), {"type": "null"}],
            "description": "called when the job has ended; only with IMAGE_GEN_WEBHOOK_SECRET",
        },
    }
    return {**_CREATE, "requestBody": {"content": {"application/json": {"schema": {"properties": own}}}}}


GET: Final[dict[str, Any]] = {
    "parameters": _ID,
    "responses": {"200": _json("The job.", _JOB), **_errors(_404=_NONE, _503=_UNAVAILABLE)},
}
CANCEL: Final[dict[str, Any]] = {
    "parameters": _ID,
    "responses": {
        "200": _json("The job is cancelled.", _JOB),
        **_errors(_404=_NONE, _409="The job has succeeded or failed before.", _503=_UNAVAILABLE),
    },
}
DELETE: Final[dict[str, Any]] = {
    "parameters": _ID,
    "responses": {"204": {"description": "Nothing of the job is kept."}, **_errors(_404=_NONE, _503=_UNAVAILABLE)},
}
QUEUE: Final[dict[str, Any]] = {
    "responses": {
        "200": _json(
            "What is being made, and what waits.",
            {
                "type": "object",
                "required": ["object", "running", "waiting_requests", "waiting_jobs", "seconds_per_request"],
                "properties": {
                    "object": {"const": "queue"},
                    "running": {"type": "integer"},
                    "waiting_requests": {"type": "integer"},
                    "waiting_jobs": {"type": "integer"},
                    "limit": {"type": "integer", "description": "IMAGE_GEN_QUEUE_LIMIT"},
                    "engines_ready": {"type": "integer"},
                    "workers": {"type": "integer", "description": "of a gateway: those that live"},
                    "estimated": {"type": "boolean", "description": "of a gateway: all of it is an estimate"},
                    "seconds_per_request": {"type": "number", "description": "of late; a guess before the first"},
                    "forecast_seconds": {
                        "type": ["number", "null"],
                        "description": "seconds until a request of now should be done",
                    },
                },
            },
        )
    }
}
