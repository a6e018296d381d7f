"""Keeps what the text encoders made of a prompt, for the next picture with the same one.

Comes in: a call of the pipeline's `encode_prompt`. Goes out: a copy of the tensors that the same call gave before, or
the call's own. Must not: keep a text, or anything beyond this process and this model.

A key is a keyed hash of all that the tensors depend on: the pipeline's class, every argument of the call (the prompts,
whether there is guidance, clip skip) and the LoRAs with their weights. The number type and the model are those of the
loaded pipeline, which the cache goes with. How many pictures there are is a part of it only for pipelines that have no
batches: for the others one picture's tensors are kept, and repeated.
"""

import hashlib
import inspect
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import torch

from image_gen.worker.speed.batches import BATCHED

# About a hundred prompts of SDXL in 16 bits, which are 0.6 MB each.
_MOST_BYTES: Final = 64 << 20
_LEAVES: Final = {str, int, float, bool, type(None), torch.device, torch.dtype}
_COUNT: Final = "num_images_per_prompt"


class PromptCache:
    """The latest prompts, up to so many bytes of tensors. `hits` and `misses` count calls: without and with a text
    encoder.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._secret = secrets.token_bytes(32)
        self._kept: OrderedDict[bytes, Any] = OrderedDict()
        self.bytes = self.hits = self.misses = 0

    @property
    def counts(self) -> tuple[int, int]:
        """`hits` and `misses` until now."""
        return self.hits, self.misses

    def result(self, facts: object, make: Callable[[], Any]) -> Any:
        """What `make` gives, or a copy of what it gave for the same facts. Nothing is kept where a fact is neither
        text, number, device nor number type: others have no name that is theirs alone.
        """
        if not _is_plain(facts):
            self.misses += 1
            return make()
        key = hashlib.blake2b(repr(facts).encode(), key=self._secret).digest()
        if key in self._kept:
            self.hits += 1
            self._kept.move_to_end(key)
            return _copy(self._kept[key])
        self.misses += 1
        made = make()
        self._keep(key, _copy(made))
        return made

    def _keep(self, key: bytes, value: Any) -> None:
        self._kept[key] = value
        self.bytes += _size(value)
        while self.bytes > self._most_bytes:
            _, oldest = self._kept.popitem(last=False)
            self.bytes -= _size(oldest)


@contextmanager
def with_prompt_cache(cache: PromptCache | None, pipeline: Any, loras: Mapping[str, float]) -> Iterator[None]:
    """While the context lasts, the pipeline looks there before it encodes a prompt."""
    original = getattr(pipeline, "encode_prompt", None)
    if cache is None or original is None:
        yield
        return
    signature = inspect.signature(original)
    repeats = type(pipeline).__name__ in BATCHED

    def encode_prompt(*arguments: Any, **options: Any) -> Any:
        given = signature.bind(*arguments, **options)
        given.apply_defaults()
        if given.arguments.get("prompt") is None:
            return original(*arguments, **options)  # The caller has encoded it.
        count = 1
        if repeats and type(given.arguments["prompt"]) is str:
            count = given.arguments.get(_COUNT, 1)
            given.arguments[_COUNT] = 1
        facts = (type(pipeline).__name__, sorted(loras.items()), sorted(given.arguments.items()))
        return _repeated(cache.result(facts, lambda: original(*given.args, **given.kwargs)), count)

    pipeline.encode_prompt = encode_prompt
    try:
        yield
    finally:
        del pipeline.encode_prompt


def _is_plain(value: Any) -> bool:
    """Whether `repr` tells it apart from every other value. Subclasses may have any `repr`."""
    kind = type(value)
    if kind is dict:
        return all(_is_plain(each) for each in value.items())
    return all(map(_is_plain, value)) if kind in {list, tuple} else kind in _LEAVES


def _repeated(value: Any, count: int) -> Any:
    """Of one picture's tensors those of a batch; what the pictures share has no dimension of one to begin with."""
    if isinstance(value, torch.Tensor):
        return value.repeat_interleave(count, dim=0) if count > 1 and value.dim() and len(value) == 1 else value
    return type(value)(_repeated(each, count) for each in value) if isinstance(value, (list, tuple)) else value


def _tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    return [found for each in value for found in _tensors(each)] if isinstance(value, (list, tuple)) else []


def _size(value: Any) -> int:
    return sum(tensor.nbytes for tensor in _tensors(value))


def _copy(value: Any) -> Any:
    """Tensors of its own, as a pipeline may change those that it gets."""
    if isinstance(value, torch.Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {name: _copy(each) for name, each in value.items()}
    return type(value)(map(_copy, value)) if isinstance(value, (list, tuple)) else value
