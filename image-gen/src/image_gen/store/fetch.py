"""Fetches what a model lacks, and nothing else, a few files at once."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

from image_gen.errors import ImageGenError
from image_gen.store.http import HubClient, check_cancelled
from image_gen.store.layout import RepoLayout
from image_gen.store.locate import is_whole, missing_files
from image_gen.store.manifest import Manifest, ManifestFile
from image_gen.store.place import put_blob, put_links
from image_gen.store.progress import Meter, OnProgress
from image_gen.store.settings import StoreSettings
from image_gen.store.transfer import Transfer
from image_gen.store.volume import clear_errors, require_room

# Room for directories, links and what other programs write meanwhile.
_SPARE_BYTES = 4 << 20
_POLL_SECONDS = 0.2


class Fetch:
    """The missing files of one model, brought into its snapshot. The caller holds the model's lock."""

    def __init__(
        self,
        settings: StoreSettings,
        manifest: Manifest,
        client: HubClient,
        on_progress: OnProgress | None,
        cancel: threading.Event,
    ) -> None:
        self._settings = settings
        self._manifest = manifest
        self._client = client
        self._layout = RepoLayout(settings.hub_cache, manifest.model_id)
        self._on_progress = on_progress
        self._cancel = cancel
        # Set when one file fails, so that the others end soon; what they have is kept.
        self._stop = threading.Event()
        self._fetched = 0
        self._count_lock = threading.Lock()

    def run(self) -> int:
        """Returns the bytes that came over the network."""
        contents = self._contents()
        there = bytes_there(self._layout, self._manifest)
        meter = Meter("fetching", self._manifest.bytes_total, there, self._on_progress)
        with clear_errors(self._settings.volume_root, f"fetching {self._manifest.model_id}"):
            for path in (self._layout.blobs, self._layout.snapshot(self._manifest.revision)):
                path.mkdir(parents=True, exist_ok=True)
            require_room(
                self._layout.blobs, self._needed(contents) + _SPARE_BYTES, f"fetching {self._manifest.model_id}"
            )
        self._all(contents, meter)
        return self._fetched

    def _contents(self) -> list[list[ManifestFile]]:
        """Missing files by content, the largest first, as it decides when all is done."""
        groups: dict[str, list[ManifestFile]] = defaultdict(list)
        for file in missing_files(self._layout.snapshot(self._manifest.revision), self._manifest):
            groups[file.content_key].append(file)
        return sorted(groups.values(), key=lambda group: -group[0].size)

    def _needed(self, contents: list[list[ManifestFile]]) -> int:
        return sum(
            group[0].size - min(group[0].size, partial_bytes(self._layout, group[0]))
            for group in contents
            if not self._blob_there(group[0])
        )

    def _blob_there(self, file: ManifestFile) -> str | None:
        """The name of a blob that has the content already; only its link was lost."""
        names = (file.sha256, file.git_sha1)
        return next((name for name in names if name and is_whole(self._layout.blobs / name, file.size)), None)

    def _all(self, contents: list[list[ManifestFile]], meter: Meter) -> None:
        with ThreadPoolExecutor(self._settings.parallel_files, thread_name_prefix="fetch") as pool:
            tasks = [pool.submit(self._one, group, meter) for group in contents]
            pending = set(tasks)
            try:
                while pending:
                    done, pending = wait(pending, timeout=_POLL_SECONDS, return_when=FIRST_EXCEPTION)
                    check_cancelled(self._cancel)
                    for task in done:
                        task.result()
            finally:
                self._stop.set()
                for task in pending:
                    task.cancel()

    def _one(self, group: list[ManifestFile], meter: Meter) -> None:
        file = group[0]

        def add(count: int) -> None:
            meter.add(count * len(group), file.path)
            with self._count_lock:
                self._fetched += max(0, count)

        with clear_errors(self._settings.volume_root, f"fetching {self._manifest.model_id}"):
            name = self._blob_there(file)
            if name is None:
                partial = self._layout.partial(file.content_key)
                name = Transfer(
                    self._settings, self._client, self._manifest, file, partial=partial, add=add, cancel=self._stop
                ).run()
                put_blob(partial, self._layout.blobs / name)
            put_links(self._layout, self._manifest.revision, (each.path for each in group), name)
        for each in group:
            meter.finish(each.path)


def partial_bytes(layout: RepoLayout, file: ManifestFile) -> int:
    """How much of a file an earlier try left."""
    try:
        return layout.partial(file.content_key).stat().st_size
    except OSError:
        return 0


def bytes_there(layout: RepoLayout, manifest: Manifest) -> int:
    """How much of a model is on the volume, with what is under way."""
    missing = missing_files(layout.snapshot(manifest.revision), manifest)
    return manifest.bytes_total - sum(file.size - min(file.size, partial_bytes(layout, file)) for file in missing)


def waiting(
    layout: RepoLayout, manifest: Manifest | None, report: OnProgress | None, cancel: threading.Event
) -> Callable[[], None]:
    """What to do while another process fetches the same model: tell how far it is, and heed `cancel`."""
    meter = Meter("fetching", manifest.bytes_total, bytes_there(layout, manifest), report) if manifest else None

    def wait_a_little() -> None:
        check_cancelled(cancel)
        if meter and manifest:
            meter.moved_to(bytes_there(layout, manifest))
        time.sleep(_POLL_SECONDS)

    return wait_a_little


def not_offline(settings: StoreSettings, model_id: str, lacks: str) -> None:
    """Raises OFFLINE when the hub is switched off."""
    if settings.offline:
        raise ImageGenError(
            "OFFLINE",
            f"HF_HUB_OFFLINE is set, and {settings.hub_cache} lacks {lacks} of {model_id}. Fix: unset it once, or "
            "restore a backup with `image-gen restore`.",
        )
