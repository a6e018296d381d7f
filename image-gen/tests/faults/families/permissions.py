"""Directories and files of the cache that the service's user may not read."""

from __future__ import annotations

import os
from pathlib import Path

from tests.faults.commands import FaultError
from tests.faults.families import family
from tests.faults.stage import BYSTANDER, MODEL, NOBODY, Stage


def _own(stage: Stage) -> None:
    """The whole cache belongs to nobody, as a service's does."""
    stage.prefetch().succeeded()
    stage.open_to_others()
    for path in [stage.home, *stage.home.rglob("*")]:
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


def _closed(path: Path) -> None:
    os.chown(path, 0, 0)
    path.chmod(0o700 if path.is_dir() else 0o600)


def _directory(stage: Stage) -> Path:
    """Any directory that a command on the model has to look into."""
    below = [path for path in stage.cached().rglob("*") if path.is_dir() and path.name != "refs"]
    return stage.noise.choice(sorted([stage.home, stage.home / "hub", stage.cached(), *below]))


@family("directory of root", cause=6)
def directory_of_root(stage: Stage) -> str:
    _own(stage)
    place = _directory(stage)
    _closed(place)
    command = stage.noise.choice([["prefetch"], ["verify"], ["verify", "--repair"], ["backup", "--output", "x.tar"]])
    ended = stage.run(*command, "--model", MODEL, user=NOBODY).failed()
    if "chown" not in ended.error + ended.text:
        raise FaultError(f"{ended} with {place.relative_to(stage.folder)} closed: {(ended.error + ended.text)[-300:]}")
    stage.served()
    return f"{' '.join(command)} with {place.relative_to(stage.folder)} closed"


@family("reports on a directory of root", cause=6)
def reports(stage: Stage) -> str:
    _own(stage)
    place = _directory(stage)
    _closed(place)
    command = stage.noise.choice(
        [["status"], ["doctor", "--model", MODEL], ["clear", "--model", MODEL, "--yes"], ["gc", "--older-than", "1d"]]
    )
    ended = stage.run(*command, user=NOBODY)
    if command[0] == "status" and ended.code == 0 and "UNREADABLE" not in ended.text:
        raise FaultError(f"{ended} with {place.relative_to(stage.folder)} closed: {ended.text[-300:]}")
    if command[0] == "doctor" and "chown" not in ended.text:
        raise FaultError(f"{ended} with {place.relative_to(stage.folder)} closed: {ended.text[-300:]}")
    stage.served(BYSTANDER)
    return f"{' '.join(command)} with {place.relative_to(stage.folder)} closed"


@family("file of root", cause=6)
def file_of_root(stage: Stage) -> str:
    _own(stage)
    path = stage.weights()
    _closed(path.resolve())
    name = path.relative_to(stage.snapshot()).as_posix()
    ended = stage.run("verify", "--model", MODEL, "--repair", "--json", user=NOBODY).failed()
    stage.served()
    found = next(iter(ended.json.get("models", [])), {})
    if found.get("damaged") != [] or found.get("unreadable") != [name]:
        raise FaultError(f"a file that can't be read is not said to be unreadable: {ended.json}")
    return f"{name} is closed"
