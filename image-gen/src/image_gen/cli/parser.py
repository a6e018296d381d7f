"""The options of the command `image-gen`, with their help. Defaults come from the environment."""

import argparse
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

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


def parser(env: Mapping[str, str]) -> argparse.ArgumentParser:
    """The parser of all commands."""
    top = argparse.ArgumentParser(
        prog="image-gen",
        description="Serves images, and manages the model cache.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    group = _Commands(commands, env)
    group.serving()
    group.making_room()
    group.moving()
    group.manifests()
    return top


class _Commands:
    """Adds the commands, in groups."""

    def __init__(self, commands: "_SubParsers", env: Mapping[str, str]) -> None:
        self._commands = commands
        self._env = env
        self._served = env.get("MODEL_ID") or DEFAULT_MODEL

    def serving(self) -> None:
        self._add("serve", "Serve images over HTTP. Configured by environment variables.")
        self._add("status", "Show the cached models, whether they are complete, and the free space on the volume.")
        prefetch = self._add("prefetch", "Download the missing files of a model, so that a start needs no download.")
        self._add_model(prefetch, self._served)
        self._add_revision(prefetch)
        verify = self._add("verify", "Hash every cached file, offline, and list the damaged ones.")
        self._add_model(verify, None)
        verify.add_argument(
            "--repair", action="store_true", help="delete damaged files, so that they are downloaded again"
        )
        doctor = self._add("doctor", "Check the cache, and print a fix for each problem.")
        self._add_model(doctor, self._served)
        self._add_revision(doctor)

    def making_room(self) -> None:
        clear = self._add("clear", "Delete models from the volume. The next start downloads its model again.")
        which = clear.add_mutually_exclusive_group(required=True)
        which.add_argument("--model", metavar="ID", help="the model to delete")
        which.add_argument("--all", action="store_true", help="delete every model")
        which.add_argument("--orphans", action="store_true", help="delete only files that no model uses")
        clear.add_argument(
            "--yes", action="store_true", help="confirm the deletion; without it, only show what would be deleted"
        )
        clear.add_argument("--dry-run", action="store_true", help="only show what would be deleted")
        clear.add_argument("--force", action="store_true", help="also delete a model that a service is using")
        gc = self._add(
            "gc", "Free disk space: delete orphans, then least-recently-used models. Never one in use, nor MODEL_ID."
        )
        gc.set_defaults(served=[each for each in (self._served, self._env.get("VAE_ID")) if each])
        limits = gc.add_mutually_exclusive_group(required=True)
        limits.add_argument(
            "--older-than",
            type=_seconds,
            metavar="AGE",
            help="delete models that were not used for this long: 30d, 12h",
        )
        limits.add_argument(
            "--keep-free", type=_bytes, metavar="SIZE", help="delete until this much is free: 20GB, 500MB"
        )
        gc.add_argument("--dry-run", action="store_true", help="only show what would be deleted")

    def moving(self) -> None:
        backup = self._add(
            "backup", "Write the complete models to a tar archive that `restore`, or plain tar, can restore."
        )
        self._add_model(backup, None)
        backup.add_argument("--output", default="-", metavar="FILE", help="a file, s3://bucket/key; - is stdout")
        how = backup.add_mutually_exclusive_group()
        for name, endings in (("gzip", ".gz or .tgz"), ("zstd", ".zst or .tzst, fast")):
            text = f"compress; the default for a name that ends in {endings}"
            how.add_argument(f"--{name}", dest="compress", action="store_const", const=name, help=text)
        restore = self._add("restore", "Restore models from a backup. Nothing changes before all of it is verified.")
        restore.add_argument("--input", default="-", metavar="FILE", help="a file, s3://bucket/key; - is stdin")
        bake = self._add("bake", "Export a model as a plain directory for a container image.")
        self._add_model(bake, None, required=True)
        self._add_revision(bake)
        bake.add_argument(
            "--output", dest="output_dir", default="/opt/models", metavar="DIR", help="default: /opt/models"
        )
        bake.add_argument("--vae", metavar="ID", help="also export a VAE that replaces the model's own")
        bake.add_argument(
            "--cache", metavar="DIR", help="where downloads are kept (default: the cache of the environment)"
        )

        mirror = self._add("mirror", "Export a model for IMAGE_GEN_MIRROR, for hosts without access to a hub.")
        self._add_model(mirror, self._served)
        self._add_revision(mirror)
        mirror.add_argument(
            "--output", dest="output_dir", required=True, metavar="DIR", help="a directory, or s3://bucket/prefix"
        )

    def manifests(self) -> None:
        resolve = self._add(
            "resolve", "Print the manifest of a model: its commit and the files that would be downloaded."
        )
        self._add_model(resolve, self._served)
        self._add_revision(resolve)
        models = self._add("models", "Create and check manifests, which pin a model to a commit and its files by hash.")
        what = models.add_subparsers(dest="what", required=True, metavar="COMMAND")
        lock = _add(what, "lock", "Create a manifest from the hub, and list the excluded files on stderr.")
        lock.add_argument("model", metavar="ID", help="the model's id on the hub")
        lock.add_argument("--revision", default="", help="commit, tag or branch (default: main)")
        lock.add_argument("--output", dest="manifest", metavar="FILE", help="write it to this file")
        lock.add_argument(
            "--allow-pickle",
            action="store_true",
            help="accept weights that can run code when loaded, where there are no others",
        )
        check = _add(what, "check", "Compare the bundled manifests with the hub at their commits, file by file.")
        check.add_argument("models", nargs="*", metavar="ID", help="only these models")
        for command in (lock, check):
            # Without a default, which would override a --json before the name.
            command.add_argument(
                "--json", action="store_true", default=argparse.SUPPRESS, help="print the result as JSON"
            )

    def _add(self, name: str, text: str) -> argparse.ArgumentParser:
        command = _add(self._commands, name, text)
        if name != "serve":
            command.add_argument("--json", action="store_true", help="print the result as JSON")
        return command

    def _add_model(self, command: argparse.ArgumentParser, default: str | None, required: bool = False) -> None:
        shown = f" (default: {default})" if default else ""
        command.add_argument("--model", default=default, required=required, metavar="ID", help=f"a model's id{shown}")

    def _add_revision(self, command: argparse.ArgumentParser) -> None:
        known = self._env.get("MODEL_REVISION", "")
        command.add_argument("--revision", default=known, help="commit, tag or branch (default: the manifest's)")


def _add(commands: "_SubParsers", name: str, text: str) -> argparse.ArgumentParser:
    return commands.add_parser(
        name, help=text, description=text, epilog=EXIT_CODES, formatter_class=argparse.RawDescriptionHelpFormatter
    )


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
