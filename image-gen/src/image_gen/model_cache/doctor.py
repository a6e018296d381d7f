"""Checks of the cache: its location, permissions, free space and orphans, each with a fix.

Nothing is changed, and no network is used.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from image_gen import reader
from image_gen.errors import ImageGenError
from image_gen.model_cache.cache.host import HostCache
from image_gen.model_cache.cache.orphans import find_orphans
from image_gen.model_cache.cache.scan import scan_cache
from image_gen.model_cache.core.filesystem import existing_parent, format_bytes, mount_of, translate_os_errors
from image_gen.model_cache.core.layout import RepoLayout
from image_gen.model_cache.core.manifest import is_commit
from image_gen.model_cache.core.report import Report
from image_gen.model_cache.core.settings import CacheSettings, place_of
from image_gen.model_cache.download.downloader import cached_bytes
from image_gen.model_cache.download.ensure_checkpoint import ensure_for
from image_gen.model_cache.manifests.registry import ManifestRegistry

Status = Literal["ok", "warn", "fail"]
_FEW_INODES = 10_000
_IN_MEMORY = {"tmpfs", "ramfs"}
_LAYERS = {"overlay", "aufs", "fuse-overlayfs"}
_CACHE_VARIABLES = ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "TRANSFORMERS_CACHE")


@dataclass(frozen=True)
class Check(Report):
    """The result of one check, and its fix (empty where none is needed): the lines of `imagegen doctor` have the same
    fields.
    """

    id: str
    status: Status
    message: str
    fix: str = field(default="", metadata={"json": "set"})


@dataclass(frozen=True)
class DoctorReport(Report):
    """All checks, in the order of a start."""

    json_extra = ("ok",)
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        return all(check.status != "fail" for check in self.checks)


def run_checks(settings: CacheSettings, env: Mapping[str, str], model_id: str, revision: str | None) -> DoctorReport:
    """All checks of the cache of `settings` and the model that would be served."""
    place = (_place(settings, env), _old_variable(settings, env), _mount(settings), _owner(settings))
    model = (_model(settings, env, model_id, revision), _inodes(settings), _models(settings))
    looks = (*place, *model, _tag(settings), _orphans(settings), _host(settings), _token(settings))
    return DoctorReport(tuple(check for look in looks for check in _safely(settings, look)))


def _safely(settings: CacheSettings, look: Iterator[Check]) -> list[Check]:
    """A check that cannot run has failed."""
    try:
        with translate_os_errors(settings.volume_root, "the check"):
            return list(look)
    except ImageGenError as error:
        return [_with_fix("cache", "fail", error.message)]


def _place(settings: CacheSettings, env: Mapping[str, str]) -> Iterator[Check]:
    winner = next((name for name in _CACHE_VARIABLES if env.get(name)), None)
    home = "HF_HOME" if env.get("HF_HOME") else "the default, as HF_HOME is not set"
    why = f"{winner} says so" if winner else f"from {home}"
    yield Check("place", "ok", f"models are read from and written to {settings.hub_cache} ({why})")
    if not settings.hub_cache.is_relative_to(settings.hf_home):
        text = f"{winner} places the models outside HF_HOME ({settings.hf_home}): a backup of one lacks the other."
        yield Check("place", "warn", text, f"set {winner}={settings.hf_home / 'hub'}, or unset it")


def _old_variable(settings: CacheSettings, env: Mapping[str, str]) -> Iterator[Check]:
    """TRANSFORMERS_CACHE: current libraries do not read it at all."""
    value = env.get("TRANSFORMERS_CACHE")
    if not value:
        return
    modern = env.get("HF_HUB_CACHE") or env.get("HUGGINGFACE_HUB_CACHE")
    theirs = place_of("HF_HUB_CACHE", modern) if modern else settings.hf_home / "hub"
    if place_of("TRANSFORMERS_CACHE", value) == theirs:
        yield Check("variables", "ok", "TRANSFORMERS_CACHE agrees with the directory that current libraries use")
    else:
        text = f"TRANSFORMERS_CACHE={value} misleads: transformers 5, diffusers and hf use {theirs} and do not read it."
        yield Check("variables", "warn", text, f"set HF_HUB_CACHE={value}, or unset TRANSFORMERS_CACHE")


def _mount(settings: CacheSettings) -> Iterator[Check]:
    mount = mount_of(settings.volume_root)
    about = f"{settings.volume_root} is on {mount.path} ({mount.filesystem})"
    volume = f"mount a volume there: docker run … --volume NAME:{settings.hf_home.parent}"
    if mount.filesystem in _IN_MEMORY:
        yield Check("mount", "warn", f"{about}: in memory, it is empty after every restart.", volume)
    elif not mount.is_mount and mount.filesystem in _LAYERS:
        text = f"{about}, the container's own layer: each new container downloads its model again."
        yield Check("mount", "fail", text, volume)
    elif os.statvfs(existing_parent(settings.volume_root)).f_flag & os.ST_RDONLY:
        text = f"{about}, read-only: models are served from it and none can be added."
        yield Check("mount", "warn", text, "mount it writable (leave out :ro), unless that is meant")
    else:
        room = f"{format_bytes(mount.bytes_free)} of {format_bytes(mount.bytes_total)} free"
        yield Check("mount", "ok", f"{about}, {room}")


def _owner(settings: CacheSettings) -> Iterator[Check]:
    me = f"{os.geteuid()}:{os.getegid()}"
    for place in dict.fromkeys((settings.volume_root, settings.hub_cache)):
        here = existing_parent(place)
        status = here.stat()
        owner = f"{here} belongs to {status.st_uid}:{status.st_gid} (mode {status.st_mode & 0o777:o}), we are {me}"
        read_only = os.statvfs(here).f_flag & os.ST_RDONLY
        if read_only or os.access(here, os.W_OK | os.X_OK):
            yield Check("owner", "ok", owner)
        else:
            yield Check("owner", "fail", f"{owner}, and may not write.", reader.owner_fix(here))


def _model(settings: CacheSettings, env: Mapping[str, str], wanted: str, revision: str | None) -> Iterator[Check]:
    if env.get("MODEL_DIR"):
        yield Check("model", "ok", f"MODEL_DIR={env['MODEL_DIR']} wins over the image and the volume")
        return
    model_id = ManifestRegistry(settings).canonical_id(wanted)
    ensure = ensure_for(settings, model_id, revision)
    if found := ensure.find_local() or ensure.find_unlisted():
        yield Check("model", "ok", f"{model_id} is complete, from: {found.source}, {found.directory}")
        return
    manifest = ensure.manifest()
    lacking, fix = ensure.lacking()
    if settings.offline:
        text = f"{lacking}, and HF_HUB_OFFLINE forbids the download."
        restore = reader.cache_command("restore --input FILE")
        yield Check("model", "fail", text, f"{fix}{reader.setting('HF_HUB_OFFLINE', '')}, or {restore}")
        return
    if manifest is None:
        text = f"{lacking}; {settings.endpoint} knows its size."
        yield Check("model", "warn", text, f"{fix}{reader.cache_command('prefetch')}")
        return
    lacks = manifest.bytes_total - cached_bytes(RepoLayout(settings.hub_cache, manifest.model_id), manifest)
    free = mount_of(settings.volume_root).bytes_free
    if mount_of(settings.volume_root).is_known and lacks > free:
        text = f"{model_id} lacks {format_bytes(lacks)}, and only {format_bytes(free)} are free."
        gc = reader.cache_command(f"gc --keep-free {lacks}")
        yield Check("model", "fail", text, f"enlarge the volume, or {gc}")
    else:
        text = f"{model_id} lacks {format_bytes(lacks)}, which the next start downloads from {settings.endpoint}."
        yield Check("model", "warn", text, reader.cache_command("prefetch"))


def _inodes(settings: CacheSettings) -> Iterator[Check]:
    room = os.statvfs(existing_parent(settings.volume_root))
    # 0 on file systems without a fixed number of inodes.
    if room.f_files and room.f_favail < _FEW_INODES:
        text = f"only {room.f_favail} of {room.f_files} inodes are free: files can't be made though there is room."
        yield Check("inodes", "warn" if room.f_favail > 100 else "fail", text, "remove small files from that volume")
    else:
        yield Check("inodes", "ok", f"{room.f_favail} free" if room.f_files else "not limited here")


def _models(settings: CacheSettings) -> Iterator[Check]:
    for cached in scan_cache(settings):
        which = f"--model {cached.model_id}{f' --revision {cached.revision}' if cached.revision else ''}"
        prefetch, clear = reader.cache_command(f"prefetch {which}"), reader.cache_command(f"clear {which} --yes")
        if cached.contents.problem:
            yield _with_fix("models", "fail", f"{cached.model_id} can't be read: {cached.contents.problem}")
        elif not cached.complete and cached.source == "volume":
            lacks = f"{len(cached.missing)} files" if cached.missing else "everything"
            at = f" at {cached.revision[:12]}" if cached.revision else ""
            # No hub has a directory that is not named by a commit.
            fix = f"{prefetch}, or {clear}" if is_commit(cached.revision or "0" * 40) else clear
            yield Check("models", "warn", f"{cached.model_id}{at} lacks {lacks}", fix)
        elif cached.unprovable:
            text = f"no hash is known of {len(cached.unprovable)} files of {cached.model_id}: damage can't be found."
            yield Check("models", "warn", text, f"{prefetch}, with {settings.endpoint} in reach")


def _with_fix(name: str, status: Status, message: str) -> Check:
    text, _, fix = message.partition(" Fix: ")
    return Check(name, status, text, fix.rstrip("."))


def _tag(settings: CacheSettings) -> Iterator[Check]:
    """The tools of Hugging Face write this file, which makes backup programs skip the whole cache."""
    tag = settings.hub_cache / "CACHEDIR.TAG"
    if tag.is_file():
        text = f"{tag} makes restic, borg and tar --exclude-caches leave out all models; "
        text += f"`{reader.cache_command('backup')}` does not."
        yield Check("backups", "ok", text)


def _host(settings: CacheSettings) -> Iterator[Check]:
    """The host's cache, which is only read."""
    found = HostCache(settings).status()
    if found is None:
        return
    if found.problem:
        yield Check("host-cache", "warn", found.problem)
    else:
        complete = sum(model.complete for model in found.models)
        yield Check(
            "host-cache", "ok", f"{found.path} is read too, and has {complete} complete models; it is never changed"
        )


def _token(settings: CacheSettings) -> Iterator[Check]:
    """A token that was given, and can't be used."""
    if settings.token_problem:
        yield _with_fix("token", "warn", settings.token_problem)


def _orphans(settings: CacheSettings) -> Iterator[Check]:
    found = find_orphans(settings)
    for each in found:
        if each.problem:
            yield _with_fix("orphans", "fail", each.problem)
    if orphans := [each for each in found if each.paths]:
        size = format_bytes(sum(each.size for each in orphans))
        text = f"{sum(len(each.paths) for each in orphans)} files and directories that nothing uses any more: {size}."
        yield Check("orphans", "warn", text, reader.cache_command("clear --orphans --yes"))
