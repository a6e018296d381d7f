"""Runs the command `image-gen` inside the container.

Results are printed to stdout, progress and one-line errors to stderr. Only `serve`, `work` and `gateway` import a web
server, and torch is never imported.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, NoReturn, Protocol, TextIO

from image_gen import reader
from image_gen.cli import render
from image_gen.cli.measure import measure_machine
from image_gen.cli.parser import parser
from image_gen.demo_hub import DemoHubProcess, ask_loopback
from image_gen.errors import (
    DAMAGED,
    FAILED,
    INTERRUPTED,
    OK,
    REFUSED,
    ImageGenError,
    SettingInvalidError,
    UsageError,
    shown,
)
from image_gen.model_cache import CacheSettings, ModelCache, ProgressCallbacks
from image_gen.model_cache.backup.compression import compression_of
from image_gen.model_cache.backup.export import ExportReport
from image_gen.model_cache.core.atomic_files import write_atomic
from image_gen.model_cache.core.filesystem import translate_os_errors
from image_gen.model_cache.core.manifest import split_model_id
from image_gen.model_cache.core.s3_uri import SCHEME, S3Uri
from image_gen.model_cache.core.settings import DEFAULT_MODEL, DEMO_MODEL
from image_gen.model_cache.core.token import read_token
from image_gen.model_cache.manifests.lora_source import LoraSource, parse_loras


class _Report(Protocol):
    def as_json(self) -> dict[str, object]: ...


def main(arguments: Sequence[str] | None = None, env: Mapping[str, str] = os.environ) -> int:
    """Runs one command and returns its exit code. No foreseen failure ends with a traceback."""
    reader.address_reader(env)
    options, unknown = parser(env).parse_known_args(arguments)
    if unknown:
        # By the parser of the command, whose name the reader knows.
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    if (service := _service(options.command)) is not None:
        return service()
    run = Command(options, env)
    try:
        return run.execute()
    except ImageGenError as error:
        run.progress.end()
        if options.json:
            run.say(json.dumps({"error": error.as_json()}))
        sys.stderr.write(f"{reader.prog()}: {error.message}\n")
        return error.exit_code
    except KeyboardInterrupt:
        run.progress.end()
        sys.stderr.write(f"{reader.prog()}: Interrupted; what has arrived is kept.\n")
        return INTERRUPTED
    except OSError as error:
        # Everything else that fails so is an ImageGenError. What is left in the buffer would fail again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        # With a pipe, its reader is gone, and knows.
        if not isinstance(error, BrokenPipeError):
            sys.stderr.write(f"{reader.prog()}: The output can't be written: {error.strerror}. Fix: check stdout.\n")
        return FAILED


def _service(command: str) -> Callable[[], int] | None:
    """What runs until a signal stops it; none of it is imported for another command."""
    if command == "serve":
        from image_gen.serving.main import serve

        return serve
    if command == "work":
        from image_gen.fleet.work import work

        return work
    if command == "gateway":
        from image_gen.fleet.gateway.main import serve_gateway

        return serve_gateway
    return None


class Command:
    """One run of the command. Each public method but `execute` and `say` is a command of that name."""

    def __init__(self, options: argparse.Namespace, env: Mapping[str, str]) -> None:
        self._options = options
        self._env = env
        self.progress = render.ProgressPrinter()
        self._callbacks = ProgressCallbacks(self.progress)

    def execute(self) -> int:
        self._handle_signals()
        options = self._options
        clears = options.command == "clear"
        if clears and options.revision is not None and not options.revision.strip():
            raise UsageError("--revision is empty, which would be every revision. Fix: leave it out, or name one.")
        if options.command == "mirror":
            self._check_mirror()
        if "revision" in options and options.model:
            # What is deleted is what was named, also where it is the branch that every page shows.
            options.model, options.revision = split_model_id(options.model, options.revision, exact=clears)
        run: Callable[[], int] = getattr(self, self._options.command)
        return run()

    def say(self, text: str) -> None:
        # A backup on stdout leaves no room for text there.
        stream = sys.stderr if getattr(self._options, "output", None) == "-" else sys.stdout
        if stream is not None:
            stream.write(text + "\n")
            stream.flush()

    def status(self) -> int:
        status = self._cache().status()
        return self._print(status, render.status_text(status))

    def prefetch(self) -> int:
        model_id, revision = self._options.model, self._options.revision
        loras = self._loras() if self._is_served(model_id) else None
        with self._hub_for(self._cache(), model_id) as cache:
            model = cache.ensure(model_id, revision=revision, components=True, callbacks=self._callbacks)
        if loras is not None:
            # The service of this environment needs them too.
            if vae := self._env.get("VAE_ID"):
                self._cache().ensure_vae(vae, self._callbacks)
            if checker := self._env.get("IMAGE_GEN_SAFETY_CHECKER"):
                self._cache().ensure_checker(*split_model_id(checker), self._callbacks)
            for lora in loras:
                self._cache().ensure_lora(lora, self._callbacks)
        return self._print(model, render.prefetch_text(model))

    def _is_served(self, model_id: str) -> bool:
        return model_id == split_model_id(self._env.get("MODEL_ID") or DEFAULT_MODEL)[0]

    def _loras(self) -> tuple[LoraSource, ...]:
        return _parse_loras(self._env.get("IMAGE_GEN_LORAS", ""), "IMAGE_GEN_LORAS")

    def verify(self) -> int:
        options = self._options
        report = self._cache().verify(options.model, repair=options.repair, callbacks=self._callbacks)
        return self._print(
            report, render.verify_text(report), OK if report.ok else DAMAGED if report.is_damaged else FAILED
        )

    def clear(self) -> int:
        options, cache = self._options, self._cache()
        confirmed = options.yes and not options.dry_run
        if options.revision and not options.model:
            raise UsageError("--revision needs a model. Fix: add --model ID.")
        if options.orphans:
            report = cache.clear_orphans(dry_run=not confirmed)
        else:
            model = None if options.all else options.model
            report = cache.clear(model, options.revision, dry_run=not confirmed, force=options.force)
        self._print(report, render.clear_text(report))
        if confirmed or options.dry_run:
            return FAILED if report.unreadable else OK
        sys.stderr.write(f"{reader.prog()}: Nothing was removed. Fix: add --yes to remove it.\n")
        return REFUSED

    def gc(self) -> int:
        options = self._options
        model, vae = self._env.get("MODEL_ID") or DEFAULT_MODEL, self._env.get("VAE_ID")
        served = [split_model_id(model, self._env.get("MODEL_REVISION")), *([split_model_id(vae)] if vae else [])]
        served += [split_model_id(checker)] if (checker := self._env.get("IMAGE_GEN_SAFETY_CHECKER")) else []
        served += [(each.model_id, each.revision) for each in self._loras() if each.model_id]
        report = self._cache().collect_garbage(
            older_than=options.older_than,
            keep_free=options.keep_free,
            keep=served,
            dry_run=options.dry_run,
        )
        return self._print(
            report, render.gc_text(report), OK if report.target_met and not report.unreadable else FAILED
        )

    def doctor(self) -> int:
        report = self._cache().doctor(self._options.model, self._options.revision, self._env)
        return self._print(report, render.doctor_text(report), OK if report.ok else FAILED)

    def measure(self) -> int:
        rates = measure_machine(self._cache().settings.hf_home, self._env)
        return self._print(rates, render.rates_text(rates))

    def backup(self) -> int:
        name: str = self._options.output
        output = _archive(name, "--output", sys.stdout)
        compress = self._options.compress or compression_of(name) or False
        report = self._cache().backup(output, model_id=self._options.model, compress=compress)
        return self._print(report, render.backup_text(report))

    def restore(self) -> int:
        source = _archive(self._options.input, "--input", sys.stdin)
        report = self._cache().restore(source, self._callbacks)
        return self._print(report, render.restore_text(report))

    def bake(self) -> int:
        options, settings = self._options, CacheSettings.from_env(self._env)
        if not options.output_dir.strip():
            raise UsageError("--output is empty. Fix: --output DIR.")
        loras = _parse_loras(options.loras or "", "--loras")
        if options.cache:
            home = Path(options.cache).absolute()
            settings = replace(settings, hf_home=home, hub_cache=home / "hub")
        secret = Path("/run/secrets/hf_token")
        if settings.token is None and secret.is_file():
            settings = settings.with_token(read_token(secret, str(secret)))
        cache, output = ModelCache(settings), Path(options.output_dir).absolute()
        with self._hub_for(cache, options.model) as hub:
            report = hub.bake(options.model, output, revision=options.revision, callbacks=self._callbacks)
        others = [cache.bake(options.vae, output, vae=True, callbacks=self._callbacks)] if options.vae else []
        others += cache.bake_loras(loras, output, self._callbacks)
        self._name_paths(loras)
        report = replace(report, others=tuple(others))
        return self._print(report, render.export_text(report, "baked"))

    def _check_mirror(self) -> None:
        options = self._options
        if not options.output_dir.strip():
            raise UsageError("--output is empty. Fix: --output DIR, or --output s3://bucket/prefix.")
        if options.own is None:
            if options.revision is None:
                options.revision = self._env.get("MODEL_REVISION", "")
            return
        if not options.own.strip():
            raise UsageError("--own is empty. Fix: --own PATH, or leave it out for a model of the Hub.")
        if options.revision is not None or split_model_id(options.model, exact=True)[1] is not None:
            raise UsageError(
                "--own takes no revision: it follows from the files' contents. Fix: leave it out, also of --model."
            )

    def mirror(self) -> int:
        options, name = self._options, self._options.output_dir
        output = S3Uri.parse(name, "--output") if name.startswith(SCHEME) else Path(name).absolute()
        if options.own is not None:
            report = self._cache().mirror_own(Path(options.own).absolute(), options.model, output, self._callbacks)
            return self._print(report, render.export_text(report, "mirrored"))
        # Before gigabytes are sent, which a typing error would then end.
        loras = self._loras() if self._is_served(options.model) else None
        with self._hub_for(self._cache(), options.model) as hub:
            report = hub.mirror(options.model, output, revision=options.revision, callbacks=self._callbacks)
        if loras is not None:
            report = replace(report, others=tuple(self._mirror_others(output, loras)))
        return self._print(report, render.export_text(report, "mirrored"))

    def _mirror_others(self, output: Path | S3Uri, loras: Sequence[LoraSource]) -> Iterator[ExportReport]:
        """What the service of this environment needs besides its model."""
        cache = self._cache()
        if vae := self._env.get("VAE_ID"):
            yield cache.mirror(vae, output, callbacks=self._callbacks)
        if checker := self._env.get("IMAGE_GEN_SAFETY_CHECKER"):
            yield cache.mirror_checker(*split_model_id(checker), output, self._callbacks)
        yield from cache.mirror_loras(loras, output, self._callbacks)
        self._name_paths(loras)

    def _name_paths(self, loras: Sequence[LoraSource]) -> None:
        self.progress.end()
        for lora in loras:
            if lora.path:
                sys.stderr.write(f"LoRA {lora.name} is left out: the service reads {lora.path} where it runs.\n")

    def resolve(self) -> int:
        self.say(self._cache().resolve(self._options.model, self._options.revision).to_json().rstrip())
        return OK

    def models(self) -> int:
        if self._options.what == "lock":
            return self._lock()
        report = self._cache().check(self._options.models)
        return self._print(report, render.check_text(report), OK if report.ok else DAMAGED)

    def _lock(self) -> int:
        options, target = self._options, self._options.manifest
        locked = self._cache().lock(options.model, options.revision, allow_pickle=options.allow_pickle)
        if target:
            with translate_os_errors(Path(target).absolute().parent, f"writing {target}"):
                write_atomic(Path(target), locked.manifest.to_json())
        if options.json:
            self.say(json.dumps({"output": target} | locked.as_json(), indent=2))
            return OK
        if not target:
            self.say(locked.manifest.to_json().rstrip())
        sys.stderr.write(render.lock_text(locked, target) + "\n")
        return OK

    def _cache(self) -> ModelCache:
        return ModelCache(CacheSettings.from_env(self._env))

    @contextmanager
    def _hub_for(self, cache: ModelCache, model_id: str) -> Iterator[ModelCache]:
        """A cache that can download the model: the demo model's hub is started, unless another is set."""
        is_demo = cache.canonical_id(model_id) == DEMO_MODEL
        if not is_demo or self._env.get("HF_ENDPOINT") or cache.locate(model_id):
            yield cache
            return
        with asyncio.Runner() as runner:
            hub = DemoHubProcess()
            endpoint = runner.run(hub.__aenter__())
            try:
                yield ModelCache(ask_loopback(cache.settings, endpoint))
            finally:
                runner.run(hub.__aexit__())

    def _print(self, report: _Report, text: str, exit_code: int = OK) -> int:
        self.progress.end()
        self.say(json.dumps(report.as_json(), indent=2) if self._options.json else text)
        return exit_code

    def _handle_signals(self) -> None:
        """SIGTERM ends the command like Ctrl-C, so that temporary files are deleted and threads stop."""

        def stop(*_: object) -> NoReturn:
            self._callbacks.cancel.set()
            raise KeyboardInterrupt

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)


def _parse_loras(text: str, setting: str) -> tuple[LoraSource, ...]:
    try:
        return parse_loras(text)
    except ValueError as error:
        raise SettingInvalidError(f"{setting}: expected {error}, got {shown(text)}") from None


def _archive(name: str, option: str, standard: TextIO | None) -> Path | S3Uri | BinaryIO:
    """A file, an object, or for `-` the standard stream."""
    if name != "-":
        return S3Uri.parse(name, option, key_required=True) if name.startswith(SCHEME) else Path(name)
    if standard is None or standard.isatty():
        where = "closed" if standard is None else "a terminal"
        raise UsageError(
            f"An archive can't be sent to or read from what is {where}. Fix: {option} FILE, or use a pipe."
        )
    return standard.buffer
