"""Plays one seed of a family, and checks what must hold after every fault."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.commands import CommandServer, FaultError
from tests.faults.families import Family
from tests.faults.stage import BYSTANDER, MODEL, Stage


class Player:
    """Plays families against the source of `server`, each in a folder of its own with a bystander in the cache."""

    def __init__(self, server: CommandServer, folder: Path) -> None:
        self._server = server
        self._folder = folder
        self._filled = folder / "filled"
        Stage(self._filled, random.Random("filled"), server).close()

    def play(self, family: Family, seed: int) -> str:
        """What happened. Raises FaultError when the end is wrong, LeftOutError where the machine can't make it."""
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        stage = Stage(folder, random.Random(f"{family.name} {seed}"), self._server, self._filled)
        try:
            what = family.play(stage) or ""
            _check(stage)
            return what
        finally:
            stage.close()
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def player(source: Path) -> Iterator[Player]:
    """A player of the package below `source`."""
    server = CommandServer(source)
    try:
        with tempfile.TemporaryDirectory(prefix="faults-") as folder:
            yield Player(server, Path(folder))
    finally:
        server.close()


def _check(stage: Stage) -> None:
    """The bystander is whole, the model can be downloaded now and is right, nothing unused is left that no command
    deletes, and `status` and `verify` agree.
    """
    stage.calm()
    if stage.bystander:
        try:
            stage.served(BYSTANDER)
        except FaultError as error:
            raise FaultError(f"the other model was harmed: {error}") from None
    if stage.after == "whole":
        stage.prefetch().succeeded()
        stage.served()
    stage.run("clear", "--orphans", "--yes").succeeded()
    if left := [str(path.relative_to(stage.home)) for path in stage.unused()]:
        raise FaultError(f"`clear --orphans` leaves {len(left)} files that nothing uses: {', '.join(left[:3])}")
    verified = {(each["id"], each["revision"]): each for each in stage.run("verify", "--json").json["models"]}
    for line in stage.run("status", "--json").json["models"]:
        one = verified.get((line["id"], line["revision"]))
        if one is None:
            continue
        if one["ok"] and not line["complete"]:
            raise FaultError(f"`verify` calls {one['id']} ok, `status` incomplete: {line}")
        if line["complete"] and one["missing"]:
            raise FaultError(f"`status` calls {one['id']} complete, `verify` misses {one['missing']}")
    wanted = {BYSTANDER} if stage.bystander else set()
    for model_id in wanted | ({MODEL} if stage.after == "whole" else set()):
        if not (one := verified.get((model_id, stage.commit(model_id)))) or not one["ok"]:
            raise FaultError(f"`verify` does not call {model_id} ok: {one}")
