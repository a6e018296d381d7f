"""What `/openapi.json` says of the routes: each body as the settings and the loaded model accept it, and each status.

Comes in: a document with the routes' own operations, settings, the pipeline. Goes out: the whole document. Must not:
state what a route does not do: a test sends what the document allows, and what it forbids.
"""

from collections.abc import Sequence
from typing import Any, Final

from image_gen.serving.http.api_key_auth import is_open
from image_gen.serving.images.body import MAX_BODY
from image_gen.serving.images.requests import EditRequest, ImageRequest, VariationRequest
from image_gen.settings import Settings
from image_gen.worker.protocol import MIN_SIDE, STEP, PipelineReady

_ROUTES: Final[dict[str, type[ImageRequest]]] = {
    "/v1/images/generations": ImageRequest,
    "/v1/images/edits": EditRequest,
    "/v1/images/variations": VariationRequest,
}
_ERROR: Final = {"$ref": "#/components/schemas/Error"}
_TEXTS: Final = {
    400: "The request is wrong: `param` names the field.",
    401: "The key is missing or wrong.",
    403: "A browser sent the form from a page of another site.",
    404: "Another model than the one served.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The body has another media type.",
    429: "Too many requests wait.",
    500: "The picture failed.",
    503: "No picture can be made now.",
    504: "The picture took longer than the service allows.",
    507: "What is kept takes all of IMAGE_GEN_JOBS_MAX_MB, or the disk is full.",
}
_RETRY: Final = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}}
_NUMBER, _TEXT, _OBJECT = {"type": "number"}, {"type": "string"}, {"type": "object"}
_EVENT: Final = {"type": "object", "required": ["event", "data"], "properties": {"event": _TEXT, "data": _TEXT}}
_IMAGE_TYPES: Final = "image/png, image/jpeg, image/webp"


def complete(
    document: dict[str, Any], settings: Settings, pipeline: PipelineReady | None, models: Sequence[str]
) -> dict[str, Any]:
    """The document with bodies, answers, errors and the key. `models` are the names of the served one."""
    components = document.setdefault("components", {})
    components["schemas"] = {"Error": _error_schema(), "Images": _images_schema()}
    has_key = bool(settings.api_key or settings.api_keys_file)
    if has_key:
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for path, item in document["paths"].items():
        for operation in item.values():
            responses = operation["responses"] = dict(operation["responses"])
            if path in _ROUTES:
                kind = _ROUTES[path]
                schema = _body_schema(kind, settings, pipeline, models)
                operation["requestBody"] = _json_body(schema) if kind is ImageRequest else _form_body(kind, schema)
                responses["200"] = _pictures_answer()
                for status in (400, 403, 404, 408, 413, 415, 429, 500, 503, 504, 507):
                    own = {403: kind is not ImageRequest, 507: _has_urls(settings)}
                    if own.get(status, True):
                        responses[str(status)] = _error_answer(status)
            elif path == "/v1/jobs":  # the same request, but for what the route says of its own fields
                schema = _body_schema(ImageRequest, settings, pipeline, models)
                own = operation["requestBody"]["content"]["application/json"]["schema"]["properties"]
                operation["requestBody"] = _json_body({**schema, "properties": {**schema["properties"], **own}})
            elif path == "/v1/models/{name}":
                responses["404"] = _error_answer(404)
            elif path == "/metrics":
                responses["200"] = {
                    "description": "Prometheus' text format.",
                    "content": {"text/plain": {"schema": _TEXT}},
                }
            if has_key and not is_open(path):
                operation["security"] = [{"key": []}]
                responses["401"] = _error_answer(401)
    return document


def _body_schema(
    kind: type[ImageRequest], settings: Settings, pipeline: PipelineReady | None, models: Sequence[str]
) -> dict[str, Any]:
    schema = kind.model_json_schema()
    del schema["$defs"]
    properties = schema["properties"]
    names = None if pipeline is None else pipeline.loras
    properties["loras"] = _loras_schema(names, properties["loras"]["description"])
    step = STEP if pipeline is None else pipeline.size_multiple
    first = -(-MIN_SIDE // step) * step
    sides = "|".join(str(side) for side in range(first, settings.max_size + 1, step))
    properties["n"]["anyOf"][0]["maximum"] = settings.max_images
    properties["size"]["anyOf"][0]["pattern"] = rf"^(auto|({sides})x({sides}))$"
    if not _has_urls(settings):
        why = "pictures are in the answer, and not kept: IMAGE_GEN_PICTURE_URL_SECONDS is 0"
        properties["response_format"]["anyOf"][0] = {"const": "b64_json"}
        properties["response_format"]["description"] = f'"b64_json": {why}'
    properties["model"]["anyOf"][0]["enum"] = list(models)
    if pipeline is not None:
        properties["scheduler"]["anyOf"][0]["enum"] = pipeline.schedulers
        for name in {"negative_prompt", "guidance_scale"} - set(pipeline.accepts):
            properties[name] = {"type": "null", "description": f"nothing: {pipeline.pipeline} does not take it"}
    return schema


def _has_urls(settings: Settings) -> bool:
    return settings.picture_url_seconds > 0 and settings.jobs != "none"


def _loras_schema(names: Sequence[str] | None, description: str) -> dict[str, Any]:
    """`names` are those that there are; None where it is not known yet."""
    name: dict[str, Any] = _TEXT if names is None else {"enum": list(names)}
    weight = {"type": "number", "minimum": -4, "maximum": 4}
    lora = {
        "type": "object", "additionalProperties": False, "required": ["name"],
        "properties": {"name": name, "weight": weight},
    }  # fmt: skip
    once = [
        {"contains": {"properties": {"name": {"const": each}}}, "minContains": 0, "maxContains": 1}
        for each in names or ()
    ]
    chosen: dict[str, Any] = {"type": "array", "maxItems": 8, "items": lora, **({"allOf": once} if once else {})}
    none = {"type": "array", "maxItems": 0}
    return {"anyOf": [none if names == [] else chosen, {"type": "null"}], "description": description}


def _json_body(schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "required": True,
        "description": f"At most {MAX_BODY} bytes.",
        "content": {"application/json": {"schema": schema}},
    }


def _form_body(kind: type[ImageRequest], schema: dict[str, Any]) -> dict[str, Any]:
    """In a form, a field that is not given is left out, or empty: so clients write null."""
    files = ["image"] if kind is VariationRequest else ["image", "mask"]
    fields = {}
    for name, spec in schema["properties"].items():
        kinds = [each for each in spec.get("anyOf", [spec]) if each.get("type") != "null"]
        if name == "loras":  # in JSON
            kinds = [
                {"const": "[]"} if kinds[0]["maxItems"] == 0 else {**_TEXT, "contentMediaType": "application/json"}
            ]
        if kinds:
            required = name in schema.get("required", [])
            values = kinds[0] if required else {"anyOf": [kinds[0], {"const": ""}, {"type": "null"}]}
            fields[name] = {**values, "description": spec.get("description", "")}
    binary = {"type": "string", "format": "binary"}
    form = {
        "type": "object", "additionalProperties": False, "required": ["image", *schema.get("required", [])],
        "properties": {**dict.fromkeys(files, binary), **fields},
    }  # fmt: skip
    encoding = {name: {"contentType": _IMAGE_TYPES} for name in files}
    return {"required": True, "content": {"multipart/form-data": {"schema": form, "encoding": encoding}}}


def _pictures_answer() -> dict[str, Any]:
    images = {"schema": {"$ref": "#/components/schemas/Images"}}
    content = {"application/json": images, "text/event-stream": {"schema": _EVENT}}
    return {"description": "The pictures; with `stream`, events.", "content": content}


def _error_answer(status: int) -> dict[str, Any]:
    answer = {"description": _TEXTS[status], "content": {"application/json": {"schema": _ERROR}}}
    return {**answer, "headers": _RETRY} if status == 429 else answer


def _error_schema() -> dict[str, Any]:
    nullable = {"anyOf": [_TEXT, {"type": "null"}]}
    error = {"message": _TEXT, "type": _TEXT, "param": nullable, "code": nullable}
    about = {"type": "object", "required": list(error), "properties": error}
    return {"type": "object", "required": ["error"], "properties": {"error": about}}


def _images_schema() -> dict[str, Any]:
    picture = {"type": "object", "required": ["seed"], "properties": {
        "b64_json": _TEXT, "url": {"type": "string", "format": "uri"}, "seed": {"type": "integer"},
    }}  # fmt: skip
    always: dict[str, Any] = {
        "created": {"type": "integer"}, "data": {"type": "array", "items": picture}, "model": _TEXT, "size": _TEXT,
        "background": _TEXT, "output_format": _TEXT, "steps": {"type": "integer"}, "seconds": _NUMBER,
    }  # fmt: skip
    sometimes = {"quality": _TEXT, "safety_identifier": _TEXT, "notes": _OBJECT, "truncated_tokens": _OBJECT}
    return {"type": "object", "required": list(always), "properties": {**always, **sometimes}}
