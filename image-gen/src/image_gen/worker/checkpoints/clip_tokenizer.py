"""CLIP's tokenizer, made of its merges alone."""

from pathlib import Path
from typing import Any, Final

_MERGES: Final = Path(__file__).with_name("clip-merges.txt")
_START: Final = "<|startoftext|>"
_END: Final = "<|endoftext|>"
# Bytes that are printed as they are; every other one is shown as a letter from 256 on.
_PRINTED: Final = (*range(33, 127), *range(161, 173), *range(174, 256))


def clip_tokenizer(pad_token: str = _END) -> Any:
    """As the repositories of Stable Diffusion have it."""
    from transformers import CLIPTokenizer

    return CLIPTokenizer(
        vocab=vocabulary(),
        merges=[(first, second) for first, second in map(str.split, _merges())],
        model_max_length=77,
        bos_token=_START,
        eos_token=_END,
        unk_token=_END,
        pad_token=pad_token,
    )


def vocabulary() -> dict[str, int]:
    """Single bytes, those that end a word, what the merges make, and the two marks."""
    others = [byte for byte in range(256) if byte not in _PRINTED]
    letters = [*map(chr, _PRINTED), *(chr(256 + index) for index in range(len(others)))]
    merged = [merge.replace(" ", "") for merge in _merges()]
    words = [*letters, *(f"{letter}</w>" for letter in letters), *merged, _START, _END]
    return {word: index for index, word in enumerate(words)}


def _merges() -> list[str]:
    return _MERGES.read_text(encoding="utf-8").splitlines()[1:]
