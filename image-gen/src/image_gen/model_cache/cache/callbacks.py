"""What the caller of a long piece of work wants to hear of it, and his way to end it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from image_gen.model_cache.cache.locate import ReadyModel
from image_gen.model_cache.core.progress import OnProgress

OnFile = Callable[[str], None]
OnFound = Callable[[ReadyModel], None]


@dataclass(frozen=True)
class ProgressCallbacks:
    """All are called from other threads. `on_found` is told where a model is going to be, before its first byte comes;
    `on_file` each path below that which is there and proven.
    """

    on_progress: OnProgress | None = None
    cancel: threading.Event = field(default_factory=threading.Event)
    on_found: OnFound | None = None
    on_file: OnFile | None = None

    def found(self, model: ReadyModel) -> None:
        if self.on_found is not None:
            self.on_found(model)

    def file(self, path: str) -> None:
        if self.on_file is not None:
            self.on_file(path)
