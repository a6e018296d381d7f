"""Bodies in JSON, of `/v1/images/generations` and `/v1/jobs`."""

import json
from collections.abc import Callable
from random import Random

from image_gen.serving.images.requests import ImageRequest

from .request import Request

FIELDS = (*ImageRequest.model_fields, "webhook_url")
# As they stand in the text: some are no JSON at all.
VALUES = (
    "null", "true", "0", "-1", "1", "2", "30.0", "1.5", "1e400", "-1e400", "NaN", "Infinity", "-0", "1e-400", "01",
    "0x1",
    "9" * 400, "-" + "9" * 5000, "1." + "0" * 5000, '""', '"x"', '"null"', '"\\u0000"', '"\\ud800"', '"\\udc00\\ud800"',
    '"\\ud83d\\ude00"', '"\u202e\u0000"', '"' + "a" * 4001 + '"', '"' + "\\u00e9" * 4000 + '"', '"1024x1024"',
    '"64x64"',
    '"-64x64"', '"64x64\\n"', '"\u0666\u0664x\u0666\u0664"', '"99999999999x8"', '"auto"', '"url"', '"png"', '"demo"',
    "[]", "{}", "[[]]", '{"a": {"b": []}}', '["x"]', "[null]", "[1, 2, 3]", '"http://[::1"', '"https://x/\\u0000"',
    '"' + "🎨" * 2000 + '"', "tru", "'x'", '"x', "undefined",
)  # fmt: skip
# So that a part of all requests is served.
SERVED = {
    "n": "2", "size": '"64x64"', "steps": "2.0", "seed": "4294967295", "quality": '"low"', "output_format": '"webp"',
    "output_compression": "0", "response_format": '"url"', "stream": "true", "partial_images": "3", "progress": "true",
    "background": '"auto"', "user": '"\\u0000\\ud83c\\udfa8"', "negative_prompt": '"x"', "guidance_scale": "0",
    "metadata": "true",
    "scheduler": '"ddim"', "style": '"vivid"', "svg": "null", "prompt": '"\\u202e\\u0000 a"', "model": "null",
}  # fmt: skip
NAMES = (
    "",
    "__proto__",
    "constructor",
    "prompt ",
    "Prompt",
    "\\ud800",
    "\\u0000",
    "x" * 300,
    "é",
    "prompt\\u0000",
    "$ref",
)
ENCODINGS = ("utf-16", "utf-32", "utf-8-sig", "latin-1", "utf-7", "utf-16-le", "cp500")
TYPES = (
    "application/json", "application/json; charset=utf-8", "application/json;charset=utf-16", "APPLICATION/JSON",
    "application/json; charset=\"", "application/json; charset=no-such", "text/plain", "application/xml", "", "json",
    "application/json, application/json", "application/problem+json", "multipart/form-data", "application/json;" * 200,
)  # fmt: skip


def fields_of(random: Random) -> list[tuple[str, str]]:
    """A few fields with values as they stand in the text; most have a prompt and few steps."""
    made = [('"prompt"', '"x"')] if random.random() < 0.9 else []
    if random.random() < 0.8:
        made.append(('"steps"', "1"))
    for _ in range(random.choice((0, 1, 1, 1, 2, 5, 20))):
        name = random.choice(FIELDS) if random.random() < 0.9 else random.choice(NAMES)
        value = SERVED.get(name, "null") if random.random() < 0.6 else random.choice(VALUES)
        made = [each for each in made if each[0] != f'"{name}"'] + [(f'"{name}"', value)]
    random.shuffle(made)
    return made


def fuzzed_object(random: Random) -> str:
    return "{" + ", ".join(f"{name}: {value}" for name, value in fields_of(random)) + "}"


def twice(random: Random) -> str:
    name = random.choice(FIELDS)
    values = random.sample(VALUES, random.randint(2, 5))
    return '{"prompt": "x", ' + ", ".join(f'"{name}": {value}' for value in values) + "}"


def deep(random: Random) -> str:
    depth = random.choice((10, 200, 1000, 5000, 30_000))
    opening, closing = random.choice((("[", "]"), ('{"a":', "}"), ('{"prompt":', "}")))
    closed = closing * depth if random.random() < 0.5 else ""
    text = (opening * depth + "1" + closed)[:65_000]
    return text if random.random() < 0.5 else f'{{"prompt": "x", "{random.choice(FIELDS)}": {text}}}'


def no_object(random: Random) -> str:
    return random.choice((*VALUES, "", " ", "\n", "{", "}", "{}", "//x\n{}", "{} {}", '{"prompt": "x"},', "\x00"))


def large(random: Random) -> str:
    size = random.choice((65_000, 65_535, 65_536, 65_537, 200_000))
    return json.dumps({"prompt": "x", random.choice(("user", "prompt", "other")): "a" * size})


KINDS: tuple[Callable[[Random], str], ...] = (
    fuzzed_object,
    fuzzed_object,
    fuzzed_object,
    twice,
    deep,
    no_object,
    large,
)


def body_of(random: Random, text: str) -> bytes:
    """The text's bytes, which are sometimes no UTF-8, or cut off."""
    encoding = random.choice(ENCODINGS) if random.random() < 0.05 else "utf-8"
    data = text.encode(encoding, "replace")
    change = random.randrange(20)
    if change == 0 and data:  # bytes that are none of UTF-8
        at = random.randrange(len(data))
        data = data[:at] + random.randbytes(random.randint(1, 4)) + data[at:]
    elif change == 1:
        data = data[: random.randint(0, len(data))]
    return data


def json_request(random: Random) -> Request:
    data = body_of(random, random.choice(KINDS)(random))
    kind = random.choice(TYPES) if random.random() < 0.15 else "application/json"
    path = random.choice(("/v1/images/generations", "/v1/images/generations", "/v1/jobs"))
    request = Request(path, data, [("Content-Type", kind)] if kind else [])
    if path == "/v1/jobs" and random.random() < 0.2:
        key = random.choice(("a", "b", "", "é", "a b", "x" * 256, "\t"))
        request.headers.append(("Idempotency-Key", key))
    return request
