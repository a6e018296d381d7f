"""The command `image-gen`, which looks after the model cache where it lies: inside the container.

Comes in: arguments and the environment. Goes out: results on stdout, progress and one-line errors on stderr, an exit
code. Must not: import torch or a web server; only `serve` does, when it is asked for.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, NoReturn, Protocol, TypeVar

from image_gen.cli import render
from image_gen.cli.parser import DAMAGED, DEFAULT_MODEL, FAILED, INTERRUPTED, OK, REFUSED, USAGE, parser
from image_gen.errors import ImageGenError
from image_gen.model_cache import CacheSettings, ClearReport, ModelCache
from image_gen.model_cache.backup.compression import compression_of
from image_gen.model_cache.core.atomic_files import write_atomic
from image_gen.model_cache.core.s3_uri import SCHEME, S3Uri
from image_gen.model_cache.manifests.registry import DEMO_ID

_EXIT_BY_CODE = {
    "CORRUPT_CACHE": DAMAGED,
    "CORRUPT_BACKUP": DAMAGED,
    "BACKUP_UNSAFE": REFUSED,
    "MODEL_IN_USE": REFUSED,
    "CANCELLED": INTERRUPTED,
    "USAGE": USAGE,
}


Result = TypeVar("Result")


class _Report(Protocol):
    def as_json(self) -> dict[str, object]: ...


def main(arguments: Sequence[str] | None = None, env: Mapping[str, str] = os.environ) -> int:
    """Runs one command and returns its exit code; nothing foreseen ends in a traceback."""
    options = parser(env).parse_args(arguments)
    if options.command == "serve":
        from image_gen.serving.main import serve

        return serve()
    run = Command(options, env)
    try:
        return run.execute()
    except ImageGenError as error:
        run.progress.end()
        if options.json:
            run.say(json.dumps({"error": error.as_json()}))
        sys.stderr.write(f"image-gen: {error.message}\n")
        return _EXIT_BY_CODE.get(error.code, FAILED)
    except KeyboardInterrupt:
        run.progress.end()
        sys.stderr.write("image-gen: Interrupted; what has arrived is kept.\n")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has gone; there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


class Command:
    """One run of the command: its options, its store and its ways to talk."""

    def __init__(self, options: argparse.Namespace, env: Mapping[str, str]) -> None:
        self._options = options
        self._env = env
        self._cancel = threading.Event()
        self.progress = render.ProgressPrinter()

    def execute(self) -> int:
        self._handle_signals()
        run: Callable[[], int] = getattr(self, self._options.command)
        return run()

    def say(self, text: str) -> None:
        # A backup on stdout leaves no room for words there.
        stream = sys.stderr if getattr(self._options, "output", None) == "-" else sys.stdout
        stream.write(text + "\n")
        stream.flush()

    def status(self) -> int:
        status = self._store().status()
        return self._tell(status, render.status_text(status))

    def prefetch(self) -> int:
        model = _with_hub(
            self._store(),
            self._options.model,
            self._env,
            lambda store: store.ensure(
                self._options.model,
                revision=self._options.revision,
                components=True,
                on_progress=self.progress,
                cancel=self._cancel,
            ),
        )
        if self._options.model == (self._env.get("MODEL_ID") or DEFAULT_MODEL) and (vae := self._env.get("VAE_ID")):
            # What the service of this environment needs besides.
            self._store().ensure_vae(vae, on_progress=self.progress, cancel=self._cancel)
        return self._tell(model, render.prefetch_text(model))

    def verify(self) -> int:
        report = self._store().verify(
            self._options.model, repair=self._options.repair, on_progress=self.progress, cancel=self._cancel
        )
        self._tell(report, render.verify_text(report))
        return OK if report.ok else DAMAGED

    def clear(self) -> int:
        sure = self._options.yes and not self._options.dry_run
        report = self._clear(dry_run=not sure)
        self._tell(report, render.clear_text(report))
        if sure or self._options.dry_run:
            return OK
        sys.stderr.write("image-gen: Nothing was removed. Fix: add --yes to remove it.\n")
        return REFUSED

    def _clear(self, *, dry_run: bool) -> ClearReport:
        options, store = self._options, self._store()
        if options.orphans:
            return store.clear_orphans(dry_run=dry_run)
        return store.clear(None if options.all else options.model, dry_run=dry_run, force=options.force)

    def gc(self) -> int:
        options = self._options
        report = self._store().collect_garbage(
            older_than=options.older_than, keep_free=options.keep_free, keep=options.served, dry_run=options.dry_run
        )
        self._tell(report, render.gc_text(report))
        return OK if report.target_met else FAILED

    def doctor(self) -> int:
        options = self._options
        report = self._store().doctor(options.model, options.revision, self._env)
        self._tell(report, render.doctor_text(report))
        return OK if report.ok else FAILED

    def backup(self) -> int:
        name: str = self._options.output
        output = _stream(sys.stdout.buffer, "--output") if name == "-" else _place(name, "--output")
        compress = self._options.compress or compression_of(name) or False
        report = self._store().backup(output, model_id=self._options.model, compress=compress)
        return self._tell(report, render.backup_text(report))

    def restore(self) -> int:
        name: str = self._options.input
        source = _stream(sys.stdin.buffer, "--input") if name == "-" else _place(name, "--input")
        report = self._store().restore(source, on_progress=self.progress)
        return self._tell(report, render.restore_text(report))

    def bake(self) -> int:
        settings = CacheSettings.from_env(self._env)
        if self._options.cache:
            home = Path(self._options.cache).absolute()
            settings = replace(settings, hf_home=home, hub_cache=home / "hub")
        secret = Path("/run/secrets/hf_token")
        if settings.token is None and secret.is_file():
            settings = replace(settings, token=secret.read_text(encoding="utf-8").strip() or None)
        report = _with_hub(
            ModelCache(settings),
            self._options.model,
            self._env,
            lambda store: store.bake(
                self._options.model,
                Path(self._options.output_dir).absolute(),
                revision=self._options.revision,
                on_progress=self.progress,
                cancel=self._cancel,
            ),
        )
        if self._options.vae:
            output = Path(self._options.output_dir).absolute()
            ModelCache(settings).bake(
                self._options.vae, output, vae=True, on_progress=self.progress, cancel=self._cancel
            )
        return self._tell(report, render.export_text(report, "baked"))

    def mirror(self) -> int:
        options, name = self._options, self._options.output_dir
        output = S3Uri.parse(name, "--output") if name.startswith(SCHEME) else Path(name).absolute()
        report = _with_hub(
            self._store(),
            options.model,
            self._env,
            lambda store: store.mirror(
                options.model,
                output,
                revision=options.revision,
                on_progress=self.progress,
                cancel=self._cancel,
            ),
        )
        return self._tell(report, render.export_text(report, "mirrored"))

    def resolve(self) -> int:
        self.say(self._store().resolve(self._options.model, self._options.revision).to_json().rstrip())
        return OK

    def models(self) -> int:
        return self._lock() if self._options.what == "lock" else self._check()

    def _lock(self) -> int:
        options, target = self._options, self._options.manifest
        locked = self._store().lock(options.model, options.revision, allow_pickle=options.allow_pickle)
        if target:
            write_atomic(Path(target), locked.manifest.to_json())
        if options.json:
            self.say(json.dumps({"output": target} | locked.as_json(), indent=2))
            return OK
        if not target:
            self.say(locked.manifest.to_json().rstrip())
        sys.stderr.write(render.lock_text(locked, target) + "\n")
        return OK

    def _check(self) -> int:
        report = self._store().check(self._options.models)
        self._tell(report, render.check_text(report))
        return OK if report.ok else DAMAGED

    def _store(self) -> ModelCache:
        return ModelCache(CacheSettings.from_env(self._env))

    def _tell(self, report: _Report, text: str) -> int:
        self.progress.end()
        self.say(json.dumps(report.as_json(), indent=2) if self._options.json else text)
        return OK

    def _handle_signals(self) -> None:
        """Ends like Ctrl-C on SIGTERM too, so that temporary files go and threads stop."""

        def stop(*_: object) -> NoReturn:
            self._cancel.set()
            raise KeyboardInterrupt

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)


def _with_hub(store: ModelCache, model_id: str, env: Mapping[str, str], work: Callable[[ModelCache], Result]) -> Result:
    """Does `work` with a store that can reach the model: the demo model's hub is started, unless one is named."""
    if store.registry.canonical_id(model_id) != DEMO_ID or env.get("HF_ENDPOINT") or store.locate(model_id):
        return work(store)
    try:
        from image_gen.demo_hub import DemoHub
    except ModuleNotFoundError as error:
        raise ImageGenError(
            "DEMO_FAILED", "The demo model can't be made here. Fix: set HF_ENDPOINT to a hub that has image-gen/demo."
        ) from error

    async def run() -> Result:
        async with DemoHub() as endpoint:
            return await asyncio.to_thread(work, ModelCache(replace(store.settings, endpoint=endpoint, token=None)))

    return asyncio.run(run())


def _place(name: str, option: str) -> Path | S3Uri:
    return S3Uri.parse(name, option, key_required=True) if name.startswith(SCHEME) else Path(name)


def _stream(stream: BinaryIO, option: str) -> BinaryIO:
    if stream.isatty():
        raise ImageGenError("USAGE", f"An archive can't go through a terminal. Fix: {option} FILE, or use a pipe.")
    return stream
