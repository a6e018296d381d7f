"""The hub's token: where it was given, and whether it can be used.

Nothing that was given is dropped in silence: a token that can't be used is a problem with a name, which the download
reports, and not an error of every start. Messages never show a part of a token.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from image_gen import reader

# The second is the older name, which Hugging Face's own client still reads.
_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
# Names that people know from other tools, and that nothing here reads.
_OTHERS = (
    "HUGGINGFACE_TOKEN",
    "HUGGINGFACE_HUB_TOKEN",
    "HUGGINGFACEHUB_API_TOKEN",
    "HF_API_TOKEN",
    "HUGGINGFACE_API_KEY",
)
_LONGEST = 4096


@dataclass(frozen=True)
class HubToken:
    """`variable` says how it was given. With a `problem` there is no `value`."""

    value: str | None = field(default=None, repr=False)
    variable: str = "HF_TOKEN"
    problem: str = ""


def find_token(env: Mapping[str, str], login_file: Path) -> HubToken:
    """The token of the environment, or of the file that `hf auth login` writes."""
    path = env.get("HF_TOKEN_PATH")
    for variable in _VARIABLES:
        if text := env.get(variable):
            return _checked(text, variable)
    if path:
        return read_token(Path(path).expanduser(), "HF_TOKEN_PATH")
    if os.path.lexists(login_file):
        return read_token(login_file, str(login_file))
    # Not by `get`, which counts as reading the variable.
    other = next((name for name in _OTHERS if name in env and env[name]), None)  # noqa: RUF019 -- see above
    if other is None:
        return HubToken()
    return HubToken(None, other, f"{other} is not read. Fix: {reader.setting('HF_TOKEN', 'hf_…')}.")


def read_token(path: Path, variable: str) -> HubToken:
    """The token in a file."""
    where = variable if variable == str(path) else f"{variable}={path}"
    try:
        content = path.read_bytes()[: _LONGEST + 1]
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return _unusable(where, "it is not a text file")
    except IsADirectoryError:
        return _unusable(where, "it is a directory, and a file is expected")
    except PermissionError:
        return _unusable(where, f"user {os.geteuid()}:{os.getegid()} may not read it")
    except OSError as error:
        return _unusable(where, error.strerror.lower() if error.strerror else str(error))
    return _checked(text, where)


def _checked(text: str, where: str) -> HubToken:
    token = text.strip().removeprefix("\ufeff").strip()
    if not token:
        return _unusable(where, "it is empty")
    problem = _problem(token)
    return _unusable(where, problem) if problem else HubToken(token, where)


def _problem(token: str) -> str:
    if token[0] in "\"'" or token[-1] in "\"'":
        return "there are quotes around it, which are part of the value"
    if token.lower().startswith("bearer "):
        return "it begins with the word Bearer"
    if any(each.isspace() for each in token):
        return "there are spaces or line breaks in it"
    if not token.isascii() or not token.isprintable() or len(token) > _LONGEST:
        return "it has other characters than a token like hf_…"
    if token[0] in "$<" or set(token) <= {"*", "x", "X"}:
        return "it is a placeholder"
    return ""


def _unusable(where: str, why: str) -> HubToken:
    return HubToken(
        None, where, f"The token of {where} can't be used: {why}. Fix: {reader.setting('HF_TOKEN', 'hf_…')}."
    )
