"""Downloads the missing files of a model: several files, and several ranges of a large file, at once."""

import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from image_gen.errors import CorruptDownloadError, FileMissingError, ImageGenError
from image_gen.model_cache.cache.callbacks import ProgressCallbacks
from image_gen.model_cache.cache.host import HostCache, host_source
from image_gen.model_cache.cache.locate import has_size, missing_files, ready
from image_gen.model_cache.cache.orphans import delete_stale_downloads
from image_gen.model_cache.core.atomic_files import commit_blob, link_snapshot
from image_gen.model_cache.core.filesystem import require_room, status_of, translate_os_errors
from image_gen.model_cache.core.layout import RepoLayout
from image_gen.model_cache.core.manifest import Manifest, ManifestFile
from image_gen.model_cache.core.progress import Meter
from image_gen.model_cache.core.retry import check_cancelled
from image_gen.model_cache.core.settings import CacheSettings
from image_gen.model_cache.download.range_journal import RangeJournal
from image_gen.model_cache.download.ranged import RangedDownload, RangeSupport
from image_gen.model_cache.download.sequential import Content, SequentialDownload
from image_gen.model_cache.sources.source import Source

# Space for directories, links and other programs.
_SPARE_BYTES = 4 << 20
_SPARE_INODES = 16
_POLL_SECONDS = 0.2

log = logging.getLogger(__name__)

_Task = Callable[[], None]


@dataclass(frozen=True)
class Downloaded:
    """The bytes from the source, and the paths whose contents were hashed during the download."""

    bytes: int = 0
    paths: frozenset[str] = frozenset()


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
        there = cached_bytes(self._layout, manifest)
        self._meter = Meter("fetching", manifest.bytes_total, there, callbacks.on_progress)
        self._ranged: dict[str, RangedDownload] = {}
        self._bytes = 0
        self._paths: set[str] = set()
        self._skipped: set[str] = set()
        self._count_lock = threading.Lock()

    def run(self) -> Downloaded:
        """Downloads all missing files; what arrived before a failure is kept."""
        check_cancelled(self._callbacks.cancel)
        contents = self._contents()
        with translate_os_errors(self._settings.volume_root, f"fetching {self._manifest.model_id}"):
            for path in (self._layout.blobs, self._layout.snapshot(self._manifest.revision)):
                path.mkdir(parents=True, exist_ok=True)
            delete_stale_downloads(self._layout, {file.content_key for file in self._manifest.files})
            # For each file a content with its journal, and a link.
            inodes = 3 * sum(map(len, contents)) + _SPARE_INODES if contents else 0
            needed = self._needed(contents) + _SPARE_BYTES
            require_room(self._layout.blobs, needed, f"fetching {self._manifest.model_id}", inodes)
        self._callbacks.on_found(ready(self._layout.snapshot(self._manifest.revision), self._manifest, "download"))
        self._run_tasks(contents)
        return Downloaded(self._bytes, frozenset(self._paths))

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
        names = (file.sha256, file.git_sha1)
        return next((name for name in names if name and has_size(self._layout.blobs / name, file.size)), None)

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
                for ranged in self._ranged.values():
                    ranged.close()

    def _tasks(self, contents: list[list[ManifestFile]]) -> tuple[deque[_Task], deque[_Task]]:
        """Everything there is to do: the pieces of large files, in order, and whole files, the largest first."""
        support, piece_bytes = RangeSupport(), self._settings.piece_bytes
        pieces: deque[_Task] = deque()
        files: deque[_Task] = deque()
        for group in contents:
            file, add = group[0], self._counter(group)
            content = Content(self._source, file, self._settings.read_timeout, self._stop)
            unfinished = self._layout.partial(file.content_key)
            if name := self._blob_there(file):
                files.append(partial(self._link, group, name))
            elif place := self._host.find(self._manifest, file):
                files.append(partial(self._copy_from_host, group, place, content))
            elif file.size > piece_bytes:
                ranged = RangedDownload(content, unfinished, support, add, piece_bytes)
                self._ranged[file.content_key] = ranged
                numbers = range(-(-file.size // piece_bytes))
                pieces.extend(partial(self._download, group, partial(ranged.fetch, number)) for number in numbers)
            else:
                fetch = SequentialDownload(content, partial=unfinished, add=add).run
                files.append(partial(self._download, group, fetch))
        return pieces, files

    def _work(self, takes: Iterable[Callable[[], _Task]]) -> None:
        with translate_os_errors(self._settings.volume_root, f"fetching {self._manifest.model_id}"):
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
            self._commit(group, self._layout.partial(file.content_key), name)

    def _copy_from_host(self, group: list[ManifestFile], place: Path, content: Content) -> None:
        """Copies a file that the host's cache has, verified like a download; a damaged one is downloaded."""
        file = group[0]
        # A name of its own: what was downloaded of the file stays. It looks like a download of the hub's own client,
        # which is deleted when it is left over.
        unfinished = self._layout.blobs / f"{file.content_key}.{0:08x}.incomplete"
        copied = replace(content, source=host_source(place))
        try:
            name = SequentialDownload(copied, partial=unfinished, add=self._meter_of(group), tries=1).run()
        except (FileMissingError, CorruptDownloadError) as error:
            log.warning("%s It is downloaded instead.", error.message)
            unfinished.unlink(missing_ok=True)
            again = self._layout.partial(file.content_key)
            RangeJournal.forget(again)
            self._download(group, SequentialDownload(content, partial=again, add=self._counter(group)).run)
            return
        self._commit(group, unfinished, name)

    def _commit(self, group: list[ManifestFile], unfinished: Path, name: str) -> None:
        """Puts a verified content in place, and links to it."""
        commit_blob(unfinished, self._layout.blobs / name)
        self._link(group, name)
        with self._count_lock:
            self._paths.update(each.path for each in group)
        for each in group:
            self._callbacks.on_file(each.path)

    def _link(self, group: list[ManifestFile], name: str) -> None:
        link_snapshot(self._layout, self._manifest.revision, (each.path for each in group), name)
        for each in group:
            self._meter.finish(each.path)

    def _meter_of(self, group: list[ManifestFile]) -> Callable[[int], None]:
        return lambda count: self._meter.add(count * len(group), group[0].path)

    def _counter(self, group: list[ManifestFile]) -> Callable[[int], None]:
        def add(count: int) -> None:
            self._meter.add(count * len(group), group[0].path)
            with self._count_lock:
                self._bytes += max(0, count)

        return add


def cached_bytes(layout: RepoLayout, manifest: Manifest) -> int:
    """How many bytes of a model are on the volume, with partial downloads."""
    missing = missing_files(layout.snapshot(manifest.revision), manifest)
    kept = sum(RangeJournal.kept_bytes(layout.partial(file.content_key), file.size) for file in missing)
    return manifest.bytes_total - sum(file.size for file in missing) + kept


def wait_for_download(
    layout: RepoLayout, manifest: Manifest | None, callbacks: ProgressCallbacks
) -> Callable[[], None]:
    """For the wait while another process downloads the same model: reports its progress, and ends on `cancel`."""
    there = cached_bytes(layout, manifest) if manifest else 0
    meter = Meter("fetching", manifest.bytes_total, there, callbacks.on_progress) if manifest else None

    def wait_a_little() -> None:
        check_cancelled(callbacks.cancel)
        if meter and manifest:
            meter.set_done(cached_bytes(layout, manifest))
        time.sleep(_POLL_SECONDS)

    return wait_a_little
