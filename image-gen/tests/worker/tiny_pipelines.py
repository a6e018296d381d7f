"""Tiny pipelines of diffusers' own classes with random weights: `BUILDERS[class name]()` makes one."""

from collections.abc import Callable
from typing import Any, Final

import diffusers
import torch
import transformers
from tokenizers.pre_tokenizers import ByteLevel

_WIDTH: Final = 32
_END: Final = "<|endoftext|>"


def clip_tokenizer() -> Any:
    """Knows single bytes; the end token has the highest id, as CLIP wants."""
    letters = sorted(ByteLevel.alphabet())
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", _END]
    vocabulary = {word: number for number, word in enumerate(words)}
    return transformers.CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77, pad_token=_END)


def clip_text(cls: Any = transformers.CLIPTextModel) -> Any:
    words = len(clip_tokenizer())
    return cls(transformers.CLIPTextConfig(
        bos_token_id=words - 2, eos_token_id=words - 1, vocab_size=words, hidden_size=_WIDTH, projection_dim=_WIDTH,
        intermediate_size=37, num_attention_heads=4, num_hidden_layers=3,
    ))  # fmt: skip


def _t5() -> dict[str, Any]:
    pieces = [
        ("<pad>", 0.0),
        ("</s>", 0.0),
        ("<unk>", 0.0),
        *((letter, -2.0) for letter in "▁abcdefghijklmnopqrstuvwxyz"),
    ]
    tokenizer = transformers.T5Tokenizer(vocab=pieces, model_max_length=77, extra_ids=0)
    config = transformers.T5Config(
        vocab_size=len(tokenizer), d_model=_WIDTH, d_kv=8, d_ff=37, num_layers=1, num_heads=4, decoder_start_token_id=0
    )
    return {"tokenizer": tokenizer, "text_encoder": transformers.T5EncoderModel(config)}


def _qwen3(cls: Any, layers: int = 2) -> dict[str, Any]:
    words = [*sorted(ByteLevel.alphabet()), _END]
    tokenizer = transformers.Qwen2Tokenizer(vocab={word: number for number, word in enumerate(words)}, merges=[])
    tokenizer.chat_template = "{% for message in messages %}{{ message.content }}{% endfor %}"
    config = transformers.Qwen3Config(
        vocab_size=len(words), hidden_size=16, intermediate_size=16, num_hidden_layers=layers, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=512,
    )  # fmt: skip
    return {"tokenizer": tokenizer, "text_encoder": cls(config)}


def _vae(channels: int = 4, *, blocks: int = 1) -> Any:
    return diffusers.AutoencoderKL(
        block_out_channels=(4,) * blocks, down_block_types=("DownEncoderBlock2D",) * blocks,
        up_block_types=("UpDecoderBlock2D",) * blocks, latent_channels=channels, norm_num_groups=1, sample_size=64,
        shift_factor=0.06, scaling_factor=1.5,
    )  # fmt: skip


def sd_components() -> dict[str, Any]:
    """In the shape of Stable Diffusion 1.5, for pictures of 64 x 64."""
    unet = diffusers.UNet2DConditionModel(
        sample_size=8, block_out_channels=(16, 32), layers_per_block=1, cross_attention_dim=_WIDTH, norm_num_groups=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=8,
    )  # fmt: skip
    vae = diffusers.AutoencoderKL(
        block_out_channels=(8,) * 4, down_block_types=("DownEncoderBlock2D",) * 4, norm_num_groups=4,
        up_block_types=("UpDecoderBlock2D",) * 4, latent_channels=4, sample_size=64,
    )  # fmt: skip
    scheduler = diffusers.PNDMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True, steps_offset=1
    )
    parts = {"unet": unet, "vae": vae, "scheduler": scheduler, "text_encoder": clip_text()}
    return parts | {"tokenizer": clip_tokenizer()}


def stable_diffusion() -> Any:
    return diffusers.StableDiffusionPipeline(
        **sd_components(), safety_checker=None, feature_extractor=None, requires_safety_checker=False
    )


def _latent_consistency() -> Any:
    parts = sd_components()
    unet = diffusers.UNet2DConditionModel.from_config(parts["unet"].config, time_cond_proj_dim=16)
    scheduler = diffusers.LCMScheduler.from_config(parts["scheduler"].config)
    parts |= {"unet": unet, "scheduler": scheduler, "safety_checker": None, "feature_extractor": None}
    return diffusers.LatentConsistencyModelPipeline(**parts, requires_safety_checker=False)


def _stable_diffusion_3() -> Any:
    t5 = _t5()
    transformer = diffusers.SD3Transformer2DModel(
        sample_size=64, patch_size=1, in_channels=4, out_channels=4, num_layers=1, attention_head_dim=8,
        num_attention_heads=4, caption_projection_dim=32, joint_attention_dim=_WIDTH, pooled_projection_dim=2 * _WIDTH,
    )  # fmt: skip
    with_projection = transformers.CLIPTextModelWithProjection
    return diffusers.StableDiffusion3Pipeline(
        transformer=transformer, scheduler=diffusers.FlowMatchEulerDiscreteScheduler(), vae=_vae(blocks=4),
        text_encoder=clip_text(with_projection), tokenizer=clip_tokenizer(), text_encoder_2=clip_text(with_projection),
        tokenizer_2=clip_tokenizer(), text_encoder_3=t5["text_encoder"], tokenizer_3=t5["tokenizer"],
    )  # fmt: skip


def _flux_parts() -> dict[str, Any]:
    t5 = _t5()
    transformer = diffusers.FluxTransformer2DModel(
        patch_size=1, in_channels=4, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=_WIDTH, pooled_projection_dim=_WIDTH, axes_dims_rope=(4, 4, 8),
    )  # fmt: skip
    return {
        "transformer": transformer, "scheduler": diffusers.FlowMatchEulerDiscreteScheduler(), "vae": _vae(1),
        "text_encoder": clip_text(), "tokenizer": clip_tokenizer(), "text_encoder_2": t5["text_encoder"],
        "tokenizer_2": t5["tokenizer"],
    }  # fmt: skip


def _flux_2_klein() -> Any:
    transformer = diffusers.Flux2Transformer2DModel(
        patch_size=1, in_channels=4, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=48, timestep_guidance_channels=256, axes_dims_rope=(4, 4, 4, 4), guidance_embeds=False,
    )  # fmt: skip
    vae = diffusers.AutoencoderKLFlux2(
        down_block_types=("DownEncoderBlock2D",), up_block_types=("UpDecoderBlock2D",), block_out_channels=(4,),
        layers_per_block=1, latent_channels=1, norm_num_groups=1, use_quant_conv=False, use_post_quant_conv=False,
        sample_size=64,
    )  # fmt: skip
    return diffusers.Flux2KleinPipeline(
        transformer=transformer, vae=vae, scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        **_qwen3(transformers.Qwen3ForCausalLM, 28),
    )  # fmt: skip


def _pixart(cls: Any) -> Any:
    transformer = diffusers.PixArtTransformer2DModel(
        sample_size=32, num_layers=1, patch_size=2, attention_head_dim=8, num_attention_heads=3, in_channels=4,
        out_channels=8, caption_channels=_WIDTH, cross_attention_dim=24, norm_type="ada_norm_single",
    )  # fmt: skip
    return cls(transformer=transformer, vae=_vae(blocks=4), scheduler=diffusers.DDIMScheduler(), **_t5())


def _z_image() -> Any:
    transformer = diffusers.ZImageTransformer2DModel(
        all_patch_size=(2,), all_f_patch_size=(1,), in_channels=4, dim=32, n_layers=1, n_refiner_layers=1, n_heads=2,
        n_kv_heads=2, cap_feat_dim=16, axes_dims=[8, 4, 4], axes_lens=[512, 32, 32],
    )  # fmt: skip
    # They are made without a value.
    with torch.no_grad():
        transformer.x_pad_token.fill_(1)
        transformer.cap_pad_token.fill_(1)
    return diffusers.ZImagePipeline(
        transformer=transformer, vae=_vae(blocks=4), scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        **_qwen3(transformers.Qwen3Model),
    )  # fmt: skip


def _kandinsky_2_2() -> Any:
    unet = diffusers.UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=8, addition_embed_type="image", layers_per_block=1,
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"), encoder_hid_dim=_WIDTH,
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"), encoder_hid_dim_type="image_proj",
        mid_block_type="UNetMidBlock2DSimpleCrossAttn", block_out_channels=(32, 64), cross_attention_dim=_WIDTH,
        attention_head_dim=4, resnet_time_scale_shift="scale_shift",
    )  # fmt: skip
    movq = diffusers.VQModel(
        block_out_channels=(32,) * 4, down_block_types=("DownEncoderBlock2D",) * 4, norm_num_groups=8,
        up_block_types=("UpDecoderBlock2D",) * 4, latent_channels=4, norm_type="spatial", num_vq_embeddings=12,
        vq_embed_dim=4,
    )  # fmt: skip
    prior = diffusers.PriorTransformer(num_attention_heads=2, attention_head_dim=12, embedding_dim=_WIDTH, num_layers=1)
    vision = transformers.CLIPVisionConfig(
        hidden_size=_WIDTH, image_size=28, projection_dim=_WIDTH, intermediate_size=37, num_attention_heads=4,
        num_hidden_layers=1, patch_size=14,
    )  # fmt: skip
    return diffusers.KandinskyV22CombinedPipeline(
        unet=unet, movq=movq, scheduler=diffusers.DDIMScheduler(), prior_prior=prior,
        prior_image_encoder=transformers.CLIPVisionModelWithProjection(vision),
        prior_text_encoder=clip_text(transformers.CLIPTextModelWithProjection), prior_tokenizer=clip_tokenizer(),
        prior_scheduler=diffusers.UnCLIPScheduler(prediction_type="sample", variance_type="fixed_small_log"),
        prior_image_processor=transformers.CLIPImageProcessor(
            size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}
        ),
    )  # fmt: skip


BUILDERS: Final[dict[str, Callable[[], Any]]] = {
    "StableDiffusionPipeline": stable_diffusion,
    "LatentConsistencyModelPipeline": _latent_consistency,
    "StableDiffusion3Pipeline": _stable_diffusion_3,
    "FluxPipeline": lambda: diffusers.FluxPipeline(**_flux_parts()),
    "FluxKontextPipeline": lambda: diffusers.FluxKontextPipeline(**_flux_parts()),
    "Flux2KleinPipeline": _flux_2_klein,
    "PixArtAlphaPipeline": lambda: _pixart(diffusers.PixArtAlphaPipeline),
    "PixArtSigmaPipeline": lambda: _pixart(diffusers.PixArtSigmaPipeline),
    "ZImagePipeline": _z_image,
    "KandinskyV22CombinedPipeline": _kandinsky_2_2,
}
