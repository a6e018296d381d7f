"""Prints what the service promises to others, as JSON: environment variables, HTTP, the command `image-gen`, errors.

Comes in: the code of `image_gen`. Goes out: a document for `docs/reference`, or an error where the code has something
without a description in `descriptions.py`. Must not: start anything. `npm run docs` runs it, and
`image-gen/tests/test_reference.py` compares.
"""

import argparse
import ast
import importlib
import json
import pkgutil
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

from descriptions import ENVIRONMENT, ERRORS, FLEET_ENVIRONMENT, OTHER_ENVIRONMENT, READYZ, STATUSES

import image_gen
from image_gen import model_cache
from image_gen import settings as service_settings
from image_gen.cli import measure  # noqa: F401 - its report is one of those that are described
from image_gen.cli import parser as cli_parser
from image_gen.errors import BY_CODE
from image_gen.fleet.settings import JOB_STORE, QUEUE_URL, FleetSettings
from image_gen.model_cache.core import settings as cache_settings
from image_gen.model_cache.core.report import Report

SOURCE = Path(image_gen.__file__).parent


class _Recorder(Mapping[str, str]):
    """An environment without a variable, which remembers what it was asked for."""

    def __init__(self, given: Mapping[str, str] | None = None) -> None:
        self.asked: list[str] = []
        self._given = dict(given or {})

    def __getitem__(self, name: str) -> str:
        if name not in self.asked:
            self.asked.append(name)
        return self._given[name]

    def __contains__(self, name: object) -> bool:
        return str(name) in self._given

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)


def _settings_class(module: ModuleType) -> Any:
    return next(each for each in vars(module).values() if isinstance(each, type) and hasattr(each, "from_env"))


READERS = (_settings_class(service_settings), _settings_class(cache_settings))


def environment() -> list[dict[str, str]]:
    """Every variable that the settings read, in their order, with what their own checks expect."""
    names: list[str] = []
    for reader in READERS:
        recorder = _Recorder()
        reader.from_env(recorder)
        names += [name for name in recorder.asked if name not in names]
    _same("environment variables", set(names), set(ENVIRONMENT))
    rows = [
        {"name": name, "default": ENVIRONMENT[name][0], "values": _expected(name), "text": ENVIRONMENT[name][1]}
        for name in names
    ]
    return rows + [
        {"name": name, "default": "", "values": "", "text": text} for name, text in OTHER_ENVIRONMENT.items()
    ]


# Without which a fleet's settings are not read to the end.
_FLEET_REQUIRED = {QUEUE_URL: "https://sqs.us-east-1.amazonaws.com/123456789012/jobs", JOB_STORE: "s3://bucket/prefix"}


def fleet_environment() -> list[dict[str, str]]:
    """What workers and gateways of a fleet read beside the service's variables."""
    recorder = _Recorder(_FLEET_REQUIRED)
    FleetSettings.from_env(recorder)
    names = [name for name in recorder.asked if name not in ENVIRONMENT]
    _same("variables of a fleet", set(names), set(FLEET_ENVIRONMENT))
    return [
        {"name": name, "default": FLEET_ENVIRONMENT[name][0], "values": _expected(name), "text": text}
        for name, (_, text) in FLEET_ENVIRONMENT.items()
    ]


def _expected(name: str) -> str:
    """What the settings say of a value that nothing accepts; empty where any text will do."""
    for reader in (*READERS, FleetSettings):
        given = _FLEET_REQUIRED if reader is FleetSettings else {}
        try:
            reader.from_env({**given, name: "\x7f"})
        except Exception as error:
            found = re.search(rf"{name}: expected (.+?), got", str(error))
            if found:
                return found[1]
    return ""


def defaults() -> dict[str, object]:
    """The defaults of the settings, by field, for the test that holds the table of variables to them."""
    return {
        each.name: each.default
        for reader in READERS
        for each in fields(reader)
        if each.default is not MISSING and isinstance(each.default, str | int | float)
    }


def http() -> dict[str, Any]:
    """Paths, the schema of a request, the body of /readyz and the statuses of answers."""
    from image_gen.serving.app import PageRoutes, make_app, make_document
    from image_gen.serving.cache.cache_routes import CacheRoutes
    from image_gen.serving.http.startup_app import ready_body
    from image_gen.serving.images.generations import Generations
    from image_gen.serving.jobs.job_routes import JobRoutes
    from image_gen.serving.jobs.picture_routes import PictureRoutes
    from image_gen.serving.queue.usage import Usage
    from image_gen.serving.readiness import PHASES, Readiness

    known = SimpleNamespace(
        _settings=service_settings.Settings(), _readiness=SimpleNamespace(model_id="model"),
        _worker=SimpleNamespace(pipeline_info=None), is_served=bool,
    )  # fmt: skip
    complete = Generations.openapi
    fake = cast("Generations", SimpleNamespace(openapi=lambda found: complete(cast("Generations", known), found)))
    app = make_app(
        fake,
        cast("Any", None),
        [
            PageRoutes(cast("Any", None)),
            CacheRoutes(
                known._settings,
                cache_settings.CacheSettings.from_env({}),
                cast("Any", None),
                operations=cast("Any", None),
                read_settings=cast("Any", None),
            ),
            JobRoutes(known._settings, cast("Any", None), cast("Any", None)),
            PictureRoutes(cast("Any", None)),
        ],
    )
    document = make_document(app, fake)
    body = ready_body(Readiness("model", None, "0"), lambda: {"usage": Usage().as_json()})
    _same("fields of /readyz", set(body), set(READYZ))
    statuses = {status for status, _, _ in STATUSES}
    _same("statuses", _statuses() | {error.http_status for error in BY_CODE.values()}, statuses)
    schema = document["paths"]["/v1/images/generations"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return {
        "paths": sorted(f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item),
        "bodies": {
            f"{method.upper()} {path}": sorted(_body_fields(operation))
            for path, item in document["paths"].items()
            for method, operation in item.items()
            if "requestBody" in operation
        },
        "request": [
            {
                "name": name,
                "text": spec.get("description", ""),
                "default": spec.get("default"),
                "required": name in schema["required"],
            }
            for name, spec in schema["properties"].items()
        ],
        "readyz": [{"name": name, "text": READYZ[name]} for name in body],
        "phases": list(PHASES),
        "statuses": [{"status": status, "code": code, "text": text} for status, code, text in STATUSES],
        "metrics": [*_metrics("serving/metrics.py"), *_metrics("serving/http_metrics.py")],
        "gateway": gateway(),
    }


def gateway() -> dict[str, Any]:
    """What of this the gateway of a fleet has, and what it has beside it."""
    from image_gen.serving.app import make_app
    from image_gen.serving.jobs.job_routes import JobRoutes
    from image_gen.serving.jobs.picture_routes import PictureRoutes
    from image_gen.serving.routing.documented_route import paths_of

    jobs = JobRoutes(service_settings.Settings(), cast("Any", None), cast("Any", None))
    paths = paths_of(make_app(cast("Any", None), cast("Any", None), [jobs, PictureRoutes(cast("Any", None))]).routes)
    return {
        "paths": sorted(f"{method.upper()} {path}" for path, item in paths.items() for method in item),
        "metrics": list(_metrics("fleet/gateway/gateway_metrics.py")),
    }


def _body_fields(operation: dict[str, Any]) -> list[str]:
    """The fields of a request's body, whatever its form."""
    return [name for form in operation["requestBody"]["content"].values() for name in form["schema"]["properties"]]


def _statuses() -> set[int]:
    """The numbers in serving/ that are HTTP statuses: three digits, given to a response or kept in a table of them."""
    found: set[int] = {200}
    for _, tree in _modules("serving"):
        for node in ast.walk(tree):
            given: list[ast.expr] = []
            if isinstance(node, ast.Call):
                given = [keyword.value for keyword in node.keywords if keyword.arg in {"status", "status_code"}]
                given += {"problem": node.args[:1], "get": node.args[1:2]}.get(_name(node.func), node.args[2:3])
            elif isinstance(node, ast.FunctionDef):
                given = [value for value in node.args.kw_defaults if value is not None]
            elif isinstance(node, ast.Dict):
                given = [value for value in node.values if value is not None]
            elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                given = list(node.value.elts) if isinstance(node.value, ast.Tuple) else [node.value]
            found |= {
                each.value
                for each in given
                if isinstance(each, ast.Constant) and type(each.value) is int and 400 <= each.value < 600
            }
    return found


def _metrics(file: str) -> Iterator[dict[str, str]]:
    tree = ast.parse((SOURCE / file).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or len(node.args) < 2:
            continue
        name, text = (arg.value if isinstance(arg, ast.Constant) else None for arg in node.args[:2])
        if isinstance(name, str) and name.startswith("image_gen_") and isinstance(text, str):
            kind = _name(node.func).lower().strip("_").replace("metricfamily", "").replace("by_label", "gauge")
            yield {"name": f"{name}_total" if kind == "counter" else name, "kind": kind, "text": text}


def commands() -> list[dict[str, Any]]:
    """The commands of `image-gen`, with their options."""
    return list(_commands(cli_parser.parser({}), ""))


def _commands(parser: argparse.ArgumentParser, prefix: str) -> Iterator[dict[str, Any]]:
    subs = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not subs:
        options = [
            {
                "flags": ", ".join(action.option_strings) or str(action.metavar or action.dest),
                "value": str(action.metavar) if action.option_strings and action.metavar else "",
                "text": action.help or "",
            }
            for action in parser._actions
            if not isinstance(action, argparse._HelpAction)
        ]
        yield {"name": prefix.strip(), "text": parser.description or "", "options": options}
    for sub in subs:
        for name, child in sub.choices.items():
            yield from _commands(child, f"{prefix} {name}")


def exit_codes() -> list[tuple[int, str]]:
    """The codes that the command's own help lists."""
    found = re.findall(r"^ +(\d+) +(.+)$", cli_parser.EXIT_CODES, re.MULTILINE)
    return [(int(code), text) for code, text in found]


def errors() -> list[dict[str, object]]:
    """The codes of errors in /readyz and `--json`, with what their classes say of them."""
    _same("error codes", set(BY_CODE), set(ERRORS))
    return [
        {
            "code": code,
            "text": ERRORS[code][0],
            "fix": ERRORS[code][1],
            "retryable": error.retryable,
            "exit_code": error.exit_code,
        }
        for code, error in sorted(BY_CODE.items())
    ]


def results() -> dict[str, dict[str, object]]:
    """The JSON of results: the fields of each `Report`, and what other classes write in their own `as_json`. Fields of
    inner objects are `outer.inner`.
    """
    reports = _reports()
    classes: dict[str, ast.ClassDef] = {}
    for _, tree in _modules(""):
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name != Report.__name__ and (node.name in reports or _own(node)):
                classes[node.name] = node
    found: dict[str, dict[str, object]] = {}
    for name, node in sorted(classes.items()):
        keys = list(reports.get(name, ()))
        if not keys:
            written = [_own(classes[base]) for base in map(_name, node.bases) if base in classes] + [_own(node)]
            keys = [key for method in written if method for key in _keys(method)]
        text = " ".join((ast.get_docstring(node) or "").split())
        bodies = [*node.body, *(each for base in node.bases if (b := classes.get(_name(base))) for each in b.body)]
        held = {_name(each) for field in bodies if isinstance(field, ast.AnnAssign) for each in ast.walk(field)}
        parts = sorted(held & set(classes) - {name})
        if keys:
            found[name] = {"text": text, "fields": list(dict.fromkeys(keys)), "parts": parts}
    return found


def _reports() -> dict[str, list[str]]:
    """The fields that `Report.as_json` gives each class."""
    for module in pkgutil.walk_packages(model_cache.__path__, f"{model_cache.__name__}."):
        importlib.import_module(module.name)
    found: dict[str, list[str]] = {}
    for cls in _subclasses(Report):
        attributes = [each.name for each in fields(cls) if each.metadata.get("json", True)]
        names = {"model_id": "id", cls.json_bytes: "bytes"}
        found[cls.__name__] = [names.get(name, name) for name in (*cls.json_extra, *attributes)]
    return found


def _subclasses(cls: type[Report]) -> Iterator[type[Report]]:
    for each in cls.__subclasses__():
        yield each
        yield from _subclasses(each)


def _own(node: ast.ClassDef) -> ast.FunctionDef | None:
    return next((each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "as_json"), None)


def _keys(method: ast.AST, prefix: str = "") -> Iterator[str]:
    for node in ast.iter_child_nodes(method):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant):
                    path = prefix + str(key.value)
                    yield path
                    inner = f"{path}[]." if isinstance(value, ast.ListComp) else f"{path}."
                    yield from _keys(ast.Expression(value), inner)
                else:
                    yield from _keys(value, prefix)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
            key_node = node.targets[0].slice
            if isinstance(key_node, ast.Constant):
                yield prefix + str(key_node.value)
        else:
            yield from _keys(node, prefix)


def _modules(folder: str) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted((SOURCE / folder).rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _same(what: str, code: set[Any], described: set[Any]) -> None:
    if code != described:
        raise SystemExit(
            f"{what}: the code has {sorted(code - described)} and scripts/reference/descriptions.py does not; it "
            f"describes {sorted(described - code)}, which the code has not. Fix: edit descriptions.py."
        )


def document() -> dict[str, Any]:
    """Everything."""
    return {
        "environment": environment(),
        "fleet_environment": fleet_environment(),
        "http": http(),
        "commands": commands(),
        "exit_codes": exit_codes(),
        "errors": errors(),
        "json": results(),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(document(), indent=1, ensure_ascii=False) + "\n")
