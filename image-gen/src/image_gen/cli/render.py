"""Results and progress as text."""

import sys
import time
from collections.abc import Iterable, Sequence
from typing import TextIO

from image_gen import reader
from image_gen.cli.measure import MachineRates
from image_gen.model_cache.backup.create import BackupReport
from image_gen.model_cache.backup.export import ExportReport
from image_gen.model_cache.backup.restore import RestoreReport
from image_gen.model_cache.cache.delete import ClearReport, Removal
from image_gen.model_cache.cache.gc import GcReport
from image_gen.model_cache.cache.host import HostCacheStatus
from image_gen.model_cache.cache.status import CachedModel, CacheStatus
from image_gen.model_cache.core.filesystem import format_bytes
from image_gen.model_cache.core.manifest import ReadyModel, is_commit
from image_gen.model_cache.core.progress import Progress
from image_gen.model_cache.doctor import DoctorReport
from image_gen.model_cache.download.verify import VerifiedModel, VerifyReport
from image_gen.model_cache.manifests.check import CheckReport
from image_gen.model_cache.manifests.lock_manifest import LockedManifest

_LINE_EVERY_SECONDS = 5.0
_BAR_WIDTH = 24


class ProgressPrinter:
    """Shows progress on stderr: a bar on a terminal, else a line every few seconds."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._last_line = time.monotonic()
        self._open = False

    def __call__(self, progress: Progress) -> None:
        if self._terminal:
            self._stream.write(f"\r\033[K{_bar(progress)} {_words(progress)}")
            self._open = True
        elif time.monotonic() - self._last_line >= _LINE_EVERY_SECONDS:
            self._last_line = time.monotonic()
            self._stream.write(f"{_words(progress)}\n")
        self._stream.flush()

    def end(self) -> None:
        """Moves the cursor to the beginning of a line."""
        if self._open:
            self._stream.write("\n")
            self._open = False


def _bar(progress: Progress) -> str:
    full = _BAR_WIDTH * progress.bytes_done // progress.bytes_total if progress.bytes_total else _BAR_WIDTH
    return f"[{'#' * full}{'.' * (_BAR_WIDTH - full)}]"


def _words(progress: Progress) -> str:
    left = f", {progress.eta_seconds:.0f} s left" if progress.eta_seconds is not None else ""
    # An archive that comes through a pipe does not say how long it is.
    whole = f" of {format_bytes(progress.bytes_total)}" if progress.bytes_total else ""
    rate = format_bytes(progress.bytes_per_second)
    return f"{progress.phase} {format_bytes(progress.bytes_done)}{whole}, {rate}/s{left}"


def status_text(status: CacheStatus) -> str:
    lines = [
        f"{model.model_id}  {_size(model)}  {model.source}  {_revision(model)}  {_state(model)}"
        + _partial(model)
        + _care(model, time.time())
        for model in status.models
    ]
    mount = status.mount
    kind = f"{mount.filesystem}, {'a mount' if mount.is_mount else 'not a mount: deleted with the container'}"
    lines += [
        f"{format_bytes(status.bytes_used)} in {status.hf_home}",
        f"{format_bytes(mount.bytes_free)} of {format_bytes(mount.bytes_total)} free on {mount.path} ({kind})",
        *_host_lines(status.host_cache),
    ]
    if status.orphans:
        clear = reader.cache_command("clear --orphans --yes")
        lines.append(f"{status.orphans} orphans, {format_bytes(status.bytes_orphaned)}: `{clear}` removes them")
    return "\n".join(lines if status.models else ["No model is cached.", *lines])


def _host_lines(host: HostCacheStatus | None) -> list[str]:
    """The host's cache, as a place of its own."""
    if host is None:
        return []
    if host.problem:
        return [host.problem]
    lines = [
        f"  {model.model_id}  {format_bytes(model.bytes_total)}  {model.revision[:12]}  "
        + ("complete" if model.complete else "INCOMPLETE")
        for model in host.models
    ]
    return [f"The host's cache {host.path}, which is only read:", *(lines or ["  no pipeline"])]


def _size(model: CachedModel) -> str:
    shared = f" ({format_bytes(model.bytes_shared)} shared with other revisions)" if model.bytes_shared else ""
    return format_bytes(model.bytes_used) + shared


def _revision(model: CachedModel) -> str:
    return " ".join([(model.revision or "no revision")[:12], *(f"({name})" for name in model.refs)])


def _state(model: CachedModel) -> str:
    if model.problem:
        return f"UNREADABLE: {model.problem}"
    if not model.complete:
        names = _names(model.missing) if model.missing else "everything"
        size = f", {format_bytes(model.bytes_lacking)}" if model.bytes_lacking else ""
        return f"INCOMPLETE, lacks {names}{size}"
    return f"complete, no hash known of {_names(model.unprovable)}" if model.unprovable else "complete"


def _names(paths: tuple[str, ...]) -> str:
    return f"{len(paths)} file{'s' * (len(paths) > 1)} ({', '.join(paths[:3])}{', …' if len(paths) > 3 else ''})"


def _partial(model: CachedModel) -> str:
    """What a download that is not complete takes on the disk."""
    aside = f", {format_bytes(model.bytes_set_aside)} set aside" if model.bytes_set_aside else ""
    return f"; {format_bytes(model.bytes_partial)} downloaded in part{aside}" if model.bytes_partial or aside else ""


def _care(model: CachedModel, now: float) -> str:
    """When a model on the volume was verified and used."""
    if model.source == "baked":
        return ""
    used = "in use" if model.in_use else f"used {_ago(model.last_used, now)}"
    return f"; verified {_ago(model.verified_at, now)}, {used}"


def _ago(moment: float | None, now: float) -> str:
    if moment is None:
        return "never"
    seconds = max(now - moment, 0)
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return "just now"


def prefetch_text(model: ReadyModel) -> str:
    how = f"{format_bytes(model.bytes_fetched)} fetched" if model.bytes_fetched else "nothing to fetch"
    return f"{model.model_id} is complete: {format_bytes(model.bytes_total)}, {how}, in {model.directory}"


def rates_text(rates: MachineRates) -> str:
    """Each rate on a line."""
    read = rates.read_bytes_per_second
    lines = [
        f"libraries imported in {rates.import_seconds:.1f} s",
        f"read from the disk at {format_bytes(round(read))}/s" if read else "the disk can't be measured on this system",
        f"hashed on one of {rates.cores} cores at {format_bytes(round(rates.blake3_bytes_per_second))}/s (BLAKE3), "
        f"{format_bytes(round(rates.sha256_bytes_per_second))}/s (sha256)",
        f"loaded to the device ({rates.device}, {rates.dtype}) at {format_bytes(round(rates.load_bytes_per_second))}/s",
        f"weights used at {format_bytes(round(rates.pass_bytes_per_second))}/s in a step of a picture of "
        f"{rates.warmup_side}x{rates.warmup_side}, {format_bytes(round(rates.prompt_bytes_per_second))}/s for a prompt",
    ]
    return "\n".join(lines)


def verify_text(report: VerifyReport) -> str:
    lines = []
    for model in report.models:
        where = f"{model.model_id} ({model.source}, {(model.revision or '')[:12]})"
        lines.append(f"{where}: {model.files} files, {format_bytes(model.bytes_read)} read, {_result_word(model)}")
        for kind in ("damaged", "missing", "unreadable", "unprovable"):
            lines += [f"  {kind}: {path}" for path in getattr(model, kind)]
        lines += [f"  {model.problem}"] if model.problem else []
    prefetch = reader.cache_command("prefetch")
    if report.repaired:
        lines.append(f"The damaged files were quarantined. Fix: `{prefetch}`, or a restart, downloads them again.")
    elif any(model.damaged for model in report.models):
        lines.append(f"Fix: `{reader.cache_command('verify --repair')}`, then `{prefetch}` or a restart.")
    for model in report.models:
        if model.missing and model.source == "volume":
            fetch = reader.cache_command(f"prefetch --model {model.model_id} --revision {model.revision}")
            clear = reader.cache_command(f"clear --model {model.model_id} --revision {model.revision} --yes")
            # No hub has a directory that is not named by a commit.
            fix = f"`{fetch}`, or `{clear}`" if is_commit(model.revision or "") else f"`{clear}`"
            lines.append(f"{_at(model.model_id, model.revision)} is incomplete. Fix: {fix}.")
    if any(model.unprovable for model in report.models):
        lines.append(
            f"No hash is known of the unprovable files, so damage in them can't be found. Fix: `{prefetch} --model ID` "
            "with the hub in reach gets the hashes, and `verify` compares them."
        )
    return "\n".join(lines or ["No model is cached."])


def _result_word(model: VerifiedModel) -> str:
    if model.damaged or model.missing:
        return "DAMAGED" if model.damaged else "INCOMPLETE"
    if model.unreadable or model.problem:
        return "UNREADABLE"
    return "NOT VERIFIED" if model.unprovable else "ok"


def clear_text(report: ClearReport) -> str:
    lines = _removals(report.removed, report.dry_run)
    lines += [f"{model_id} is being fetched: left alone" for model_id in report.skipped]
    lines += [f"kept what it may use: {problem}" for problem in report.unreadable]
    if not report.removed:
        return "\n".join([*lines, "There is nothing to remove."])
    return "\n".join([*lines, f"{format_bytes(report.bytes_freed)} in all"])


def _removals(removed: Iterable[Removal], dry_run: bool) -> list[str]:
    verb = "would remove" if dry_run else "removed"
    lines = []
    for each in removed:
        what = f"{each.orphans} orphans of {each.model_id}" if each.orphans else _at(each.model_id, each.revision)
        lines.append(f"{verb} {what}: {format_bytes(each.bytes_freed)}{', IN USE' if each.in_use else ''}")
        if each.linked_to:
            lines.append(f"  It is a link to {reader.place(each.linked_to)}, whose files stay.")
    return lines


def _at(model_id: str, revision: str | None) -> str:
    return f"{model_id} at {revision[:12]}" if revision else model_id


def gc_text(report: GcReport) -> str:
    lines = _removals(report.removed, report.dry_run)
    lines += [f"kept {_at(kept.model_id, kept.revision)}: {kept.reason}" for kept in report.kept]
    lines += [f"kept what it may use: {problem}" for problem in report.unreadable]
    freed = f"{format_bytes(report.bytes_freed)} {'would be ' if report.dry_run else ''}freed"
    lines.append(f"{freed}, {format_bytes(report.bytes_free)} free")
    if not report.target_met:
        lines.append(
            f"That is less than the {format_bytes(report.target_free_bytes)} wanted; what is left must not go."
        )
    return "\n".join(lines)


def doctor_text(report: DoctorReport) -> str:
    return "\n".join(
        f"{each.status:4}  {each.id:9}  {each.message}" + (f" Fix: {each.fix}" if each.fix else "")
        for each in report.checks
    )


def backup_text(report: BackupReport) -> str:
    return f"backed up {', '.join(report.models)}: {format_bytes(report.bytes_stored)}{_left_out(report.skipped)}"


def restore_text(report: RestoreReport) -> str:
    text = f"restored {', '.join(report.models)}: {format_bytes(report.bytes_restored)}, verified"
    kept = f"\nkept: {'; '.join(report.kept)}; MODEL_REVISION chooses a commit" if report.kept else ""
    return text + _left_out(report.skipped) + kept


def _left_out(revisions: Sequence[str]) -> str:
    return f"\nleft out: {'; '.join(revisions)}" if revisions else ""


def export_text(report: ExportReport, verb: str) -> str:
    size = format_bytes(report.bytes_total)
    line = f"{verb} {report.model_id} at {report.revision[:12]}: {size} in {report.directory}"
    return "\n".join([line, *(export_text(each, verb) for each in report.others)])


def lock_text(locked: LockedManifest, target: str | None) -> str:
    manifest = locked.manifest
    kind = manifest.pipeline or f"{manifest.component}, a part of a pipeline"
    variant = f", variant {manifest.variant}" if manifest.variant else ""
    terms = f"licence {manifest.licence or 'unknown'}, {'gated' if manifest.gated else 'not gated'}"
    lines = [
        f"{manifest.model_id} at {manifest.revision}: {kind}{variant}; {terms}",
        f"taken: {len(manifest.files)} files, {format_bytes(manifest.bytes_total)}"
        + (f", in {target}" if target else ""),
    ]
    lines += [
        f"left out: {each.files} files, {format_bytes(each.size)}, {each.reason} ({each.example})"
        for each in locked.left_out
    ]
    if locked.pickles:
        lines.append(f"CAUTION: taken as pickles, which can run code when loaded: {', '.join(locked.pickles)}")
    return "\n".join(lines)


def check_text(report: CheckReport) -> str:
    lines = []
    for model in report.models:
        state = f"{model.files} files agree" if model.ok else "DISAGREES"
        lines.append(f"{model.model_id} at {model.revision[:12]}: {state} with {report.endpoint}")
        lines += [f"  {problem}" for problem in model.problems]
    return "\n".join(lines or ["No manifest is bundled."])
