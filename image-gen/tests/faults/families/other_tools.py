"""Caches that another tool made: incomplete ones, and plain files instead of links."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

from tests.faults.commands import FaultError
from tests.faults.families import family
from tests.faults.stage import MODEL, Stage

_OFFLINE = {"HF_HUB_OFFLINE": "1"}


def _other_tools(stage: Stage, *, listed: bool, links: bool = True) -> Path:
    """What `hf download` leaves: no manifest of this package, and newer versions a list of files. Its snapshot."""
    stage.prefetch().succeeded()
    shutil.rmtree(stage.home / "image-gen")
    shutil.rmtree(stage.home / "hub" / ".locks")
    snapshot = stage.snapshot()
    if listed:
        files = {}
        for path in sorted(each for each in stage.repo().rglob("*") if each.is_file()):
            content = path.read_bytes()
            git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            facts: dict[str, object] = {"size": len(content), "blob_id": git}
            if path.suffix == ".safetensors":
                facts |= {"lfs_sha256": hashlib.sha256(content).hexdigest(), "lfs_size": len(content)}
            files[path.relative_to(stage.repo()).as_posix()] = facts
        trees = stage.cached() / "trees"
        trees.mkdir()
        (trees / f"{stage.commit()}.json").write_text(json.dumps({"format_version": 1, "files": files}))
    if not links:
        for path in [each for each in snapshot.rglob("*") if each.is_symlink()]:
            blob = path.resolve()
            path.unlink()
            shutil.copyfile(blob, path)
        shutil.rmtree(stage.cached() / "blobs")
    return snapshot


def _must_be_incomplete(stage: Stage, gone: str) -> None:
    ended = stage.prefetch(env=_OFFLINE).failed()
    [line] = [each for each in stage.run("status", "--json").json["models"] if each["id"] == MODEL]
    if line["complete"] or gone not in line["missing"]:
        raise FaultError(f"without {gone}, {ended}, and status says {line}")
    archive = stage.folder / "archive.tar"
    backed_up = stage.run("backup", "--output", str(archive), "--model", MODEL)
    if backed_up.code == 0:
        raise FaultError(f"without {gone}, {backed_up}")


def _file(stage: Stage, snapshot: Path) -> Path:
    """A file that the pipeline needs."""
    return stage.noise.choice(sorted(path for path in snapshot.rglob("*") if path.is_file()))


@family("interrupted hf download", cause=3)
def interrupted(stage: Stage) -> str:
    snapshot = _other_tools(stage, listed=True)
    path = _file(stage, snapshot)
    gone = path.relative_to(snapshot).as_posix()
    if stage.noise.random() < 0.5:
        path.resolve().unlink()
    path.unlink()
    _must_be_incomplete(stage, gone)
    return f"without {gone}, with hf's list of files"


@family("interrupted download without a list", cause=3)
def unlisted(stage: Stage) -> str:
    snapshot = _other_tools(stage, listed=False, links=stage.noise.random() < 0.5)
    path = _file(stage, snapshot)
    gone = path.relative_to(snapshot).as_posix()
    path.unlink()
    _must_be_incomplete(stage, gone)
    return f"without {gone}, known from the pipeline alone"


@family("only the pipeline's files", cause=3)
def only_needed(stage: Stage) -> str:
    stage.write_model(MODEL, **{"README.md": b"# hi", "big.ckpt": b"x" * 5000, "unet/model.onnx": b"y" * 5000})
    snapshot = _other_tools(stage, listed=True)
    for name in ("README.md", "big.ckpt", "unet/model.onnx"):
        (snapshot / name).unlink(missing_ok=True)
    stage.prefetch(env=_OFFLINE).succeeded()
    archive = stage.folder / "archive.tar"
    stage.run("backup", "--output", str(archive), "--model", MODEL).succeeded()
    stage.after = "any"
    return "the rest of the repository is not needed"


@family("copy cut off", cause=3)
def cut_off(stage: Stage) -> str:
    """`cp -rL` or `scp -r` that stopped in a file: without a list, only the file itself can tell."""
    header = json.dumps({"w": {"dtype": "U8", "shape": [60_000], "data_offsets": [0, 60_000]}}).encode()
    weights = len(header).to_bytes(8, "little") + header + stage.noise.randbytes(60_000)
    stage.write_model(MODEL, **{"vae/diffusion_pytorch_model.safetensors": weights})
    snapshot = _other_tools(stage, listed=False, links=False)
    name = stage.noise.choice(["vae/diffusion_pytorch_model.safetensors", "unet/config.json", "model_index.json"])
    size = stage.noise.randrange((snapshot / name).stat().st_size)
    os.truncate(snapshot / name, size)
    _must_be_incomplete(stage, name)
    return f"{name} cut to {size} bytes"


@family("damaged plain files", cause=5)
def damaged_plain(stage: Stage) -> str:
    snapshot = _other_tools(stage, listed=True, links=False)
    path = stage.weights()
    content = bytearray(path.read_bytes())
    content[stage.noise.randrange(len(content))] ^= 1
    path.write_bytes(content)
    report = stage.run("verify", "--model", MODEL, "--json").failed(3).json["models"][0]
    if report["damaged"] != [path.relative_to(snapshot).as_posix()]:
        raise FaultError(f"damage in a plain file was not found: {report}")
    stage.run("verify", "--model", MODEL, "--repair").failed(3)
    stage.prefetch(env=_OFFLINE).failed()
    return f"{path.parent.name} of plain files"


@family("plain files without a hash", cause=5)
def unprovable(stage: Stage) -> str:
    _other_tools(stage, listed=False, links=False)
    report = stage.run("verify", "--model", MODEL, "--json").failed().json["models"][0]
    if report["ok"] or not report["unprovable"] or report["damaged"]:
        raise FaultError(f"nothing could be compared, and `verify` says {report}")
    [line] = [each for each in stage.run("status", "--json").json["models"] if each["id"] == MODEL]
    if line["verified_at"]:
        raise FaultError("what was compared with nothing is noted as verified")
    stage.prefetch(env=_OFFLINE).succeeded()
    return "no hash is known, and that is what is said"


@family("backup of plain files", cause=5)
def backup_of_plain(stage: Stage) -> str:
    listed = stage.noise.random() < 0.5
    _other_tools(stage, listed=listed, links=False)
    archive = stage.folder / "archive.tar"
    stage.after = "any"
    if stage.run("backup", "--output", str(archive), "--model", MODEL).code == 0:
        elsewhere = {"HF_HOME": str(stage.folder / "elsewhere")}
        stage.run("restore", "--input", str(archive), env=elsewhere).succeeded()
        stage.prefetch(env=elsewhere | _OFFLINE).succeeded()
        stage.same_files(stage.repo(), stage.folder / "elsewhere" / stage.snapshot().relative_to(stage.home))
    return f"{'with' if listed else 'without'} a list of files"
