"""The stage of a fault: a hub with two small models, and a cache that has one of them, the bystander."""

from __future__ import annotations

import filecmp
import json
import os
import random
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from image_gen_demo.hub import DemoHub
from tests.faults.commands import LIMIT_SECONDS, CommandServer, Ended, FaultError, Running

MODEL, BYSTANDER = "test/model", "test/bystander"
SOURCE = Path(__file__).resolve().parents[2] / "src"
NOBODY = 65534
PIECE = 64 << 10
_NO_KNOBS = {
    "rate_bytes_per_second": None,
    "line_bytes_per_second": None,
    "drop_after_bytes": None,
    "stall_after_bytes": None,
    "corrupt": None,
    "status": None,
    "retry_after": None,
    "token": None,
    "redirect_to": None,
    "page_size": None,
    "times": None,
    "gated": False,
    "silent": False,
    "ignore_range": False,
    "xet": False,
}
_INDEX = {
    "_class_name": "StableDiffusionXLPipeline",
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
}


class LeftOutError(Exception):
    """This machine can't make that fault."""


class Stage:
    """What a family plays on. All its choices come from `noise`.

    `env` is the environment of every command, and `home` its HF_HOME. `after` says what must hold in the end: "whole",
    the model can be downloaded and is right; "any", the family has checked the model itself. Set `bystander` to False
    where the family deletes it on purpose.
    """

    def __init__(self, folder: Path, noise: random.Random, server: CommandServer, filled: Path | None = None) -> None:
        self.noise = noise
        self.folder = folder
        self.home = folder / "data" / "huggingface"
        self.after = "whole"
        self.bystander = True
        self.piece_bytes = 0
        self._server = server
        self._commands = folder / "commands"
        self._commands.mkdir(parents=True)
        self._commands.chmod(0o777)
        self._running: list[Running] = []
        if filled:
            shutil.copytree(filled / "hub" / BYSTANDER, folder / "hub" / BYSTANDER)
            shutil.copytree(filled / "data", folder / "data", symlinks=True)
        else:
            self.write_model(BYSTANDER)
        self.write_model(MODEL)
        self.hub = DemoHub(folder / "hub")
        thread = threading.Thread(target=self.hub.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder / "nobody-home"),
            "HF_HOME": str(self.home),
            "HF_ENDPOINT": self.hub.url,
            "IMAGE_GEN_BAKED_DIR": str(folder / "none"),
            "IMAGE_GEN_MANIFESTS": str(folder / "none"),
            "MODEL_ID": MODEL,
        }
        if not filled:
            self.run("prefetch", "--model", BYSTANDER).succeeded()

    def write_model(self, model_id: str, **files: bytes | None) -> Path:
        """Writes a pipeline into the hub, and returns its folder. `test/model@v2` is a branch or tag of it.

        `files` are added or replaced, or left out where they are None: `**{"a/b.json": b"{}"}`.
        """
        root = self.folder / "hub" / model_id
        contents: dict[str, bytes | None] = {
            "model_index.json": json.dumps(_INDEX).encode(),
            "unet/config.json": b'{"_class_name": "UNet2DConditionModel"}',
            "unet/diffusion_pytorch_model.safetensors": self.noise.randbytes(400_000),
            "vae/config.json": b'{"_class_name": "AutoencoderKL"}',
            "vae/diffusion_pytorch_model.safetensors": self.noise.randbytes(90_000),
            "tokenizer/tokenizer.json": b"{}",
            "tokenizer/tokenizer_config.json": b'{"tokenizer_class": "CLIPTokenizer"}',
        }
        contents |= files
        for path, content in contents.items():
            if content is not None:
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_bytes(content)
        return root

    # Commands

    def run(self, *arguments: str, limit: float = LIMIT_SECONDS, **options: Any) -> Ended:
        """Runs `image-gen <arguments>` to its end. Raises when it hangs, or fails without one clear line.

        Options: `env` (added to the stage's), `user` (an id), `stdin` and `stdout` (files), `clock_leap` (seconds).
        """
        return self.start(*arguments, **options).wait(limit).check()

    def start(self, *arguments: str, env: dict[str, str] | None = None, **options: Any) -> Running:
        """Starts `image-gen <arguments>`; for one that is killed, or runs beside another."""
        options = {"piece_bytes": self.piece_bytes} | options
        running = self._server.start(arguments, self.env | (env or {}), self._commands, **options)
        self._running.append(running)
        return running

    @contextmanager
    def served_by(self, server: CommandServer) -> Iterator[None]:
        """Commands are those of another version."""
        own, self._server = self._server, server
        try:
            yield
        finally:
            self._server = own

    def prefetch(self, model_id: str = MODEL, revision: str | None = None, **options: Any) -> Ended:
        # Earlier versions, which are compared with this one, do not understand `id@revision`.
        return self.run("prefetch", "--model", model_id, *(["--revision", revision] if revision else []), **options)

    # Places

    def repo(self, model_id: str = MODEL) -> Path:
        """The model's folder in the hub."""
        return self.folder / "hub" / model_id

    def cached(self, model_id: str = MODEL) -> Path:
        """The model's folder in the cache: blobs, refs, snapshots."""
        return self.home / "hub" / f"models--{model_id.replace('/', '--')}"

    def snapshot(self, model_id: str = MODEL, revision: str = "main") -> Path:
        """The folder of a revision in the cache."""
        return self.cached(model_id) / "snapshots" / self.commit(model_id, revision)

    def commit(self, model_id: str = MODEL, revision: str = "main") -> str:
        """The commit of a branch in the hub."""
        found = self.hub.repositories.find(model_id, revision)
        assert found, f"{model_id} has no {revision}"
        return found.commit

    def weights(self, model_id: str = MODEL) -> Path:
        """One of the two large files of a snapshot in the cache, which has to be complete."""
        return self.noise.choice(sorted(self.snapshot(model_id).rglob("*.safetensors")))

    # What must hold

    def served(self, model_id: str = MODEL, revision: str = "main") -> None:
        """Raises unless the snapshot in the cache has every file of the hub's, byte for byte."""
        branch = model_id if revision == "main" else f"{model_id}@{revision}"
        self.same_files(self.repo(branch), self.snapshot(model_id, revision))

    def same_files(self, wanted: Path, directory: Path) -> None:
        """Raises unless every file of `wanted` is in `directory`, byte for byte."""
        for path in sorted(wanted.rglob("*")):
            name = path.relative_to(wanted)
            if path.is_file():
                if not (directory / name).is_file():
                    raise FaultError(f"{name} is missing in {directory.relative_to(self.folder)}")
                if not filecmp.cmp(path, directory / name, shallow=False):
                    raise FaultError(f"{name} has wrong bytes in {directory.relative_to(self.folder)}")

    def has_bytes(self, pattern: str, model_id: str = MODEL) -> bool:
        """Whether a file of the cached model has any bytes; files come and go while a download runs."""
        for path in self.cached(model_id).glob(pattern):
            with suppress(FileNotFoundError):
                if path.stat().st_size > 0:
                    return True
        return False

    def unused(self) -> list[Path]:
        """Files of the cache that belong to no snapshot, and second names of those that do."""
        hub = self.home / "hub"
        files = [path for path in hub.rglob("*") if path.is_file() and path.relative_to(hub).parts[0] != ".locks"]
        used = {path.resolve() for path in hub.glob("models--*/snapshots/**/*")}
        # What hf keeps beside them: branches, listings, names that are known to be none.
        known = {"refs", "trees", ".no_exist"}
        return [
            *(path for path in files if path.resolve() not in used and not known & set(path.relative_to(hub).parts)),
            *(path for path in hub.glob(".locks/**/*") if path.is_file() and path.stat().st_size > 1000),
            *(path for path in used if path.is_file() and path.stat().st_nlink > 1),
        ]

    def impatient(self) -> None:
        """Commands give up a silent hub soon. Only for faults: a machine with much else to do is as slow."""
        self.env["HF_HUB_DOWNLOAD_TIMEOUT"] = "0.25"

    def calm(self) -> None:
        """The hub is well again."""
        self.hub.panel.turn(_NO_KNOBS)
        self.env.pop("HF_HUB_DOWNLOAD_TIMEOUT", None)

    # The machine

    @contextmanager
    def mounted(self, *how: str, place: Path) -> Iterator[None]:
        """A mount, which needs root: `mounted("-t", "tmpfs", "-o", "size=1m", "tmpfs", place=…)`."""
        if os.geteuid():
            raise LeftOutError("mounting needs root")
        self.machine("mount", *how, str(place))
        try:
            yield
        finally:
            self.machine("umount", "--lazy", str(place))

    def machine(self, *command: str) -> str:
        """Runs a command of the machine; returns what it printed. Raises LeftOutError when it fails."""
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=LIMIT_SECONDS)
        if done.returncode:
            raise LeftOutError(f"{command[0]}: {done.stderr.strip()}")
        return done.stdout

    def open_to_others(self) -> None:
        """Other users reach the stage: temporary folders are their maker's alone. Needs root."""
        if os.geteuid():
            raise LeftOutError("another user needs root")
        for place in [self.folder, *self.folder.parents]:
            if place.stat().st_mode & 0o005 != 0o005:
                place.chmod(place.stat().st_mode | 0o055)

    def close(self) -> None:
        for running in self._running:
            running.kill()
        self.hub.shutdown()
        self.hub.server_close()
