"""Where a LoRA comes from, as a setting says it: `name=org/repository@revision/file.safetensors`, or a path."""

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from image_gen.errors import ImageGenError
from image_gen.model_cache.core.manifest import check_revision, is_safe_path, split_model_id

ENDING = ".safetensors"
# What diffusers' training scripts call theirs.
USUAL_FILE = "pytorch_lora_weights.safetensors"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ON_HUB = re.compile(
    r"(?:hf://|(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/)?"
    r"(?P<id>[^/@]+/[^/@]+)(?:@(?P<at>[^/]+)|/(?:tree|blob|resolve|raw)/(?P<shown>[^/]+))?(?:/(?P<file>[^?#]+))?/?"
)
EXPECTED = (
    "name=org/repository@commit, with /file.safetensors where there are several, or name=/path/in/the/service, with "
    "commas between them"
)


@dataclass(frozen=True)
class LoraSource:
    """A LoRA by name: a file of a repository (without one the only, or usual one), or a path."""

    name: str
    model_id: str = ""
    revision: str | None = None
    file: str | None = None
    path: Path | None = None


def parse_loras(text: str) -> tuple[LoraSource, ...]:
    """Raises ValueError, which says what was expected."""
    found = tuple(_one(each.strip()) for each in text.split(",") if each.strip())
    names = [each.name for each in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"each name once, and {twice} stands twice")
    return found


def _one(text: str) -> LoraSource:
    name, sign, source = (part.strip() for part in text.partition("="))
    if not sign or not _NAME.fullmatch(name):
        raise ValueError(EXPECTED)
    if source.startswith("/"):
        return LoraSource(name, path=Path(source))
    match = _ON_HUB.fullmatch(source)
    if match:
        with suppress(ImageGenError):
            model_id, _ = split_model_id(match["id"])
            named = match["at"] or match["shown"]
            revision = check_revision(named) if named else None
            if match["file"] is None or is_safe_path(match["file"]):
                return LoraSource(name, model_id, revision, match["file"])
    raise ValueError(EXPECTED)
