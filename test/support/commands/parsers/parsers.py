"""Parses commands by the parsers of `image-gen` (argparse), `hf` (Click) and `aws` (botocore's models). Runs none.

In: a list of commands on stdin, each a list of words, as JSON. Out: for each what is wrong with it, or null, as JSON.
"""

import contextlib
import io
import json
import sys
from collections.abc import Sequence
from typing import Any

# Commands of the AWS CLI's own, which are no operations of a service.
_OWN = {
    ("configure", "sso"): set[str](),
    ("logs", "tail"): {"--follow", "--log-stream-name-prefix", "--since"},
    ("sso", "login"): {"--profile"},
    ("s3", "cp"): {"--expected-size", "--only-show-errors", "--region"},
    ("s3", "ls"): {"--region"},
}
_GLOBAL = {"--region": True, "--profile": True, "--query": True, "--output": True, "--no-cli-pager": False}
_SERVICES = {"s3api": "s3"}
# What these do is the same in every region, or names the region itself.
_WITHOUT_REGION = {"iam", "sts", "s3api"}


def image_gen(words: Sequence[str]) -> str | None:
    from image_gen.cli.parser import parser

    output = io.StringIO()
    try:
        with contextlib.redirect_stderr(output), contextlib.redirect_stdout(output):
            parser({}).parse_args([word for word in words if word != "…"])
    except SystemExit as end:
        problem = output.getvalue().strip().splitlines()[-1]
        # Something is left out, so that only what is there can be wrong.
        lacks = "…" in words and ("are required:" in problem or "expected one argument" in problem)
        return problem if end.code and not lacks else None
    return None


def hf(words: Sequence[str]) -> str | None:
    import click
    from huggingface_hub.cli.hf import app

    command: Any = app
    rest = [word for word in words if word != "…"]
    context = click.Context(command, info_name="hf")
    while isinstance(command, click.Group):
        if not rest:
            return None
        found = command.get_command(context, rest[0])
        if found is None:
            return f"hf has no command {rest[0]}"
        command, rest = found, rest[1:]
        context = click.Context(command, info_name=command.name, parent=context)
    # Its options are loaded when the command is chosen.
    if hasattr(command, "materialize"):
        command = command.materialize()
    try:
        command.make_parser(context).parse_args(args=list(rest))
    except click.ClickException as error:
        return error.format_message()
    return None


def aws(words: Sequence[str]) -> str | None:
    import botocore.session
    from botocore import xform_name
    from botocore.exceptions import UnknownServiceError

    service, *rest = words
    operation, *arguments = rest or [""]
    flags = dict(_flags(arguments))
    if (service, operation) in _OWN:
        return _unknown(flags, _OWN[service, operation])
    try:
        model = botocore.session.get_session().get_service_model(_SERVICES.get(service, service))
    except UnknownServiceError:
        return f"aws has no command {service}"
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    if operation not in operations:
        return f"aws {service} has no command {operation}"
    shape = model.operation_model(operations[operation]).input_shape
    return _wrong_arguments(f"aws {service} {operation}", shape, flags, partial="…" in words) or (
        None
        if service in _WITHOUT_REGION or "--region" in flags or "…" in words
        else f"aws {service} {operation} asks the reader's own region: --region is missing"
    )


def _wrong_arguments(command: str, shape: Any, flags: dict[str, str], *, partial: bool) -> str | None:
    from botocore import xform_name

    members = {f"--{xform_name(name, '-')}": member for name, member in (shape.members.items() if shape else ())}
    booleans = {f"--no-{name[2:]}" for name, member in members.items() if member.type_name == "boolean"}
    required = {f"--{xform_name(name, '-')}" for name in (shape.required_members if shape else ())}
    problem = _unknown(flags, set(members) | booleans)
    lacks = {name for name in required if name not in flags and f"--no-{name[2:]}" not in booleans & set(flags)}
    return problem or (f"{command} needs {', '.join(sorted(lacks))}" if lacks and not partial else None)


def _flags(arguments: Sequence[str]) -> list[tuple[str, str]]:
    named = [(at, word) for at, word in enumerate(arguments) if word.startswith("--")]
    return [(word.split("=")[0], arguments[at + 1] if at + 1 < len(arguments) else "") for at, word in named]


def _unknown(flags: dict[str, str], known: set[str]) -> str | None:
    unknown = sorted(set(flags) - known - set(_GLOBAL))
    return f"aws has no option {', '.join(unknown)} there" if unknown else None


_PARSERS = {"image-gen": image_gen, "hf": hf, "aws": aws}

if __name__ == "__main__":
    json.dump([_PARSERS[program](words) for program, *words in json.load(sys.stdin)], sys.stdout)
