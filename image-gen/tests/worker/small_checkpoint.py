"""Small checkpoints: pipelines with random weights, of configurations with fewer and smaller layers.

`python -m tests.worker.small_checkpoint CONFIGS FILE` writes the configurations into a folder, and with them a
checkpoint of Stable Diffusion XL in half precision.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch

from image_gen.worker.checkpoints import configuration
from image_gen.worker.checkpoints.clip_tokenizer import clip_tokenizer

from .original_layout import write_checkpoint

SMALL = {
    "text_encoder": {"hidden_size": 32, "intermediate_size": 37, "num_attention_heads": 4, "num_hidden_layers": 2},
    "text_encoder_2": {
        "hidden_size": 64, "intermediate_size": 37, "num_attention_heads": 4, "num_hidden_layers": 11,
        "projection_dim": 48,
    },
    "vae": {"block_out_channels": [8, 8, 16, 16], "norm_num_groups": 4, "sample_size": 64},
    "unet": {"norm_num_groups": 8, "sample_size": 8},
}  # fmt: skip
# By kind, what depends on the number of blocks and of encoders.
UNETS = {
    "stable-diffusion": {"block_out_channels": [16, 16, 32, 32], "cross_attention_dim": 32, "attention_head_dim": 4},
    "stable-diffusion-xl": {
        "block_out_channels": [16, 32, 32], "cross_attention_dim": 96, "attention_head_dim": [2, 4, 4],
        "transformer_layers_per_block": [1, 1, 2], "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 96,
    },
}  # fmt: skip
KINDS = {"stable-diffusion": "StableDiffusionPipeline", "stable-diffusion-xl": "StableDiffusionXLPipeline"}


def write_small_configs(place: Path) -> None:
    """The configurations that ship, with fewer and smaller layers, into a folder that is made."""
    place.mkdir()
    for kind in KINDS:
        changed = configuration.configuration_of(kind)
        for part, changes in SMALL.items():
            if f"{part}/config.json" in changed:
                changed[f"{part}/config.json"] |= changes | (UNETS[kind] if part == "unet" else {})
        (place / f"{kind}.json").write_text(json.dumps(changed))


def made(kind: str, device: str = "cpu") -> Any:
    """A pipeline of the configuration with random weights."""
    import diffusers
    import transformers

    torch.manual_seed(0)
    index = configuration.configuration_of(kind)["model_index.json"]
    parts: dict[str, Any] = {}
    with configuration.as_directory(kind) as configs:
        for name, spec in index.items():
            if not isinstance(spec, list) or spec[0] is None:
                continue
            cls = getattr(diffusers if spec[0] == "diffusers" else transformers, spec[1])
            if "tokenizer" in name:
                parts[name] = clip_tokenizer(*(["!"] if name == "tokenizer_2" else []))
            elif name == "scheduler":
                parts[name] = cls.from_config(cls.load_config(configs / name))
            else:
                with torch.device(device):
                    if spec[0] == "transformers":
                        parts[name] = cls(cls.config_class.from_pretrained(configs / name)).eval()
                    else:
                        parts[name] = cls.from_config(cls.load_config(configs / name))
    others = {name: value for name, value in index.items() if name in {"requires_safety_checker"}}
    empty = {} if "text_encoder_2" in parts else {"safety_checker": None, "feature_extractor": None}
    return getattr(diffusers, index["_class_name"])(**parts, **empty, **others)


if __name__ == "__main__":
    configs, file = map(Path, sys.argv[1:])
    write_small_configs(configs)
    # It is constant but for this program.
    configuration.CONFIGS = configs  # type: ignore[misc]
    file.parent.mkdir(parents=True)
    write_checkpoint(made("stable-diffusion-xl").to(torch.float16), file)
