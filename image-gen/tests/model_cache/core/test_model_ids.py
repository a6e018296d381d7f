"""Ids are understood as people paste them."""

from __future__ import annotations

import pytest
from conftest import MakeCache

from image_gen.errors import ImageGenError
from image_gen.model_cache.core.manifest import check_revision, split_model_id
from image_gen.settings import Settings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("org/name", ("org/name", None)),
        (" 'org/name/'\n", ("org/name", None)),
        ("https://huggingface.co/org/name/tree/main", ("org/name", None)),
        ("HTTPS://www.HuggingFace.co/Org/Name?x=1#top", ("Org/Name", None)),
        ("hf.co/org/name/blob/refs%2Fpr%2F1/unet/config.json", ("org/name", "refs/pr/1")),
        ("org/name@v2", ("org/name", "v2")),
        ("hf://org/name", ("org/name", None)),
        ("hf://models/org/name@refs%2Fpr%2F1", ("org/name", "refs/pr/1")),
        ("https://huggingface.co/org/name.git", ("org/name", None)),
        ("git@hf.co:org/name.git", ("org/name", None)),
        ("demo", ("demo", None)),
        ("org/name/x.safetensors", ("org/name/x.safetensors", None)),
        ("org/name@v2/a/x.safetensors", ("org/name/a/x.safetensors", "v2")),
        ("https://huggingface.co/org/name/blob/main/x.safetensors", ("org/name/x.safetensors", None)),
        ("hf.co/org/name/resolve/v2/x%20y.safetensors?download=true", ("org/name/x y.safetensors", "v2")),
        ("hf.co/org/name/x.safetensors", ("org/name/x.safetensors", None)),
        # The page of a part of a pipeline.
        ("hf.co/org/name/blob/main/unet/diffusion_pytorch_model.fp16.safetensors", ("org/name", None)),
        ("hf.co/org/name/blob/v2/text_encoder/model-00001-of-00002.safetensors", ("org/name", "v2")),
    ],
)
def test_a_pasted_id_is_understood(text: str, expected: tuple[str, str | None]) -> None:
    assert split_model_id(text) == expected
    settings = Settings.from_env({"MODEL_ID": text})
    assert (settings.model_id, settings.model_revision) == expected


@pytest.mark.parametrize(
    "text",
    [
        "https://huggingface.co/datasets/a/b",
        "hf://datasets/a/b",
        "http://x/y",
        "a/b/c",
        "",
        "../x",
        "a/b@",
        "a/b/../x.safetensors",
        "a/b/x.ckpt",
        "a/b//x.safetensors",
    ],
)
def test_anything_else_is_refused(make_cache: MakeCache, text: str) -> None:
    with pytest.raises(ImageGenError) as caught:
        make_cache().registry.canonical_id(text)
    assert caught.value.code == "MODEL_ID_INVALID"


def test_a_revision_is_never_dropped(make_cache: MakeCache) -> None:
    with pytest.raises(ImageGenError, match="MODEL_REVISION"):
        make_cache().registry.canonical_id("org/name@v2")
    with pytest.raises(ImageGenError, match="another revision"):
        split_model_id("org/name@v2", "v3")
    assert split_model_id("org/name/tree/main", "v3") == ("org/name", "v3")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" main ", "main"),
        ("refs/heads/main", "main"),
        ("refs/tags/v1.0", "v1.0"),
        ("refs/pr/1", "refs/pr/1"),
        ("A" * 40, "a" * 40),
        ("\u00a0fp16\u200b", "fp16"),
    ],
)
def test_a_pasted_revision_is_understood(text: str, expected: str) -> None:
    assert check_revision(text) == expected


@pytest.mark.parametrize("text", ["..", "../x", "a/../b", "/main", "main/", "a//b", ".hidden", "-x", "a b", "a\0"])
def test_what_is_no_revision_is_refused(text: str) -> None:
    """It becomes part of paths."""
    with pytest.raises(ImageGenError, match="branch, tag or commit"):
        check_revision(text)
