"""Writes a pipeline of random weights: in the full shape of SDXL base 1.0, 6.94 GB of fp16 files, or the tiny demo.

python bench/common/models.py DIR [--tiny]. Nothing is downloaded. The model is laid out as a hub cache would hold it,
with a manifest, so that the service finds it: DIR/hub/models--bench--sdxl, DIR/image-gen/manifests/bench--sdxl.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import struct
import sys
from pathlib import Path
from typing import Any

os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}

MODEL_ID = "bench/sdxl"
REVISION = "b" * 40
UNET = {
    "sample_size": 128, "in_channels": 4, "out_channels": 4, "center_input_sample": False, "flip_sin_to_cos": True,
    "freq_shift": 0, "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "mid_block_type": "UNetMidBlock2DCrossAttn",
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "block_out_channels": [320, 640, 1280], "layers_per_block": 2, "cross_attention_dim": 2048,
    "transformer_layers_per_block": [1, 2, 10], "attention_head_dim": [5, 10, 20], "use_linear_projection": True,
    "addition_embed_type": "text_time", "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 2816,
}  # fmt: skip
VAE = {
    "in_channels": 3, "out_channels": 3, "block_out_channels": [128, 256, 512, 512], "layers_per_block": 2,
    "down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4, "latent_channels": 4,
    "sample_size": 1024, "scaling_factor": 0.13025, "force_upcast": True,
}  # fmt: skip
TEXT = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "num_hidden_layers": 12}
TEXT_2 = {
    "hidden_size": 1280, "intermediate_size": 5120, "num_attention_heads": 20, "num_hidden_layers": 32,
    "projection_dim": 1280, "hidden_act": "gelu",
}  # fmt: skip
_CHUNK = 64 << 20


def write(home: Path, *, tiny: bool) -> int:
    """Returns the bytes of all files. The same call gives the same bytes."""
    from image_gen_demo.model import write_model

    snapshot = snapshot_in(home)
    snapshot.mkdir(parents=True)
    write_model(snapshot)
    if not tiny:
        _full_configs(snapshot)
        for number, (path, shapes) in enumerate(_weights().items()):
            _safetensors(snapshot / path, shapes, seed=number)
    return _as_hub_cache(home, snapshot)


def snapshot_in(home: Path) -> Path:
    """The directory that a pipeline is loaded from."""
    return home / "hub" / f"models--{MODEL_ID.replace('/', '--')}" / "snapshots" / REVISION


def bake(home: Path) -> Path:
    """The same files a second time, as an image has them: a plain tree beside its manifest. No room is taken twice."""
    baked = home.parent / "baked"
    name = MODEL_ID.replace("/", "--")
    snapshot = baked / name / "snapshot"
    if not snapshot.exists():
        for path in snapshot_in(home).rglob("*"):
            if path.is_file():
                copy = snapshot / path.relative_to(snapshot_in(home))
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.hardlink_to(path.resolve())
        manifest = home / "image-gen" / "manifests" / f"{name}.json"
        (baked / name / "manifest.json").write_bytes(manifest.read_bytes())
    return baked


def _full_configs(snapshot: Path) -> None:
    """The tiny model's small files, with the shapes of the real one."""
    for path in snapshot.rglob("*.safetensors"):
        path.unlink()
    (snapshot / "README.md").unlink()
    for component, values in (("unet", UNET), ("vae", VAE), ("text_encoder", TEXT), ("text_encoder_2", TEXT_2)):
        config = snapshot / component / "config.json"
        known = json.loads(config.read_text(encoding="utf-8"))
        if component.startswith("text"):
            # The vocabulary of the real encoders; the tokenizer's few words are its first.
            known["vocab_size"] = 49408
        config.write_text(json.dumps(known | values, indent=2) + "\n", encoding="utf-8")


def _weights() -> dict[str, dict[str, list[int]]]:
    """Names and shapes of every tensor, from models without memory."""
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    with torch.device("meta"):
        models: dict[str, Any] = {
            "unet/diffusion_pytorch_model.fp16.safetensors": UNet2DConditionModel(**UNET),
            "vae/diffusion_pytorch_model.fp16.safetensors": AutoencoderKL(**VAE),
            "text_encoder/model.fp16.safetensors": CLIPTextModel(CLIPTextConfig(**TEXT)),
            "text_encoder_2/model.fp16.safetensors": CLIPTextModelWithProjection(CLIPTextConfig(**TEXT_2)),
        }
    return {
        path: {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
        for path, model in models.items()
    }


def _safetensors(path: Path, shapes: dict[str, list[int]], seed: int) -> None:
    """Small random numbers, the same noise again and again: nothing that reads them can tell."""
    import numpy as np

    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in shapes.items():
        size = 2 * int(np.prod(shape))
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    noise = (np.random.default_rng(seed).standard_normal(_CHUNK // 2) * 0.02).astype(np.float16).tobytes()
    with path.open("wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        while end > 0:
            stream.write(noise[:end])
            end -= len(noise)


def _as_hub_cache(home: Path, snapshot: Path) -> int:
    """Contents under their hashes, links to them, a ref, and a manifest."""
    root = snapshot.parents[1]
    (root / "blobs").mkdir()
    files = []
    for path in sorted(each for each in snapshot.rglob("*") if each.is_file()):
        with path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        blob = root / "blobs" / sha256
        files.append({"path": path.relative_to(snapshot).as_posix(), "bytes": path.stat().st_size, "sha256": sha256})
        path.replace(blob)
        path.symlink_to(os.path.relpath(blob, path.parent))
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text(REVISION, encoding="ascii")
    manifest = {
        "schema": 1, "id": MODEL_ID, "aliases": [], "revision": REVISION, "pipeline": "StableDiffusionXLPipeline",
        "variant": "fp16", "licence": None, "gated": False, "load": {}, "files": files,
    }  # fmt: skip
    kept = home / "image-gen" / "manifests"
    kept.mkdir(parents=True)
    (kept / f"{MODEL_ID.replace('/', '--')}.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return sum(int(str(file["bytes"])) for file in files)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Writes an SDXL of random weights.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    sys.stdout.write(f"{write(options.directory, tiny=options.tiny)}\n")
