"""Downloads the missing files of a model: several files, and several ranges of a large file, at once."""

import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from image_gen.errors import CacheBusyError, CorruptDownloadError, FileMissingError, ImageGenError
from image_gen.model_cache.cache.complete import has_size, missing_files
from image_gen.model_cache.cache.host import HostCache
from image_gen.model_cache.cache.orphans import delete_stale_downloads
from image_gen.model_cache.core.atomic_files import link_snapshot, sync_names
from image_gen.model_cache.core.digest import ContentDigest
from image_gen.model_cache.core.file_lock import file_lock, holder_of
from image_gen.model_cache.core.filesystem import require_room, status_of
from image_gen.model_cache.core.layout import RepoLayout
from image_gen.model_cache.core.manifest import Manifest, ManifestFile, ready
from image_gen.model_cache.core.progress import Meter, ProgressCallbacks
from image_gen.model_cache.core.retry import check_cancelled
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.core.verification_record import FileFingerprint, VerificationRecord
from image_gen.model_cache.download.file_download import Content, FileDownload, RangeSupport
from image_gen.model_cache.download.range_journal import RangeJournal, adopt_older
from image_gen.model_cache.sources.source import Source

# Space for directories, links and other programs.
_SPARE_BYTES = 4 << 20
_SPARE_INODES = 16
_POLL_SECONDS = 0.2
# For so many read timeouts a waiting process waits for one from which nothing comes.
_QUIET_TIMEOUTS = 60

log = logging.getLogger(__name__)

_Task = Callable[[], None]


@dataclass(frozen=True)
class Downloaded:
    """The bytes from the source, the paths whose contents were hashed during the download, and why there are none."""

    bytes: int = 0
    paths: frozenset[str] = frozenset()
    problem: str = ""


class Downloader:
    """Downloads the missing files of one model into its snapshot. The caller holds the model's lock.

    With `skip_missing`, a file that the source lacks or has damaged is logged and skipped.
    """

    def __init__(
        self,
        settings: CacheSettings,
        manifest: Manifest,
        source: Source,
        callbacks: ProgressCallbacks,
        *,
        skip_missing: bool = False,
    ) -> None:
        self._settings = settings
        self._manifest = manifest
        self._source = source
        self._skip_missing = skip_missing
        self._layout = RepoLayout(settings.hub_cache, manifest.model_id)
        self._host = HostCache(settings)
        self._callbacks = callbacks
        # Set when one file fails, so that the others end soon; what arrived is kept.
        self._stop = threading.Event()
        self._opened: list[FileDownload] = []
        self._bytes = 0
        self._paths: set[str] = set()
        self._skipped: set[str] = set()
        # By path, of what was downloaded.
        self._blake3: dict[str, str] = {}
        self._count_lock = threading.Lock()

    def run(self) -> Downloaded:
        """Downloads all missing files; what arrived before a failure is kept."""
        check_cancelled(self._callbacks.cancel)
        for path in (self._layout.blobs, self._layout.snapshot(self._manifest.revision)):
            path.mkdir(parents=True, exist_ok=True)
        contents = self._contents()
        for group in contents:
            adopt_older(self._layout.partial(group[0].content_key))
        there = cached_bytes(self._layout, self._manifest)
        self._meter = Meter("fetching", self._manifest.bytes_total, there, self._callbacks.on_progress)
        delete_stale_downloads(self._settings, self._layout)
        # For each file a content with its journal, and a link.
        inodes = 3 * sum(map(len, contents)) + _SPARE_INODES if contents else 0
        needed = self._needed(contents) + _SPARE_BYTES
        require_room(self._layout.blobs, needed, f"fetching {self._manifest.model_id}", inodes)
        self._callbacks.on_found(ready(self._layout.snapshot(self._manifest.revision), self._manifest, "download"))
        self._run_tasks(contents)
        snapshot = self._layout.snapshot(self._manifest.revision)
        if contents:
            sync_names([self._layout.blobs / "any", *(snapshot / file.path for file in self._manifest.files)])
            self._record(snapshot)
        return Downloaded(self._bytes, frozenset(self._paths))

    def _record(self, snapshot: Path) -> None:
        """So that the next start need not compute sha256 again."""
        statuses = {file: status_of(snapshot / file.path) for file in self._manifest.files if file.path in self._blake3}
        VerificationRecord(self._settings, self._manifest.model_id, self._manifest.revision).add(
            {
                file.path: FileFingerprint.of(file, status, self._blake3[file.path])
                for file, status in statuses.items()
                if status is not None
            }
        )

    def _contents(self) -> list[list[ManifestFile]]:
        """Missing files by content, the largest first, as it decides when all is done."""
        groups: dict[str, list[ManifestFile]] = defaultdict(list)
        for file in missing_files(self._layout.snapshot(self._manifest.revision), self._manifest):
            groups[file.content_key].append(file)
        return sorted(groups.values(), key=lambda group: -group[0].size)

    def _needed(self, contents: list[list[ManifestFile]]) -> int:
        needed = 0
        for file in (group[0] for group in contents if not self._blob_there(group[0])):
            # The disk space that an earlier try uses is there already.
            status = status_of(self._layout.partial(file.content_key))
            needed += max(0, file.size - (status.st_blocks * 512 if status else 0))
        return needed

    def _blob_there(self, file: ManifestFile) -> str | None:
        """The name of a blob with the content, of which only the link is missing."""
        return next((name for name in file.blob_names if has_size(self._layout.blobs / name, file.size)), None)

    def _run_tasks(self, contents: list[list[ManifestFile]]) -> None:
        pieces, files = self._tasks(contents)
        workers = max(1, min(self._settings.connections, len(pieces) + len(files)))
        with ThreadPoolExecutor(workers, thread_name_prefix="fetch") as pool:
            # One thread begins with the small files, so that their many short waits never leave the connection idle.
            orders = [(pieces.popleft, files.popleft)] * (workers - 1) + [(files.pop, pieces.popleft)]
            pending = {pool.submit(self._work, order) for order in orders}
            try:
                while pending:
                    done, pending = wait(pending, timeout=_POLL_SECONDS, return_when=FIRST_EXCEPTION)
                    check_cancelled(self._callbacks.cancel)
                    for task in done:
                        task.result()
            finally:
                self._stop.set()
                wait(pending)
                for each in self._opened:
                    each.close()

    def _tasks(self, contents: list[list[ManifestFile]]) -> tuple[deque[_Task], deque[_Task]]:
        """Everything there is to do: the pieces of large files, in order, and whole files, the largest first."""
        support, piece_bytes = RangeSupport(), self._settings.piece_bytes
        pieces: deque[_Task] = deque()
        files: deque[_Task] = deque()
        for group in contents:
            file, content = group[0], self._content(group)
            if name := self._blob_there(file):
                files.append(partial(self._link, group, name))
            elif host := self._host.source(self._manifest, file):
                files.append(partial(self._copy_from_host, group, host, content))
            elif file.size > piece_bytes:
                large = self._open(content, piece_bytes, support)
                numbers = range(-(-file.size // piece_bytes))
                pieces.extend(partial(self._download, group, partial(large.fetch, number)) for number in numbers)
            else:
                files.append(partial(self._download, group, self._open(content).fetch))
        return pieces, files

    def _content(self, group: list[ManifestFile]) -> Content:
        def add(count: int) -> None:
            self._meter.add(count * len(group), group[0].path)
            with self._count_lock:
                self._bytes += max(0, count)

        def proven(digest: ContentDigest) -> None:
            with self._count_lock:
                self._blake3.update((each.path, digest.blake3) for each in group)

        place = self._layout.partial(group[0].content_key)
        return Content(self._source, group[0], place, add, self._settings.read_timeout, self._stop, proven)

    def _open(
        self, content: Content, piece_bytes: int | None = None, support: RangeSupport | None = None, tries: int = 2
    ) -> FileDownload:
        self._opened.append(FileDownload(content, piece_bytes, support, tries=tries))
        return self._opened[-1]

    def _work(self, takes: Iterable[Callable[[], _Task]]) -> None:
        for take in takes:
            while not self._stop.is_set():
                try:
                    task = take()
                except IndexError:
                    break
                task()

    def _skip(self, file: ManifestFile, error: ImageGenError) -> None:
        """Ends the download of this content; the next source may have it."""
        if not self._skip_missing:
            raise error
        with self._count_lock:
            logged = file.content_key in self._skipped
            self._skipped.add(file.content_key)
        if not logged:
            log.warning("%s It is looked for elsewhere.", error.message)

    def _download(self, group: list[ManifestFile], fetch: Callable[[], str | None]) -> None:
        """Downloads a piece, or all, of a content; the task that completes it gets its blob's name."""
        file = group[0]
        if file.content_key in self._skipped:
            return
        try:
            name = fetch()
        except (FileMissingError, CorruptDownloadError) as error:
            self._skip(file, error)
            return
        if name is not None:
            self._commit(group, name)

    def _copy_from_host(self, group: list[ManifestFile], host: Source, content: Content) -> None:
        """Copies a file that the host's cache has, verified like a download; a damaged one is downloaded."""
        uncounted = replace(content, source=host, add=lambda count: self._meter.add(count * len(group), group[0].path))
        copy = self._open(uncounted, tries=1)
        try:
            self._commit(group, copy.fetch() or "")
        except (FileMissingError, CorruptDownloadError) as error:
            log.warning("%s It is downloaded instead.", error.message)
            copy.close()
            self._download(group, self._open(content).fetch)

    def _commit(self, group: list[ManifestFile], name: str) -> None:
        """Puts a verified content in place, and links to it."""
        self._layout.partial(group[0].content_key).replace(self._layout.blobs / name)
        self._link(group, name)
        with self._count_lock:
            self._paths.update(each.path for each in group)
        for each in group:
            self._callbacks.on_file(each.path)

    def _link(self, group: list[ManifestFile], name: str) -> None:
        link_snapshot(self._layout, self._manifest.revision, (each.path for each in group), name)
        for each in group:
            self._meter.finish(each.path)


def cached_bytes(layout: RepoLayout, manifest: Manifest) -> int:
    """How many bytes of a model are on the volume, with partial downloads."""
    missing = missing_files(layout.snapshot(manifest.revision), manifest)
    kept = sum(RangeJournal.kept_bytes(layout.partial(file.content_key), file.size) for file in missing)
    return manifest.bytes_total - sum(file.size for file in missing) + kept


def download_lock(
    settings: CacheSettings,
    model_id: str,
    callbacks: ProgressCallbacks,
    manifest: Callable[[], Manifest | None] = lambda: None,
) -> AbstractContextManager[None]:
    """The model's lock, to change it. While another process downloads the same model, its progress is reported, and it
    is said when nothing comes. Ends on `cancel`, or with CACHE_BUSY when nothing has come for long: that process may be
    stopped, or its container paused.
    """
    layout, patience = RepoLayout(settings.hub_cache, model_id), _QUIET_TIMEOUTS * settings.read_timeout
    last, since, warn_after, meter = None, time.monotonic(), patience / 20, None

    def wait_a_little() -> None:
        nonlocal last, since, warn_after, meter
        check_cancelled(callbacks.cancel)
        if known := manifest():
            there = cached_bytes(layout, known)
            meter = meter or Meter("fetching", known.bytes_total, there, callbacks.on_progress)
            meter.set_done(there)
        # Every byte that is written changes the time of a file.
        newest = max((status.st_mtime_ns for each in layout.blobs.glob("*") if (status := status_of(each))), default=0)
        if newest != last:
            last, since, warn_after = newest, time.monotonic(), patience / 20
        quiet = time.monotonic() - since
        text = (
            f"{holder_of(layout.lock)} is downloading {model_id}, and nothing has come for {quiet:.0f} s; it may be "
            "stopped, or its container paused. Fix: let it continue (`kill -CONT <process>`, "
            "`docker unpause <container>`), or end it."
        )
        if quiet > patience:
            raise CacheBusyError(text)
        if quiet > warn_after:
            log.warning("%s", text)
            warn_after = 2 * quiet
        time.sleep(_POLL_SECONDS)

    return file_lock(layout.lock, wait_a_little)
