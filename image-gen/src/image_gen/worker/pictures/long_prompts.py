"""Prompts of more tokens than a CLIP text encoder takes: encoded in pieces, which the UNet reads one after another.

Comes in: a prompt and a negative one. Goes out: whether one is long, and then a pipeline's arguments in their place;
short ones are encoded by the pipeline itself. Must not: change what a short prompt gives.

Each piece has 75 tokens between the start and the end that CLIP was trained with; both prompts get equally many pieces.
The pooled vector, which SDXL reads besides, is that of the first piece.
"""

from collections.abc import Sequence
from typing import Any, Final

import torch

_FAMILIES: Final = {"StableDiffusion": ("",), "StableDiffusionXL": ("", "_2")}
_KINDS: Final = ("Pipeline", "Img2ImgPipeline", "InpaintPipeline")


def encoded_prompts(pipeline: Any, prompt: str, negative: str | None) -> dict[str, Any]:
    """`prompt_embeds` and the like, without the prompts themselves, where `has_long_prompt`."""
    parts = _encoders(pipeline)
    is_xl = len(parts) > 1
    zeros = is_xl and negative is None and pipeline.config.force_zeros_for_empty_prompt
    embeds: list[torch.Tensor] = []
    negative_embeds: list[torch.Tensor] = []
    pooled: list[torch.Tensor] = []
    negative_pooled: list[torch.Tensor] = []
    for tokenizer, encoder in parts:
        pieces, others = _pieces(tokenizer, prompt), _pieces(tokenizer, negative or "")
        count = max(len(pieces), len(others))
        for texts, to, to_pooled in ((pieces, embeds, pooled), (others, negative_embeds, negative_pooled)):
            states, first = _encoded(encoder, _padded(tokenizer, texts, count), penultimate=is_xl)
            to.append(states)
            to_pooled.append(first)
    wide, negative_wide = torch.cat(embeds, dim=-1), torch.cat(negative_embeds, dim=-1)
    result = {"prompt_embeds": wide, "negative_prompt_embeds": torch.zeros_like(wide) if zeros else negative_wide}
    if is_xl:
        result["pooled_prompt_embeds"] = pooled[-1]
        result["negative_pooled_prompt_embeds"] = torch.zeros_like(pooled[-1]) if zeros else negative_pooled[-1]
    return result


def has_long_prompt(pipeline: Any, prompt: str, negative: str | None) -> bool:
    """Whether one of them is longer than the pipeline would read, and is encoded here."""
    texts = (prompt, negative or "")
    return any(_is_long(tokenizer, text) for tokenizer, _ in _encoders(pipeline) for text in texts)


def reads_long_prompts(pipeline: Any) -> bool:
    """Whether prompts of any length are read whole."""
    return bool(_encoders(pipeline))


def _encoders(pipeline: Any) -> list[tuple[Any, Any]]:
    """Tokenizers and encoders, where the pipeline has all that its family has."""
    name = type(pipeline).__name__
    for family, suffixes in _FAMILIES.items():
        if name in {f"{family}{kind}" for kind in _KINDS}:
            parts = [
                (getattr(pipeline, f"tokenizer{suffix}", None), getattr(pipeline, f"text_encoder{suffix}", None))
                for suffix in suffixes
            ]
            return parts if all(tokenizer and encoder for tokenizer, encoder in parts) else []
    return []


def _ids(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, truncation=False, add_special_tokens=False, verbose=False).input_ids
    return ids


def _is_long(tokenizer: Any, text: str) -> bool:
    return bool(len(_ids(tokenizer, text)) > tokenizer.model_max_length - 2)


def _pieces(tokenizer: Any, text: str) -> list[list[int]]:
    ids, length = _ids(tokenizer, text), tokenizer.model_max_length - 2
    return [ids[start : start + length] for start in range(0, len(ids), length)] or [[]]


def _padded(tokenizer: Any, pieces: Sequence[list[int]], count: int) -> torch.Tensor:
    length = tokenizer.model_max_length
    rows = []
    for piece in (*pieces, *([[]] * (count - len(pieces)))):
        row = [tokenizer.bos_token_id, *piece, tokenizer.eos_token_id]
        rows.append(row + [tokenizer.pad_token_id] * (length - len(row)))
    return torch.tensor(rows)


def _encoded(encoder: Any, rows: torch.Tensor, *, penultimate: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """The states of all pieces in one row, and the first result of the first piece."""
    output = encoder(rows.to(encoder.device), output_hidden_states=penultimate)
    states = output.hidden_states[-2] if penultimate else output[0]
    return states.reshape(1, -1, states.shape[-1]), output[0][:1]
