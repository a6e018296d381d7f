"""Writes a pipeline of Stable Diffusion as one checkpoint, with the names that weights have in the models' own code.

The other way round than diffusers converts: what it makes of the file has to be the pipeline again.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

_RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "norm2": "out_layers.0", "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection",
}  # fmt: skip
_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
_TOP = {
    "conv_in": "input_blocks.0.0", "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
    "conv_norm_out": "out.0", "conv_out": "out.2", "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
}  # fmt: skip
_OPEN_CLIP = {
    "layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}  # fmt: skip

Weights = Mapping[str, torch.Tensor]


def write_checkpoint(pipeline: Any, path: Path, **others: torch.Tensor) -> None:
    """`others` are weights besides, such as marks."""
    is_xl = hasattr(pipeline, "text_encoder_2")
    clip = "conditioner.embedders.0.transformer." if is_xl else "cond_stage_model.transformer."
    found = {f"model.diffusion_model.{_of_unet(pipeline.unet, name)}": w for name, w in _weights(pipeline.unet)}
    found |= {f"first_stage_model.{_of_vae(pipeline.vae, name)}": w for name, w in _weights(pipeline.vae)}
    # The VAE's attention was made of convolutions.
    attention = re.compile(r"attn_1\.(q|k|v|proj_out)\.weight$")
    found = {name: w[..., None, None] if attention.search(name) else w for name, w in found.items()}
    found |= {f"{clip}text_model.{name.removeprefix('text_model.')}": w for name, w in _weights(pipeline.text_encoder)}
    if is_xl:
        found |= {
            f"conditioner.embedders.1.model.{name}": w
            for name, w in _of_open_clip(dict(_weights(pipeline.text_encoder_2))).items()
        }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: w.contiguous().clone() for name, w in (found | others).items()}, str(path))


def _weights(module: Any) -> list[tuple[str, torch.Tensor]]:
    return [(name, w) for name, w in module.state_dict().items() if not name.endswith("position_ids")]


def _renamed(name: str, names: Mapping[str, str]) -> str:
    for ours, theirs in names.items():
        if re.match(rf"{re.escape(ours)}(\.|$)", name):
            return theirs + name[len(ours) :]
    return name


def _of_unet(unet: Any, name: str) -> str:
    layers = unet.config.layers_per_block + 1
    if found := re.match(r"(down|up)_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.(.*)", name):
        way, block, part, layer, rest = found.groups()
        place = int(block) * layers + int(layer) + (way == "down")
        rest = _renamed(rest, _RESNET) if part == "resnets" else rest
        return f"{'in' if way == 'down' else 'out'}put_blocks.{place}.{int(part == 'attentions')}.{rest}"
    if found := re.match(r"down_blocks\.(\d+)\.downsamplers\.0\.conv\.(.*)", name):
        return f"input_blocks.{(int(found[1]) + 1) * layers}.0.op.{found[2]}"
    if found := re.match(r"up_blocks\.(\d+)\.upsamplers\.0\.conv\.(.*)", name):
        with_attention = "CrossAttn" in unet.config.up_block_types[int(found[1])]
        return f"output_blocks.{(int(found[1]) + 1) * layers - 1}.{1 + with_attention}.conv.{found[2]}"
    if found := re.match(r"mid_block\.resnets\.(\d)\.(.*)", name):
        return f"middle_block.{2 * int(found[1])}.{_renamed(found[2], _RESNET)}"
    if name.startswith("mid_block.attentions.0."):
        return name.replace("mid_block.attentions.0", "middle_block.1")
    return _renamed(name, _TOP)


def _of_vae(vae: Any, name: str) -> str:
    last = len(vae.config.block_out_channels) - 1
    name = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    if found := re.match(r"(.*)mid_block\.resnets\.(\d)(.*)", name):
        return f"{found[1]}mid.block_{int(found[2]) + 1}{found[3]}"
    if found := re.match(r"(.*)mid_block\.attentions\.0\.(.*)", name):
        return f"{found[1]}mid.attn_1.{_renamed(found[2], _ATTENTION)}"
    if found := re.match(r"(.*)(down|up)_blocks\.(\d+)\.(.*)", name):
        block = int(found[3]) if found[2] == "down" else last - int(found[3])
        rest = found[4].replace("resnets", "block").replace("samplers.0", "sample")
        return f"{found[1]}{found[2]}.{block}.{rest}"
    return name


def _of_open_clip(weights: Weights) -> dict[str, torch.Tensor]:
    """Of each layer, queries, keys and values are one weight."""
    found = {
        "token_embedding.weight": weights["text_model.embeddings.token_embedding.weight"],
        "positional_embedding": weights["text_model.embeddings.position_embedding.weight"],
        "ln_final.weight": weights["text_model.final_layer_norm.weight"],
        "ln_final.bias": weights["text_model.final_layer_norm.bias"],
        "text_projection": weights["text_projection.weight"].T,
    }
    for name, weight in weights.items():
        layer = re.match(r"text_model\.encoder\.layers\.(\d+)\.(.*)", name)
        if layer and not re.match(r"self_attn\.[qkv]_proj", layer[2]):
            found[f"transformer.resblocks.{layer[1]}.{_renamed(layer[2], _OPEN_CLIP)}"] = weight
        elif layer and "q_proj" in name:
            parts = [weights[name.replace("q_proj", f"{each}_proj")] for each in "qkv"]
            kind = layer[2].rpartition(".")[2]
            found[f"transformer.resblocks.{layer[1]}.attn.in_proj_{kind}"] = torch.cat(parts)
    return found
