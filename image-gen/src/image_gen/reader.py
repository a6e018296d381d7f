"""Who reads the messages of this process: which command reaches the cache, and how settings and places are called.

Comes in: IMAGE_GEN_COMMAND and IMAGE_GEN_MOUNTS, which the outer command, the plan and Compose set. Goes out: commands
and paths that exist for the reader. Must not: touch the cache.
"""

import json
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from image_gen.mounts import container_id, is_reachable, mount_point, mounted_source

INNER: Final = "image-gen"
# A variable of the service, and the key of the stack's config that sets it.
CONFIG_KEYS: Final = {
    "MODEL_ID": "modelId",
    "MODEL_REVISION": "modelRevision",
    "VAE_ID": "vaeId",
    "HF_ENDPOINT": "hubEndpoint",
    "HF_HUB_OFFLINE": "offline",
    "HF_HUB_DOWNLOAD_TIMEOUT": "downloadTimeoutSeconds",
    "IMAGE_GEN_MIRROR": "modelMirror",
    "IMAGE_GEN_HOST_CACHE": "hostCache",
    "SSL_CERT_FILE": "caFile",
    "HTTP_PROXY": "httpProxy",
    "HTTPS_PROXY": "httpsProxy",
    "NO_PROXY": "noProxy",
}


@dataclass
class Reader:
    """`command` ends in `image-gen` where the reader runs this package's own command; otherwise it is the outer one,
    with the options that select the stack. `mounts`: what the reader calls the places in a container.
    """

    command: str = INNER
    mounts: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_outside(self) -> bool:
        """Whether the outer command is the reader's."""
        return not self.command.endswith(INNER)

    @property
    def parts(self) -> tuple[str, str]:
        """The outer command, and its options with a leading space."""
        found = re.match(r"(.*?)((?: --(?=\w).*)?)$", self.command)
        return (found[1], found[2]) if found else (self.command, "")

    def prog(self, name: str) -> str:
        """How the reader calls a command, without arguments."""
        if not self.is_outside:
            return f"{self.command} {name}"
        group = "" if name.partition(" ")[0] == "doctor" else "cache "
        return f"{self.parts[0]} {group}{name}"


_reader = Reader()


def address_reader(env: Mapping[str, str]) -> None:
    """Reads the variables, once, at the start of a process."""
    try:
        mounts = json.loads(env.get("IMAGE_GEN_MOUNTS") or "{}")
    except ValueError:
        mounts = {}
    named = {str(path): str(name) for path, name in mounts.items()} if isinstance(mounts, dict) else {}
    _reader.command = " ".join(env.get("IMAGE_GEN_COMMAND", "").split()) or INNER
    _reader.mounts = named


def has_mounts() -> bool:
    """Whether the service runs in a container that Docker made for the reader."""
    return bool(_reader.mounts)


def prog(name: str = "") -> str:
    """How the reader calls a command of this package; without a name, the command itself."""
    return _reader.prog(name) if name else (_reader.parts[0] if _reader.is_outside else INNER)


def argument(inner: str, outer: str) -> str:
    """How the reader gives an argument that the outer command calls otherwise."""
    return outer if _reader.is_outside else inner


def cache_command(text: str) -> str:
    """A command on the cache as the reader types it: `verify --repair` becomes `imagegen cache verify --repair`."""
    if _reader.is_outside:
        # The outer command takes an archive as an argument.
        text = text.replace(" --input ", " ").replace(" --output ", " ")
    name, _, rest = text.partition(" ")
    return f"{_reader.prog(name)}{' ' if rest else ''}{rest}{_reader.parts[1] if _reader.is_outside else ''}"


def manifest_command(model_id: str) -> str:
    """How the reader makes a manifest, which the outer command can't."""
    if _reader.is_outside:
        return f"make a manifest of {model_id} as docs/guides/models.md says"
    return f"`{_reader.command} models lock {model_id} --output FILE` makes a manifest"


def setting(variable: str, value: str) -> str:
    """How the reader gives a variable a value: `set HF_ENDPOINT=<address>`, or by the stack's config."""
    key = CONFIG_KEYS.get(variable)
    if not _reader.is_outside:
        return f"set {variable}={value}" if value else f"unset {variable}"
    command, options = _reader.parts
    if variable == "HF_TOKEN":
        return f"HF_TOKEN={value or 'hf_…'} {command} up{options}"
    if key == "offline":
        value = {"": "false", "0": "false", "1": "true"}.get(value, value)
    if key is None:
        return f"set {variable}={value} in the service's environment"
    return f"{command} up{options} --config {key}={value}"


def place(path: Path) -> str:
    """A path as the reader calls it: the host's own for a directory that is mounted into a container."""
    mounted, source = _source_of(path)
    if mounted is None or not source.startswith("/"):
        return str(path)
    return str(Path(source) / path.relative_to(mounted))


def owner_fix(path: Path) -> str:
    """The command that gives a directory, which need not exist, to this user."""
    owner = f"{os.geteuid()}:{os.getegid()}"
    mounted, source = _source_of(path)
    inside = container_id()
    if mounted is not None and inside and not source.startswith("/"):
        image = f"$(docker inspect --format '{{{{.Image}}}}' {inside})"
        return f"docker run --rm --user 0:0 --volumes-from {inside} --entrypoint chown {image} -R {owner} {mounted}"
    theirs = Path(place(path) if mounted is None or is_reachable(path) else source)
    shown = shlex.quote(str(theirs))
    make = "" if is_reachable(path) or mounted is not None else f"mkdir -p {shown} && "
    return f"as root{' on the host' if mounted is not None else ''}: {make}chown -R {owner} {shown}"


def _source_of(path: Path) -> tuple[Path | None, str]:
    """The mount of a container that holds a path, and what the reader calls it; None for the process's own places."""
    for mounted, name in _reader.mounts.items():
        if path.is_relative_to(mounted):
            return Path(mounted), name
    found = mount_point(path) if container_id() else None
    if found is None or found.path == Path(found.path.anchor):
        return None, ""
    return found.path, mounted_source(found)
