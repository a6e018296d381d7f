"""Writes a random SDXL pipeline: real classes and file names, small weights, no network.

python -m image_gen_demo.model DIR [--size tiny|medium] [--seed N]
"""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SAMPLE_SIZE = 16  # latents of 16 x 16 become pictures of 128 x 128
_PROJECTION = 32
_TIME_EMBEDDING = 8
_CARD = """---
license: mit
library_name: diffusers
---
Random weights in the shape of SDXL. It makes noise, not art: it is there to show how a model is fetched and served.
"""


@dataclass(frozen=True)
class Shape:
    """How wide and how deep the UNet is, which decides the size of the files."""

    channels: tuple[int, int]
    layers: int


SHAPES = {
    "tiny": Shape(channels=(32, 64), layers=1),  # 3 MB
    "medium": Shape(channels=(320, 640), layers=3),  # 300 MB
}


def write_model(directory: Path, size: str = "tiny", seed: int = 0) -> None:
    """Writes the pipeline into `directory`. The same size and seed give the same bytes."""
    # Nothing here may look for anything on a network, and what the libraries say of their inside helps nobody.
    os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    import torch
    from diffusers import StableDiffusionXLPipeline
    from diffusers.utils import logging

    logging.set_verbosity_error()
    torch.manual_seed(seed)
    pipeline = StableDiffusionXLPipeline(**_components(SHAPES[size]), add_watermarker=False)
    pipeline.to(dtype=torch.float16)
    directory.mkdir(parents=True, exist_ok=True)
    pipeline.save_pretrained(directory, variant="fp16", safe_serialization=True)
    (directory / "README.md").write_text(_CARD, encoding="utf-8")
    for path in directory.rglob("*.safetensors"):
        path.chmod(0o644)


def _components(shape: Shape) -> dict[str, Any]:
    from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    tokenizer = _tokenizer()
    text = CLIPTextConfig(
        bos_token_id=len(tokenizer) - 2,
        eos_token_id=len(tokenizer) - 1,
        hidden_size=32,
        intermediate_size=64,
        num_attention_heads=4,
        num_hidden_layers=3,
        projection_dim=_PROJECTION,
        vocab_size=len(tokenizer),
    )
    unet = UNet2DConditionModel(
        sample_size=SAMPLE_SIZE,
        layers_per_block=1,
        block_out_channels=shape.channels,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=_TIME_EMBEDDING,
        transformer_layers_per_block=(1, shape.layers),
        projection_class_embeddings_input_dim=6 * _TIME_EMBEDDING + _PROJECTION,
        cross_attention_dim=2 * text.hidden_size,
        norm_num_groups=8,
    )
    vae = AutoencoderKL(
        block_out_channels=[16, 16, 32, 32],
        in_channels=3,
        out_channels=3,
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=SAMPLE_SIZE * 8,
        scaling_factor=0.13025,
    )
    return {
        "vae": vae,
        "text_encoder": CLIPTextModel(text),
        "text_encoder_2": CLIPTextModelWithProjection(text),
        "tokenizer": tokenizer,
        "tokenizer_2": _tokenizer(),
        "unet": unet,
        "scheduler": EulerDiscreteScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            steps_offset=1,
            timestep_spacing="leading",
        ),
    }


def _tokenizer() -> Any:
    """A CLIP tokenizer that knows single bytes and a few merges; the end token has the highest id, as CLIP wants."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    letters = sorted(ByteLevel.alphabet())
    merges = [("t", "h"), ("th", "e</w>"), ("a", "n"), ("i", "n")]
    words = [*letters, *(f"{letter}</w>" for letter in letters), *("".join(pair) for pair in merges)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: number for number, word in enumerate(words)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77, pad_token=words[-1])


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m image_gen_demo.model", description="Writes a random SDXL pipeline."
    )
    parser.add_argument("directory", type=Path)
    parser.add_argument("--size", choices=sorted(SHAPES), default="tiny", help="tiny: 3 MB, medium: 300 MB")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    write_model(arguments.directory, arguments.size, arguments.seed)


if __name__ == "__main__":
    main()
