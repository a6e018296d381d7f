"""Requests that change the cache: bodies of `/v1/cache/prefetch` and `/verify`, and models to delete."""

import json
from random import Random
from urllib.parse import quote

from .json_bodies import VALUES, body_of, deep, large, no_object
from .request import Request

FIELDS = ("model", "revision", "repair")
MODELS = (
    "org/model", "org/model@main", "https://huggingface.co/org/model", "demo", "org", "a/b/c", "../..", "/etc/passwd",
    "org/..", "models--org--model", "org/" + "x" * 300, "org/mod\u0000el", "org/\u202emodel", "~/model", "C:\\model",
    "org/model ", " ", "",
)  # fmt: skip
REVISIONS = ("main", "refs/pr/1", "0" * 40, "../../x", "a b", "", "-rf", "\u0000", "x" * 5000)


def cache_request(random: Random) -> Request:
    """Some have what the routes take, and are begun."""
    if random.random() < 0.3:
        model, revision = quote(random.choice(MODELS), safe="/"), quote(random.choice(REVISIONS))
        query = random.choice(("", "?dry_run=true", f"?revision={revision}", f"?revision={revision}&dry_run=1"))
        return Request(f"/v1/cache/models/{model}{query}", method="DELETE")
    texts = (fields, fields, fields, fields, deep, no_object, large)
    path = random.choice(("/v1/cache/prefetch", "/v1/cache/verify"))
    return Request(path, body_of(random, random.choice(texts)(random)), [("Content-Type", "application/json")])


def fields(random: Random) -> str:
    """An object with some of the fields, as text."""
    right = {
        "model": json.dumps(random.choice(MODELS)),
        "revision": json.dumps(random.choice(REVISIONS)),
        "repair": "true",
    }
    chosen = [name for name in (*FIELDS, "prompt") if random.random() < 0.6]
    values = {name: right.get(name, "1") if random.random() < 0.7 else random.choice(VALUES) for name in chosen}
    return "{" + ", ".join(f'"{name}": {value}' for name, value in values.items()) + "}"
