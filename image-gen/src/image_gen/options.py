"""The options of the command `image-gen`, its help and its exit codes.

Comes in: the environment, for defaults. Goes out: a parser. Must not: do anything; `cli` does.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

DEFAULT_MODEL = "stabilityai/stable-diffusion-xl-base-1.0"
OK, FAILED, USAGE, DAMAGED, REFUSED, INTERRUPTED = 0, 1, 2, 3, 4, 130
EXIT_CODES = """\
exit codes:
  0  done
  1  failed; the line on stderr says why and what to do
  2  wrong arguments
  3  damage found: in the cache (verify, backup, bake), in a backup (restore) or in a manifest (models check)
  4  refused: `clear` without --yes, a backup that would write outside the cache
  130  interrupted; what has arrived is kept
"""


def parser(env: Mapping[str, str]) -> argparse.ArgumentParser:
    """Everything that can be asked of the command."""
    top = argparse.ArgumentParser(
        prog="image-gen",
        description="Serves pictures, and looks after the cache of the model's files.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(
            name, help=text, description=text, epilog=EXIT_CODES, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if name != "serve":
            command.add_argument("--json", action="store_true", help="print the result as JSON")
        return command

    def add_model(command: argparse.ArgumentParser, default: str | None, required: bool = False) -> None:
        shown = f" (default: {default})" if default else ""
        command.add_argument("--model", default=default, required=required, metavar="ID", help=f"a model's id{shown}")

    def add_revision(command: argparse.ArgumentParser) -> None:
        command.add_argument(
            "--revision", default=env.get("MODEL_REVISION", ""), help="commit, tag or branch (default: the known one)"
        )

    served = env.get("MODEL_ID") or DEFAULT_MODEL
    add("serve", "Serve pictures over HTTP; the environment says which model, where and how.")
    add("status", "Show what is cached, whether it is complete, and the room on the volume.")
    prefetch = add("prefetch", "Fetch what a model lacks, so that a start needs no download.")
    add_model(prefetch, served)
    add_revision(prefetch)
    verify = add("verify", "Hash every cached file, without a network, and name the damaged ones.")
    add_model(verify, None)
    verify.add_argument("--repair", action="store_true", help="remove damaged files, so that they are fetched again")
    clear = add("clear", "Remove models from the volume; the next start fetches its model again.")
    which = clear.add_mutually_exclusive_group(required=True)
    which.add_argument("--model", metavar="ID", help="the model to remove")
    which.add_argument("--all", action="store_true", help="remove every model")
    clear.add_argument("--yes", action="store_true", help="really remove; without it, only show what would go")
    clear.add_argument("--dry-run", action="store_true", help="only show what would go")
    backup = add("backup", "Write the complete models into a tar that `restore`, or plain tar, brings back.")
    add_model(backup, None)
    backup.add_argument("--output", default="-", metavar="FILE", help="a file; - is stdout (default)")
    backup.add_argument("--gzip", action="store_true", help="compress; a name that ends in .gz or .tgz does so too")
    restore = add("restore", "Bring models back from a backup; nothing changes before all of it is verified.")
    restore.add_argument("--input", default="-", metavar="FILE", help="a file; - is stdin (default)")
    bake = add("bake", "Lay a model down as a plain directory for a container image.")
    add_model(bake, None, required=True)
    add_revision(bake)
    bake.add_argument("--output", dest="output_dir", default="/opt/models", metavar="DIR", help="default: /opt/models")
    bake.add_argument("--cache", metavar="DIR", help="where downloads are kept (default: the cache of the environment)")
    resolve = add("resolve", "Print the manifest of a model: its commit and the files that would be fetched.")
    add_model(resolve, served)
    add_revision(resolve)
    models = add("models", "Make and check manifests, which pin a model to a commit and its files to their hashes.")
    _add_models(models)
    return top


def _add_models(models: argparse.ArgumentParser) -> None:
    what = models.add_subparsers(dest="what", required=True, metavar="COMMAND")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        command = what.add_parser(
            name, help=text, description=text, epilog=EXIT_CODES, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        # Not a default of its own: that would undo a --json in front of the name.
        command.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print the result as JSON")
        return command

    lock = add("lock", "Make a manifest from the hub; what it leaves out, and why, is told on stderr.")
    lock.add_argument("model", metavar="ID", help="the model's id on the hub")
    lock.add_argument("--revision", default="", help="commit, tag or branch (default: main)")
    lock.add_argument("--output", dest="manifest", metavar="FILE", help="write it here, whole or not at all")
    lock.add_argument(
        "--allow-pickle", action="store_true", help="take weights that can run code when loaded, where no others are"
    )
    check = add("check", "Compare the shipped manifests with the hub at their commits, file by file.")
    check.add_argument("models", nargs="*", metavar="ID", help="only these models")
