"""How the caller of a long operation follows it, and cancels it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from image_gen.model_cache.cache.locate import ReadyModel
from image_gen.model_cache.core.progress import OnProgress


@dataclass(frozen=True)
class ProgressCallbacks:
    """All are called from other threads, one call at a time. `on_found` gets the model's future place before the first
    byte is downloaded, `on_file` each path in it that is complete and verified. Setting `cancel` ends the operation
    with CANCELLED within a read timeout; what was downloaded is kept.
    """

    on_progress: OnProgress | None = None
    cancel: threading.Event = field(default_factory=threading.Event)
    on_found: Callable[[ReadyModel], None] = lambda _: None
    on_file: Callable[[str], None] = lambda _: None
