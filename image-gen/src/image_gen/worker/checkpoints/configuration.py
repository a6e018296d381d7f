"""The configuration of a kind of checkpoint, as the directory that diffusers wants."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

CONFIGS: Final = Path(__file__).parent


def configuration_of(kind: str) -> dict[str, dict[str, Any]]:
    """By path."""
    found: dict[str, dict[str, Any]] = json.loads((CONFIGS / f"{kind}.json").read_text(encoding="utf-8"))
    return found


@contextmanager
def as_directory(kind: str) -> Iterator[Path]:
    """For as long as the pipeline is loaded."""
    with tempfile.TemporaryDirectory(prefix="image-gen-") as folder:
        for path, content in configuration_of(kind).items():
            place = Path(folder, path)
            place.parent.mkdir(exist_ok=True)
            place.write_text(json.dumps(content), encoding="utf-8")
        yield Path(folder)
