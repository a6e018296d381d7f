"""Which files of a model are downloaded, and whether any is."""

from __future__ import annotations

import json

from tests.faults.commands import FaultError
from tests.faults.families import family
from tests.faults.stage import MODEL, Stage

_UNET, _VAE = "unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model"


def _index(stage: Stage, **changes: object) -> bytes:
    return json.dumps(json.loads((stage.repo() / "model_index.json").read_text()) | changes).encode()


def _asked(stage: Stage) -> set[str]:
    """The weights that were asked for since the log was emptied."""
    paths = {each["path"].partition("/resolve/")[2].partition("/")[2] for each in stage.hub.requests}
    return {path for path in paths if "/" in path and not path.endswith((".json", ".txt"))}


@family("pipeline that the service can't serve", cause=10)
def not_served(stage: Stage) -> str:
    name = stage.noise.choice(
        ["StableDiffusionXLImg2ImgPipeline", "StableDiffusionInpaintPipeline", "StableVideoDiffusionPipeline",
         "FlaxStableDiffusionPipeline", "OnnxStableDiffusionPipeline", "AudioLDMPipeline", "NoSuchPipeline"]
    )  # fmt: skip
    stage.write_model(MODEL, **{"model_index.json": _index(stage, _class_name=name)})
    stage.hub.forget()
    said = stage.prefetch().failed().error
    if name not in said or _asked(stage):
        raise FaultError(f"{name}: downloaded {sorted(_asked(stage))}, and said {said[-300:]!r}")
    stage.after = "any"
    return name


@family("one component without fp16", cause=10)
def mixed_precision(stage: Stage) -> str:
    lacks = stage.noise.choice([_UNET, _VAE])
    has = _VAE if lacks == _UNET else _UNET
    beside = {
        f"{has}.{name}": stage.noise.randbytes(1000) for name in ("fp16.safetensors", "non_ema.safetensors", "bin")
    }
    stage.write_model(MODEL, **beside, **{"unet/model.onnx": b"x", "vae/openvino_model.bin": b"x"})
    stage.hub.forget()
    stage.prefetch().succeeded()
    wanted = {f"{lacks}.safetensors", f"{has}.fp16.safetensors"}
    if _asked(stage) != wanted:
        raise FaultError(f"downloaded {sorted(_asked(stage))}, needed {sorted(wanted)}")
    stage.after = "any"
    return f"{lacks.partition('/')[0]} has none"


@family("weights in another precision alone", cause=11)
def other_precision(stage: Stage) -> str:
    variant = stage.noise.choice(["bf16", "fp8", "non_ema", "int8"])
    weights = (stage.repo() / f"{_UNET}.safetensors").read_bytes()
    (stage.repo() / f"{_UNET}.safetensors").unlink()
    stage.write_model(MODEL, **{f"{_UNET}.safetensors": None, f"{_UNET}.{variant}.safetensors": weights})
    said = stage.prefetch().failed().error
    if f"{variant}.safetensors" not in said or "not a diffusers pipeline" in said:
        raise FaultError(f"weights as {variant} alone: {said[-300:]!r}")
    stage.after = "any"
    return variant
