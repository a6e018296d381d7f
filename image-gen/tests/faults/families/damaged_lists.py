"""Files of JSON that are damaged, and lists of files that a hub or a mirror gets wrong."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from image_gen_demo.hub import HubHandler
from tests.faults.commands import FaultError
from tests.faults.families import family
from tests.faults.stage import BYSTANDER, MODEL, Stage

_UNET = "unet/diffusion_pytorch_model.safetensors"
_OFFLINE = {"HF_HUB_OFFLINE": "1"}
_NEEDED = ["vae/config.json", "unet/config.json", "tokenizer/tokenizer.json", _UNET]


def _damaged(stage: Stage, content: bytes) -> tuple[str, bytes]:
    middle = len(content) // 2
    how = stage.noise.choice(["cut", "empty", "not UTF-8", "nested", "endless number", "null", "a list", "surrogate"])
    return how, {
        "cut": content[:middle],
        "empty": b"",
        "not UTF-8": content[:middle] + b"\xff" + content[middle + 1 :],
        "nested": b'{"schema": ' + b"[" * 200_000,
        "endless number": b'{"schema": 1e400, "size": 1e400, "_class_name": Infinity}',
        "null": b"null",
        "a list": b'[{"path": 5}]',
        "surrogate": b'{"format_version": 1, "files": {"\\ud800": {"size": 5, "blob_id": "x"}}, "id": "\\ud800"}',
    }[how]


@family("damaged file of JSON of one model", cause=3)
def damaged_json(stage: Stage) -> str:
    """Cut, not UTF-8, nested without end: an error of this file, of this model alone, and one that heals."""
    stage.prefetch().succeeded()
    manifest = stage.home / "image-gen" / "manifests" / "test--model.json"
    tree = stage.cached() / "trees" / f"{stage.commit()}.json"
    stamp = stage.home / "image-gen" / "stamps" / f"test--model@{stage.commit()}.json"
    which = stage.noise.choice(
        ["model_index.json", "model_index.json", "unet/config.json", "tree", "manifest", "stamp"]
    )
    place = {"tree": tree, "manifest": manifest, "stamp": stamp}.get(which) or (stage.snapshot() / which).resolve()
    if "/" in which or which.endswith(".json") or which == "tree":
        manifest.unlink()
    how, content = _damaged(stage, place.read_bytes() if place.exists() else b'{"format_version": 1, "files": {}}')
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    for command in (["status"], ["doctor"], ["gc", "--older-than", "30d"], ["verify"], ["verify", "--repair"]):
        if stage.run(*command).code not in {0, 1, 3}:
            raise FaultError(f"{command} ended otherwise")
    stage.run("verify", "--model", BYSTANDER).succeeded()
    stage.run("backup", "--model", BYSTANDER, "--output", str(stage.folder / "k.tar")).succeeded()
    stage.run("backup", "--output", str(stage.folder / "all.tar"))
    other = {"HF_HOME": str(stage.folder / "own"), "IMAGE_GEN_HOST_CACHE": str(stage.home)}
    stage.prefetch(env=other).succeeded()
    return f"{which}: {how}"


@family("content behind a link that is cut off, and no list", cause=3)
def cut_behind_a_link(stage: Stage) -> str:
    """The name of a blob says nothing of how much of it is there."""
    header = json.dumps({"w": {"dtype": "U8", "shape": [60_000], "data_offsets": [0, 60_000]}}).encode()
    stage.write_model(MODEL, **{_UNET: len(header).to_bytes(8, "little") + header + stage.noise.randbytes(60_000)})
    stage.prefetch().succeeded()
    shutil.rmtree(stage.home / "image-gen")
    path = stage.noise.choice([_UNET, "unet/config.json", "tokenizer/tokenizer_config.json", "model_index.json"])
    blob = (stage.snapshot() / path).resolve()
    os.truncate(blob, stage.noise.randrange(1, blob.stat().st_size))
    stage.prefetch(env=_OFFLINE).failed()
    line = next(each for each in stage.run("status", "--json").json["models"] if each["id"] == MODEL)
    if line["complete"]:
        raise FaultError(f"status calls it complete: {line}")
    stage.run("backup", "--model", MODEL, "--output", str(stage.folder / "k.tar")).failed()
    return path


def _without(path: str) -> Any:
    return lambda entries: [each for each in entries if each["path"] != path]


def _with_size(path: str, size: object) -> Any:
    return lambda entries: [each | ({"size": size} if each["path"] == path else {}) for each in entries]


def _prefetch_with(stage: Stage, change: Any) -> int:
    class Wrong(HubHandler):
        def _tree(self, repository: Any, cursor: int) -> None:
            self._json(change([file.entry() for file in repository.files.values()]))

    stage.hub.RequestHandlerClass = Wrong
    try:
        return stage.prefetch().code
    finally:
        stage.hub.RequestHandlerClass = HubHandler


@family("hub's list that is wrong", cause=12)
def wrong_list(stage: Stage) -> str:
    """One without a needed file, or with a size that is none, is never kept as the model's."""
    path = stage.noise.choice([*_NEEDED, "model_index.json", "vae/diffusion_pytorch_model.safetensors"])
    size: Any = stage.noise.choice([None, None, 10**30, 10**15, True, -5, "5", 1e300])
    code = _prefetch_with(stage, _without(path) if size is None else _with_size(_UNET, size))
    if code == 0:
        stage.served()
    stage.prefetch().succeeded()
    stage.served()
    return f"without {path}" if size is None else f"{_UNET} with {size!r} bytes"


@family("kept list that lacks a file", cause=12)
def kept_short_list(stage: Stage) -> str:
    """As an earlier version kept it."""
    stage.prefetch().succeeded()
    (kept,) = (stage.home / "image-gen" / "manifests").glob("*model*.json")
    document, path = json.loads(kept.read_text()), stage.noise.choice(_NEEDED)
    document["files"] = [each for each in document["files"] if each["path"] != path]
    kept.write_text(json.dumps(document))
    (stage.snapshot() / path).unlink()
    if not stage.run("status", "--json").json["models"][-1]["missing"]:
        raise FaultError("status misses nothing")
    return path


def _mirror(stage: Stage) -> Path:
    other = {"HF_HOME": str(stage.folder / "connected")}
    stage.run("mirror", "--model", MODEL, "--output", str(stage.folder / "mirror"), env=other).succeeded()
    return stage.folder / "mirror" / MODEL / stage.commit()


@family("mirror with a wrong manifest, or with what is no file", cause=1)
def wrong_mirror(stage: Stage) -> str:
    place = _mirror(stage)
    manifest = place / "manifest.json"
    document = json.loads(manifest.read_text())
    what = stage.noise.choice(["lacks", "size", "damaged", "fifo", "directory", "two revisions", "FIFO as weights"])
    if what == "lacks":
        path = stage.noise.choice(_NEEDED)
        document["files"] = [each for each in document["files"] if each["path"] != path]
        manifest.write_text(json.dumps(document))
    elif what == "size":
        next(each for each in document["files"] if each["path"] == _UNET)["bytes"] = 10**15
        manifest.write_text(json.dumps(document))
    elif what == "damaged":
        manifest.write_bytes(_damaged(stage, manifest.read_bytes())[1])
    elif what == "two revisions":
        shutil.copytree(place, place.with_name("e" * 40))
    else:
        target = place / _UNET if what == "FIFO as weights" else manifest
        target.unlink()
        target.mkdir() if what == "directory" else os.mkfifo(target)
    env = {"IMAGE_GEN_MIRROR": f"file://{stage.folder / 'mirror'}"}
    if stage.noise.random() < 0.5:
        ended = stage.prefetch(env=env | {"HF_ENDPOINT": "http://127.0.0.1:9"}).failed()
        if what == "two revisions" and "MODEL_REVISION" not in ended.error:
            raise FaultError(f"the message does not say that there are two: {ended.error}")
        return f"{what}, without a hub"
    stage.prefetch(env=env).succeeded()
    stage.served()
    return what


@family("server that sends all of a file for a range", cause=1)
def whole_for_a_range(stage: Stage) -> str:
    stage.piece_bytes = 64 << 10

    class Whole(HubHandler):
        def _content(self, file: Any, about: dict[str, str]) -> None:
            if not self.headers.get("Range"):
                super()._content(file, about)
                return
            self._head(206, file.size, about | {"Content-Range": f"bytes 0-{file.size - 1}/{file.size}"})
            self.wfile.write(file.place.read_bytes())

    stage.hub.RequestHandlerClass = Whole
    try:
        stage.prefetch().succeeded()
    finally:
        stage.hub.RequestHandlerClass = HubHandler
    stage.served()
    return "206 with the whole file"
