"""Schedulers by name, prompts of any length and text in a PNG: each for its own picture alone."""

import io
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from image_gen.worker.pictures.generate import generate_image
from image_gen.worker.pictures.long_prompts import encoded_prompts, has_long_prompt
from image_gen.worker.pictures.schedulers import schedulers_of
from image_gen.worker.protocol import ImageJob

JOB = ImageJob("p", "a lighthouse", seed=5, steps=2, width=64, height=64)
LONG = " ".join(f"word{index}" for index in range(120))


def made(loaded: Any, **changes: Any) -> bytes:
    return generate_image(loaded, replace(JOB, **changes), lambda: False).data


def test_every_scheduler_makes_a_picture_and_the_next_default_one_is_the_same(loaded: Any) -> None:
    own, plain = loaded.pipeline.scheduler, made(loaded)
    names = schedulers_of(loaded.pipeline)
    assert {"ddim", "dpmpp_2m_karras", "euler", "euler_a", "euler_trailing", "lcm", "tcd", "unipc"} <= set(names)
    for name in names:
        first = made(loaded, scheduler=name)
        assert made(loaded, scheduler=name) == first, name
        steps: list[int] = []
        for count in (1, 3, *([60] if name in {"lcm", "tcd"} else [])):
            job = replace(JOB, scheduler=name, steps=count, progress=True)
            generate_image(loaded, job, lambda: False, lambda step, _, steps=steps: steps.append(step))
        assert steps[:4] == [1, 1, 2, 3] and steps[4:] in ([], [*range(1, 61)]), name
        assert loaded.pipeline.scheduler is own
    assert made(loaded) == plain
    assert made(loaded, scheduler="ddim") != plain
    assert made(loaded, scheduler="euler") == plain


def test_a_scheduler_is_the_pipelines_own_again_after_an_error(loaded: Any) -> None:
    own = loaded.pipeline.scheduler
    with pytest.raises(Exception, match="cancelled"):
        generate_image(loaded, replace(JOB, scheduler="ddim"), iter([False, True]).__next__)
    assert loaded.pipeline.scheduler is own


def test_a_long_prompt_is_read_to_its_end(loaded: Any) -> None:
    plain = made(loaded)
    whole = made(loaded, prompt=LONG)
    assert made(loaded, prompt=LONG) == whole
    assert made(loaded, prompt=LONG.replace("word119", "lighthouse")) != whole
    assert made(loaded, prompt=LONG, negative_prompt="x") != whole
    assert made(loaded, negative_prompt=LONG) != made(loaded, negative_prompt=LONG.replace("word119", "lighthouse"))
    assert made(loaded) == plain
    job = replace(JOB, prompt=LONG, negative_prompt=LONG)
    assert generate_image(loaded, job, lambda: False).truncated_tokens == {}


def test_short_prompts_are_left_to_the_pipeline_and_pieces_agree_with_it(loaded: Any) -> None:
    assert not has_long_prompt(loaded.pipeline, "a lighthouse", "fog")
    long = encoded_prompts(loaded.pipeline, "a lighthouse", LONG)
    theirs, _, pooled, _ = loaded.pipeline.encode_prompt("a lighthouse", do_classifier_free_guidance=True)
    assert long["prompt_embeds"].shape[1] % 77 == 0 and long["prompt_embeds"].shape[1] > 77
    assert long["prompt_embeds"].shape == long["negative_prompt_embeds"].shape
    # Of a batch of pieces, sums come in another order.
    assert (long["prompt_embeds"][:, :77] - theirs).abs().max() < 1e-4
    assert (long["pooled_prompt_embeds"] - pooled).abs().max() < 1e-4


def test_a_png_has_its_text_only_when_asked_for(loaded: Any) -> None:
    plain = Image.open(io.BytesIO(made(loaded)))
    with_text = Image.open(io.BytesIO(made(loaded, metadata="a lighthouse, ö\nSteps: 2")))
    assert "parameters" not in plain.info
    assert with_text.info["parameters"] == "a lighthouse, ö\nSteps: 2"
    assert with_text.tobytes() == plain.tobytes()
    assert made(loaded, metadata="x", output_format="jpeg") == made(loaded, output_format="jpeg")
