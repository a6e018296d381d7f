"""Several revisions of one model in a cache, some of them only in part."""

from __future__ import annotations

import os
import shutil
import time

from tests.faults.commands import FaultError
from tests.faults.families import family
from tests.faults.stage import MODEL, PIECE, Stage


def _half(stage: Stage) -> str:
    """Half of a second revision, beside the first one: of a killed download, or of another tool."""
    stage.prefetch().succeeded()
    commit = stage.commit(revision="main")
    stage.write_model(f"{MODEL}@v2", **{"README.md": b"The second one."})
    how = stage.noise.choice(["killed", "another tool's"])
    if how == "killed":
        stage.piece_bytes = stage.noise.choice([0, PIECE])
        stage.hub.panel.turn({"line_bytes_per_second": 1_000_000})
        running = stage.start("prefetch", "--model", MODEL, "--revision", "v2")
        while running.runs() and not stage.snapshot(revision="v2").is_dir():
            time.sleep(0.002)
        time.sleep(stage.noise.random() * 0.3)
        running.kill()
        stage.calm()
    else:
        place = stage.snapshot(revision="v2")
        for name in stage.noise.sample(["model_index.json", "vae/config.json", "tokenizer/tokenizer.json"], 2):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            blob = (stage.cached() / "snapshots" / commit / name).resolve()
            (place / name).symlink_to(os.path.relpath(blob, (place / name).parent))
    return f"{how} second revision"


@family("backup beside half of another revision", cause=2)
def backup_beside_half(stage: Stage) -> str:
    what = _half(stage)
    only = stage.noise.choice([[], ["--model", MODEL]])
    stage.run("backup", "--output", "backup.tar", *only).succeeded()
    shutil.rmtree(stage.home)
    stage.hub.panel.turn({"status": 500})
    stage.run("restore", "--input", "backup.tar").succeeded()
    stage.served()
    report = stage.run("verify", "--json").succeeded().json
    stage.bystander = not only
    return f"{what}: {len(report['models'])} revisions restored"


@family("half of a revision can be deleted", cause=2)
def delete_half(stage: Stage) -> str:
    what = _half(stage)
    commit = stage.commit(revision="v2")
    stage.run("clear", "--model", MODEL, "--revision", commit, "--yes").succeeded()
    if stage.snapshot(revision="v2").exists():
        raise FaultError("the revision is there after it was cleared")
    stage.served()
    if not stage.run("verify", "--json").json["ok"]:
        raise FaultError("`verify` still finds damage")
    return what


@family("half of a revision can be completed", cause=2)
def complete_half(stage: Stage) -> str:
    what = _half(stage)
    stage.run("prefetch", "--model", MODEL, "--revision", "v2").succeeded()
    stage.run("verify", "--json").succeeded()
    stage.served(revision="main")
    for path in (stage.repo(f"{MODEL}@v2")).rglob("*.*"):
        if (
            path.name != "README.md"
            and path.read_bytes()
            != (stage.snapshot(revision="v2") / path.relative_to(stage.repo(f"{MODEL}@v2"))).read_bytes()
        ):
            raise FaultError(f"{path.name} of the second revision is wrong")
    return what


@family("another tool moves main", cause=12)
def main_moved(stage: Stage) -> str:
    stage.prefetch().succeeded()
    old, before = stage.commit(), stage.snapshot()
    shutil.copytree(stage.repo(), stage.repo(f"{MODEL}@older"))
    stage.write_model(MODEL)
    shutil.copytree(stage.repo(), stage.snapshot())
    ref, new = stage.cached() / "refs" / "main", stage.commit()
    ref.write_text(new)
    # A start for which something of the older commit is missing.
    gone = stage.noise.choice(sorted(path for path in before.rglob("*") if path.is_symlink()))
    gone.unlink()
    stage.prefetch().succeeded()
    if ref.read_text() != new:
        raise FaultError(f"`prefetch` moved refs/main from {new[:8]} back to {ref.read_text()[:8]}")
    stage.after = "any"
    return f"from {old[:8]} to {new[:8]}, without {gone.name}"


@family("files appear while a model is cleared", cause=12)
def clear_while_written(stage: Stage) -> str:
    stage.prefetch().succeeded()
    running = stage.start("clear", "--model", MODEL, "--yes")
    places = [path.parent for path in stage.cached().rglob("*") if path.is_file()]
    written = 0
    while running.runs():
        place = stage.noise.choice(places)
        if place.is_dir():
            try:
                (place / f"new-{written}").write_bytes(b"another tool's")
                written += 1
            except FileNotFoundError:
                pass
    ended = running.wait().check()
    return f"{written} files: exit code {ended.code}"
