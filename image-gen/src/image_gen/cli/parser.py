"""The options of the command `image-gen`, with their help. Defaults come from the environment."""

import argparse
import re
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from image_gen import reader
from image_gen.model_cache.core.settings import DEFAULT_MODEL

EXIT_CODES = """\
exit codes:
  0  done
  1  failed; the line on stderr gives the reason and the fix (doctor: a check failed; gc: the target was not met)
  2  wrong arguments
  3  damage found: in the cache (verify, backup, bake), in a backup (restore) or in a manifest (models check)
  4  refused: `clear` without --yes or of a model in use, a backup that would write outside the cache
  130  interrupted; what has arrived is kept
"""

if TYPE_CHECKING:
    _SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]

# The arguments of `add_argument` for one option.
_Option = dict[str, Any]


def _flag(text: str, **others: Any) -> _Option:
    return {"action": "store_true", "help": text, **others}


def _value(metavar: str, text: str, **others: Any) -> _Option:
    return {"metavar": metavar, "help": text, **others}


def parser(env: Mapping[str, str]) -> argparse.ArgumentParser:
    """The parser of all commands."""
    served = env.get("MODEL_ID") or DEFAULT_MODEL
    model = _value("ID", f"a model's id (default: {served})", default=served)
    any_model = _value("ID", "a model's id")
    revision = {"default": env.get("MODEL_REVISION", ""), "help": "commit, tag or branch (default: the manifest's)"}
    dry_run = _flag("only show what would be deleted")
    top = argparse.ArgumentParser(
        prog=reader.prog(),
        description="Serves images, and manages the model cache.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str, **options: Any) -> argparse.ArgumentParser:
        return _add(commands, name, text, prog=reader.prog(name), **options)

    add("serve", "Serve images over HTTP. Configured by environment variables.", json=None)
    add("work", "Serve, and take jobs from the queue of a fleet. Configured by environment variables.", json=None)
    text = "Serve the API for a fleet: jobs go to its queue, and results come from its workers. Needs no GPU."
    add("gateway", text, json=None)
    add("status", "Show the cached models, whether they are complete, and the free space on the volume.")
    text = "Download the missing files of a model, so that a start needs no download."
    add("prefetch", text, model=model, revision=revision)
    repair = _flag("set damaged files aside, so that they are downloaded again")
    add("verify", "Hash every cached file, offline, and list the damaged ones.", model=any_model, repair=repair)
    text = "Measure how fast this machine reads, loads and calculates, for `imagegen plan`. Takes half a minute."
    add("measure", text)
    add("doctor", "Check the cache, and print a fix for each problem.", model=model, revision=revision)

    add(
        "clear",
        "Delete models, or one revision, from the volume. The next start downloads its model again.",
        one_of={
            "model": _value("ID", "the model to delete"),
            "all": _flag("delete every model"),
            "orphans": _flag("delete only files that no model uses"),
        },
        revision=_value("REVISION", "only this commit, branch or tag of the model, and what no other one uses"),
        yes=_flag("confirm the deletion; without it, only show what would be deleted"),
        dry_run=dry_run,
        force=_flag("also delete a model that a service is using"),
    )
    add(
        "gc",
        "Free disk space: delete orphans, then least-recently-used models. Never one in use, nor MODEL_ID.",
        one_of={
            "older_than": _value("AGE", "delete models that were not used for this long: 30d, 12h", type=_seconds),
            "keep_free": _value("SIZE", "delete until this much is free: 20GB, 500MB", type=_bytes),
        },
        dry_run=dry_run,
    )

    output = _value("FILE", "a file, s3://bucket/key; - is stdout", default="-")
    text = "Write the complete models to a tar archive that `restore`, or plain tar, can restore."
    how = add("backup", text, model=any_model, output=output).add_mutually_exclusive_group()
    for name, endings in (("gzip", ".gz or .tgz"), ("zstd", ".zst or .tzst, fast")):
        text = f"compress; the default for a name that ends in {endings}"
        how.add_argument(f"--{name}", dest="compress", action="store_const", const=name, help=text)
    archive = _value("FILE", "a file, s3://bucket/key; - is stdin", default="-")
    add("restore", "Restore models from a backup. Nothing changes before all of it is verified.", input=archive)
    add(
        "bake",
        "Export a model as a plain directory for a container image.",
        model=any_model | {"required": True},
        revision=revision,
        output=_value("DIR", "default: /opt/models", dest="output_dir", default="/opt/models"),
        vae=_value("ID", "also export a VAE that replaces the model's own"),
        loras=_value("LIST", "LoRAs that are exported too, as IMAGE_GEN_LORAS names them"),
        cache=_value("DIR", "where downloads are kept (default: the cache of the environment)"),
    )
    place = _value("DIR", "a directory, or s3://bucket/prefix", dest="output_dir", required=True)
    text = (
        "Export a model for IMAGE_GEN_MIRROR, for hosts without access to a hub; MODEL_ID with its VAE_ID, safety "
        "checker and LoRAs."
    )
    own = _value(
        "PATH", "export this directory, checkpoint or LoRA of your own in place of a model of the Hub, as --model"
    )
    # Without a default: `--own` takes none, and one of the environment is no argument.
    add("mirror", text, model=model, revision=revision | {"default": None}, own=own, output=place)

    text = "Print the manifest of a model: its commit and the files that would be downloaded."
    add("resolve", text, model=model, revision=revision)
    models = add("models", "Create and check manifests, which pin a model to a commit and its files by hash.")
    # Without a default, which would override a --json before the name.
    json = _JSON | {"default": argparse.SUPPRESS}
    add_manifest = partial(_add, models.add_subparsers(dest="what", required=True, metavar="COMMAND"), json=json)
    lock = add_manifest(
        "lock",
        "Create a manifest from the hub, and list the excluded files on stderr.",
        revision={"default": "", "help": "commit, tag or branch (default: main)"},
        output=_value("FILE", "write it to this file", dest="manifest"),
        allow_pickle=_flag("accept weights that can run code when loaded, where there are no others"),
    )
    lock.add_argument("model", metavar="ID", help="the model's id on the hub")
    check = add_manifest("check", "Compare the bundled manifests with the hub at their commits, file by file.")
    check.add_argument("models", nargs="*", metavar="ID", help="only these models")
    return top


_JSON = _flag("print the result as JSON")


def _add(
    commands: "_SubParsers",
    name: str,
    text: str,
    *,
    prog: str | None = None,
    json: _Option | None = _JSON,
    one_of: Mapping[str, _Option] | None = None,
    **options: _Option,
) -> argparse.ArgumentParser:
    about: dict[str, Any] = {"prog": prog} if prog else {}
    about |= {"epilog": EXIT_CODES, "formatter_class": argparse.RawDescriptionHelpFormatter}
    command = commands.add_parser(name, help=text, description=text, **about)
    command.set_defaults(parser=command)
    group = command.add_mutually_exclusive_group(required=True) if one_of else command
    for place, table in ((command, {"json": json} if json else {}), (group, one_of or {}), (command, options)):
        for option, arguments in table.items():
            place.add_argument(f"--{option.replace('_', '-')}", **arguments)
    return command


def _seconds(text: str) -> float:
    """An age such as 30d, 12h or 4w, in seconds."""
    return _amount(text, {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}, "an age like 30d, 12h or 4w")


def _bytes(text: str) -> int:
    """A size such as 20GB, in bytes; units are powers of ten, with an i (GiB) powers of two."""
    units = {"": 1} | {name: 1000**power for power, name in enumerate(("B", "kB", "MB", "GB", "TB"))}
    units |= {name: 1024**power for power, name in enumerate(("KiB", "MiB", "GiB", "TiB"), 1)}
    return int(_amount(text, units, "a size like 20GB, 500MB or 10GiB"))


def _amount(text: str, units: Mapping[str, int], expected: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", text.strip())
    by_name = {name.lower(): size for name, size in units.items()}
    if not found or found[2].lower() not in by_name:
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
    return float(found[1]) * by_name[found[2].lower()]
