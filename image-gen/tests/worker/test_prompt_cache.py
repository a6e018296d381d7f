"""The cache of prompts: the very numbers of the text encoders, no text, and nothing that could be another's."""

import gc
from collections.abc import Iterator
from dataclasses import replace
from types import FunctionType, ModuleType
from typing import Any

import pytest
import torch

from image_gen.worker.pictures.generate import generate_image, generate_images
from image_gen.worker.protocol import LoadRequest
from image_gen.worker.speed.prompt_cache import PromptCache, with_prompt_cache

from .engines import JOB, with_options


@pytest.mark.parametrize("prompt", ["a lighthouse", "lighthouse " * 100])
def test_a_kept_prompt_gives_the_very_bytes_and_asks_no_text_encoder(
    plain: Any, load_request: LoadRequest, prompt: str
) -> None:
    cached = with_options(load_request, "prompt-cache")
    encoders = [cached.pipeline.text_encoder, cached.pipeline.text_encoder_2]
    calls: list[Any] = []
    handles = [encoder.register_forward_hook(lambda *_: calls.append(1)) for encoder in encoders]
    job = replace(JOB, prompt=prompt)
    expected = generate_image(plain, job, lambda: False)
    first = generate_image(cached, job, lambda: False)
    asked = len(calls)
    again = generate_image(cached, job, lambda: False)
    assert expected.data == first.data == again.data
    assert (first.prompt_cached, again.prompt_cached) == (False, True)
    assert asked > 0 and len(calls) == asked
    assert (cached.prompts.hits > 0) and cached.prompts.bytes > 0
    assert not generate_image(cached, replace(job, negative_prompt="x"), lambda: False).prompt_cached
    without_guidance = generate_image(cached, replace(job, guidance_scale=1.0), lambda: False)
    # Pieces of a long prompt are the same with and without it.
    assert without_guidance.prompt_cached == (len(prompt) > 100)
    for handle in handles:
        handle.remove()


class Encoder:
    """A pipeline of which only the encoding matters."""

    def __init__(self) -> None:
        self.calls = 0

    def encode_prompt(self, prompt: str | None, clip_skip: int | None = None, embeds: Any = None) -> Any:
        self.calls += 1
        return torch.full((4,), float(self.calls)), [None, torch.zeros(2)]


def encode(cache: PromptCache, pipeline: Encoder, *arguments: Any, loras: dict[str, float] | None = None) -> Any:
    with with_prompt_cache(cache, pipeline, loras or {}):
        return pipeline.encode_prompt(*arguments)


def test_the_cache_tells_apart_all_that_an_encoding_depends_on() -> None:
    cache, pipeline = PromptCache(), Encoder()
    for arguments, loras in ((("a",), {}), (("b",), {}), (("a", 2), {}), (("a",), {"x": 1.0}), (("a",), {"x": 0.5})):
        encode(cache, pipeline, *arguments, loras=loras)
    assert (pipeline.calls, cache.hits, cache.misses) == (5, 0, 5)
    encode(cache, pipeline, "a", None)
    assert (pipeline.calls, cache.hits) == (5, 1)
    assert "encode_prompt" not in vars(pipeline)


def test_what_a_pipeline_does_to_its_tensors_does_not_reach_the_cache() -> None:
    cache, pipeline = PromptCache(), Encoder()
    for _ in range(3):
        tensor, (nothing, other) = encode(cache, pipeline, "a")
        assert tensor.tolist() == [1.0] * 4 and nothing is None and other.tolist() == [0.0, 0.0]
        tensor += 7


class Named:
    """Two of them have the same `repr`."""

    def __repr__(self) -> str:
        return "'a'"


class Text(str):
    def __repr__(self) -> str:
        return "'a'"


@pytest.mark.parametrize("fact", [torch.ones(1), Named(), Text("b"), [Named()], {"x": (1, Named())}, {Named(): 1}])
def test_arguments_that_have_no_name_of_their_own_are_not_kept(fact: object) -> None:
    cache, pipeline = PromptCache(), Encoder()
    encode(cache, pipeline, "a")
    for count in (2, 3):
        encode(cache, pipeline, "a", None, fact)
        # A text encoder was asked, and the picture counts as one whose prompt was encoded.
        assert (pipeline.calls, cache.counts) == (count, (0, count))


@pytest.mark.parametrize("fact", [1, 1.5, True, "b", torch.device("cpu"), torch.float16, [1, (None, {"x": "y"})]])
def test_arguments_of_plain_values_are_kept_each_by_its_value(fact: object) -> None:
    cache, pipeline = PromptCache(), Encoder()
    for _ in range(2):
        encode(cache, pipeline, "a", None, "other")
        encode(cache, pipeline, "a", None, fact)
    assert (pipeline.calls, cache.counts) == (2, (2, 2))


def test_embeddings_that_a_caller_gives_are_neither_kept_nor_counted() -> None:
    cache, pipeline = PromptCache(), Encoder()
    for _ in range(2):
        encode(cache, pipeline, None, None, torch.ones(1))
    assert (pipeline.calls, cache.counts, cache.bytes) == (2, (0, 0), 0)


def test_a_picture_of_a_pipeline_that_encodes_both_prompts_apart_counts_as_kept_only_if_both_were(
    load_request: LoadRequest,
) -> None:
    cached = with_options(load_request, "prompt-cache")
    cls = type(cached.pipeline)

    class Apart(cls):  # type: ignore[misc, valid-type] # a class of diffusers
        def __call__(self, prompt: str, negative_prompt: str, **options: Any) -> Any:
            embeds, _, pooled, _ = self.encode_prompt(prompt, do_classifier_free_guidance=False)
            other, _, other_pooled, _ = self.encode_prompt(negative_prompt, do_classifier_free_guidance=False)
            return super().__call__(
                prompt_embeds=embeds, pooled_prompt_embeds=pooled, negative_prompt_embeds=other,
                negative_pooled_prompt_embeds=other_pooled, **options,
            )  # fmt: skip

    cached.pipeline.__class__ = Apart
    prompts = [("a", "fog"), ("b", "fog"), ("b", "rain"), ("a", "rain")]
    jobs = [replace(JOB, prompt=prompt, negative_prompt=negative) for prompt, negative in prompts]
    assert [generate_image(cached, job, lambda: False).prompt_cached for job in jobs] == [False, False, False, True]


def test_the_cache_is_bounded_by_bytes_and_forgets_the_longest_unused() -> None:
    cache, pipeline = PromptCache(most_bytes=60), Encoder()
    for text in ("first", "second", "first", "third"):
        encode(cache, pipeline, text)
        assert cache.bytes <= 60
    assert (cache.hits, pipeline.calls) == (1, 3)
    encode(cache, pipeline, "first")
    assert (cache.hits, pipeline.calls) == (2, 3)
    encode(cache, pipeline, "second")
    assert (cache.hits, pipeline.calls) == (2, 4)


def held(value: object) -> Iterator[object]:
    """All that an object refers to, however deep, but for modules and what they share."""
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, (ModuleType, type)):
            continue
        seen.add(id(each))
        yield each
        waiting += [each for each in gc.get_referents(each) if not isinstance(each, FunctionType)]


@pytest.mark.parametrize("arguments", [(), (2,)])
def test_the_cache_holds_no_prompt_at_any_depth_and_no_digest_of_one_that_others_can_compute(
    arguments: tuple[int, ...],
) -> None:
    caches, pipeline = [PromptCache(), PromptCache()], Encoder()
    secret = "a prompt that nobody else may read"
    for cache in caches:
        encode(cache, pipeline, secret, *arguments)
    for cache in caches:
        texts = [
            each.encode() if isinstance(each, str) else each
            for each in held(vars(cache))
            if isinstance(each, (str, bytes))
        ]
        assert texts and not [text for text in texts if secret.encode() in text]
    # Without the secret of its process nobody can tell that a key is of a prompt.
    keys = [{*cache._kept} for cache in caches]
    assert all(keys) and keys[0].isdisjoint(keys[1])


def test_a_prompt_within_a_kept_value_would_be_found() -> None:
    assert "a prompt" in held({"x": [("y", {"z": "a prompt"})]})


@pytest.mark.parametrize("prompt", ["a lighthouse", "lighthouse " * 100])
def test_a_prompt_is_encoded_once_for_batches_of_any_number(load_request: LoadRequest, prompt: str) -> None:
    both = [with_options(load_request, "batches"), with_options(load_request, "batches", "prompt-cache")]
    jobs = [replace(JOB, prompt=prompt, seed=seed) for seed in range(6)]
    calls: list[list[Any]] = [[], []]
    made: list[list[bytes]] = [[], []]
    for loaded, seen, pictures in zip(both, calls, made, strict=True):
        handle = loaded.pipeline.text_encoder.register_forward_hook(lambda *_, seen=seen: seen.append(1))
        for some in (jobs[:4], jobs[4:], jobs[:1]):
            pictures += [image.data for image in generate_images(loaded, some, lambda: False)]
        handle.remove()
    # For each of the three calls, and for both prompts; then once for all.
    assert (len(calls[0]), len(calls[1])) == (6, 2)
    assert made[0] == made[1]
