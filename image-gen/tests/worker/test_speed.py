"""Options of the engine: which are on, and that none changes a picture by more than rounding."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from image_gen.engine_options import AUTO, ENGINE_OPTIONS
from image_gen.worker.pictures.generate import generate_image
from image_gen.worker.protocol import LoadRequest
from image_gen.worker.speed.options import DEFAULTS, apply_options, chosen_options

from .engines import JOB, difference, with_options
from .tiny_pipelines import stable_diffusion


def test_auto_stands_for_what_was_measured_on_the_device() -> None:
    assert chosen_options([AUTO], "cpu") == DEFAULTS["cpu"]
    # Nothing that changes how numbers are added up was measured there.
    assert chosen_options([AUTO], "cuda") == ("prompt-cache",)
    assert chosen_options([AUTO, "channels-last"], "cuda") == ("prompt-cache", "channels-last")
    assert chosen_options([], "cpu") == ()
    assert {name for names in DEFAULTS.values() for name in names} <= {*ENGINE_OPTIONS}


@pytest.mark.parametrize("name", ["channels-last", "fused-projections"])
def test_an_option_that_changes_the_arithmetic_changes_pictures_by_rounding_alone(
    plain: Any, load_request: LoadRequest, name: str
) -> None:
    other = with_options(load_request, name)
    assert other.options == {name: ""}
    for seed in range(3):
        job = replace(JOB, seed=seed)
        pair = [generate_image(each, job, lambda: False).data for each in (plain, other)]
        assert difference(*pair) <= 2


def test_channels_last_and_fused_projections_are_really_applied(load_request: LoadRequest) -> None:
    unet = with_options(load_request, "channels-last", "fused-projections").pipeline.unet
    assert unet.conv_in.weight.is_contiguous(memory_format=torch.channels_last)
    assert fused(unet)


class Part(torch.nn.Module):
    """A part of a model with one weight, or one buffer."""

    def __init__(self, *shape: int, buffer: bool = False) -> None:
        super().__init__()
        weight = torch.zeros(shape)
        self.register_buffer("weight", weight) if buffer else setattr(self, "weight", torch.nn.Parameter(weight))

    @property
    def is_reordered(self) -> bool:
        return bool(self.weight.is_contiguous(memory_format=torch.channels_last))


FLAT, DEEP = (2, 3, 4, 4), (2, 3, 4, 4, 4)


@pytest.mark.parametrize("buffer", [False, True])
@pytest.mark.parametrize(
    ("unet", "vae", "reason"),
    [
        (FLAT, DEEP, "weights of vae have five dimensions"),
        (DEEP, FLAT, "weights of unet have five dimensions"),
        (DEEP, DEEP, "weights of unet and vae have five dimensions"),
        (FLAT, FLAT, ""),
    ],
)
def test_channels_last_is_left_out_for_a_part_with_weights_of_five_dimensions(
    unet: tuple[int, ...], vae: tuple[int, ...], reason: str, buffer: bool
) -> None:
    parts = {"unet": Part(*unet, buffer=buffer), "vae": Part(*vae, buffer=buffer)}
    left_out = apply_options(SimpleNamespace(**parts), ["channels-last"], has_loras=False)
    assert left_out == ({"channels-last": reason} if reason else {})
    for part, shape in zip(parts.values(), (unet, vae), strict=True):
        if shape == FLAT:
            assert part.is_reordered
        else:
            assert part.weight.is_contiguous()


def test_a_vae_with_3d_convolutions_makes_no_start_fail() -> None:
    import diffusers

    vae = diffusers.AutoencoderKLQwenImage(
        base_dim=8, z_dim=4, dim_mult=[1, 1], num_res_blocks=1, temperal_downsample=[False]
    )
    with pytest.raises(RuntimeError, match="rank 4"):
        vae.to(memory_format=torch.channels_last)
    left_out = apply_options(SimpleNamespace(vae=vae), DEFAULTS["cpu"], has_loras=False)
    assert left_out == {"channels-last": "weights of vae have five dimensions"}


def test_an_option_that_fails_is_left_out_with_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise TypeError("no such thing")

    unet = Part(*FLAT)
    monkeypatch.setattr(unet, "to", fail)
    pipeline = SimpleNamespace(unet=unet, fuse_qkv_projections=fail)
    assert apply_options(pipeline, ["channels-last", "fused-projections"], has_loras=False) == {
        "channels-last": "TypeError: no such thing", "fused-projections": "TypeError: no such thing",
    }  # fmt: skip


def fused(unet: Any) -> bool:
    return "FusedAttnProcessor2_0" in {type(each).__name__ for each in unet.attn_processors.values()}


def test_a_model_with_another_vae_has_the_projections_of_its_unet_fused_and_says_so() -> None:
    import diffusers

    pipeline = stable_diffusion()
    pipeline.vae = diffusers.AutoencoderTiny(encoder_block_out_channels=(8,) * 4, decoder_block_out_channels=(8,) * 4)
    assert apply_options(pipeline, ["fused-projections"], has_loras=False) == {}
    assert fused(pipeline.unet)


def test_projections_that_can_be_fused_in_part_alone_are_all_left_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ValueError("not with this VAE")

    pipeline = stable_diffusion()
    monkeypatch.setattr(pipeline.vae, "fuse_qkv_projections", fail)
    left_out = apply_options(pipeline, ["fused-projections"], has_loras=False)
    assert left_out == {"fused-projections": "ValueError: not with this VAE"}
    assert not fused(pipeline.unet)


def test_options_that_a_model_cannot_have_are_named_with_the_reason() -> None:
    left_out = apply_options(SimpleNamespace(), ["channels-last", "fused-projections"], has_loras=False)
    assert left_out == {
        "channels-last": "the model has no UNet and no VAE", "fused-projections": "diffusers has none for this model",
    }  # fmt: skip
    assert apply_options(SimpleNamespace(), ["fused-projections"], has_loras=True) == {
        "fused-projections": "LoRAs change the projections one by one"
    }
