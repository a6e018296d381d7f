"""Finds pieces of a prompt in a text, so that neither a log nor an error shows it.

Libraries print what they were given in their own spelling: lower case, other spaces, a part of it.
"""

import re
from collections.abc import Iterable
from typing import Final

# As many letters in a row are no coincidence.
_WINDOW: Final = 12
# Shorter ones are found only in quotes, as every text has such words: letters of several words, and of one.
_SHORT: Final = 4
_SHORT_WORD: Final = 9
# What diffusers and transformers print before the piece of a prompt that a text encoder does not take.
_INTRODUCTION: Final = re.compile(
    r"input was truncated|can only handle sequences up to|sequence length is longer", re.IGNORECASE
)
HIDDEN: Final = "(left out: it quotes a prompt)"


def quotes_prompt(text: str, prompts: Iterable[str | None]) -> bool:
    """Whether a text has a piece of one of the prompts."""
    letters = _letters(text)
    return any(_quotes(text, letters, prompt) for prompt in prompts if prompt)


def without_prompts(line: str, prompts: Iterable[str | None]) -> str:
    """A line of a library's output, without the pieces of prompts."""
    found = _INTRODUCTION.search(line)
    if found:
        return f"{line[: found.end()]} … {HIDDEN}"
    return HIDDEN if quotes_prompt(line, prompts) else line


def _quotes(text: str, letters: str, prompt: str) -> bool:
    wanted = _letters(prompt)
    if len(wanted) > _WINDOW:
        return any(wanted[start : start + _WINDOW] in letters for start in range(len(wanted) - _WINDOW + 1))
    words = re.findall(r"[^\W_]+", prompt)
    if len(wanted) < (_SHORT if len(words) > 1 else _SHORT_WORD):
        return any(f"{mark}{prompt.strip()}{mark}" in text for mark in "'\"`")
    together = r"[\W_]+".join(words)
    return re.search(rf"(?<![^\W_]){together}(?![^\W_])", text, re.IGNORECASE) is not None


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).lower()
